package faults

import (
	"context"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// refill sees what happened after a resource version, and gives the one up to which
// it has. From a list at each resource version in between follow all changes: each
// write has one of its own.
func (o *observer) refill(ctx context.Context, list func() client.ObjectList, from string) (last string) {
	now := list()
	for ctx.Err() == nil {
		if err := o.api.List(ctx, now); err == nil {
			break
		}
		time.Sleep(pause)
	}
	first, fromErr := strconv.Atoi(from)
	until, nowErr := strconv.Atoi(now.GetResourceVersion())
	if fromErr == nil && nowErr == nil {
		for version := first + 1; version < until && ctx.Err() == nil; version++ {
			if err := o.listAt(ctx, list(), version); err != nil {
				o.lost(fmt.Sprintf("what happened between the resource versions %s and %s is not known as a whole: at %d: %v", from, now.GetResourceVersion(), version, err))
				break
			}
		}
	}
	if err := o.compare(now); err != nil {
		o.lost(err.Error())
	}
	return now.GetResourceVersion()
}

// listAt takes in what was at a resource version.
func (o *observer) listAt(ctx context.Context, list client.ObjectList, version int) error {
	for {
		err := o.api.List(ctx, list, &client.ListOptions{Raw: &metav1.ListOptions{
			ResourceVersion: strconv.Itoa(version), ResourceVersionMatch: metav1.ResourceVersionMatchExact,
		}})
		switch {
		case err == nil:
			o.mu.Lock()
			o.refilled++
			o.mu.Unlock()
			return o.compare(list)
		case apierrors.IsResourceExpired(err) || apierrors.IsGone(err) || ctx.Err() != nil:
			return err
		}
		time.Sleep(pause)
	}
}

// compare hears of all differences between what was known last and a list.
func (o *observer) compare(list client.ObjectList) error {
	objects, err := meta.ExtractList(list)
	if err != nil {
		return err
	}
	_, ofSecrets := list.(*corev1.SecretList)
	present := o.present()
	for _, object := range objects {
		at, after := look(object)
		if before := present[at]; before == nil || before.resourceVersion != after.resourceVersion {
			o.hear(at, after)
		}
		delete(present, at)
	}
	for at := range present {
		if (at.kind == secret) == ofSecrets {
			o.hear(at, nil)
		}
	}
	return nil
}
