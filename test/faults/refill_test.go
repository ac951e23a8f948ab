package faults

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/test/framework/model"
)

// refill recovers the events after a resource version, and returns the last one that
// it covers. Lists at each resource version in between show all changes, since each
// write has its own.
func (o *observer) refill(ctx context.Context, list func() client.ObjectList, from string) (last string) {
	now := list()
	for ctx.Err() == nil {
		if err := o.api.List(ctx, now); err == nil {
			break
		}
		time.Sleep(pause)
	}
	err := o.listAll(ctx, list, from, now.GetResourceVersion())
	if ctx.Err() != nil {
		return from // the test has ended
	}
	if err = errors.Join(err, o.compare(now)); err != nil {
		o.lost(fmt.Sprintf("what happened between the resource versions %s and %s is not known as a whole: %v", from, now.GetResourceVersion(), err))
	}
	return now.GetResourceVersion()
}

// listAll processes the lists at each resource version between two.
func (o *observer) listAll(ctx context.Context, list func() client.ObjectList, from, to string) error {
	first, fromErr := strconv.Atoi(from)
	until, toErr := strconv.Atoi(to)
	if err := errors.Join(fromErr, toErr); err != nil {
		return err
	}
	for version := first + 1; version < until; version++ {
		if err := o.listAt(ctx, list(), version); err != nil {
			return fmt.Errorf("at %d: %w", version, err)
		}
	}
	return nil
}

// listAt processes the list at a resource version.
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

// compare records all differences between the last known state and a list.
func (o *observer) compare(list client.ObjectList) error {
	objects, err := meta.ExtractList(list)
	if err != nil {
		return err
	}
	kind := model.ConfigMap
	switch list.(type) {
	case *corev1.SecretList:
		kind = model.Secret
	case *certificatesv1.ClusterTrustBundleList:
		kind = model.ClusterTrustBundle
	}
	present := o.present()
	for _, object := range objects {
		at, after := model.Observe(object)
		if before := present[at]; before == nil || before.ResourceVersion != after.ResourceVersion {
			o.hear(at, after)
		}
		delete(present, at)
	}
	for at := range present {
		if at.Kind == kind {
			o.hear(at, nil)
		}
	}
	return nil
}
