package faults

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/test/framework/model"
)

// prefix begins the name of each bundle, and so of each target; that of the API kind may precede
// it.
const prefix = "faults-"

// observer receives each event of every target, in order, and passes it to the judge.
// It connects to the API server directly, as the administrator.
//
// A watch ends with the API server, and a restarted one may have lost the latest
// events. etcd has them: the observer lists the objects at each resource version in
// between. Only if etcd has compacted them there is a gap.
type observer struct {
	api   client.WithWatch
	judge *judge

	mu  sync.Mutex
	now map[model.Target]*model.Observed
	// ever are all targets that have existed.
	ever map[model.Target]bool
	// holders counts the targets that have held a revision.
	holders map[*model.Revision]int
	// events counts all events, and refilled the resource versions that were listed
	// one by one.
	events, refilled int
	// gaps describe the periods in which events may have been missed.
	gaps []string
}

func newObserver(api client.WithWatch, j *judge) *observer {
	return &observer{api: api, judge: j, now: map[model.Target]*model.Observed{}, ever: map[model.Target]bool{}, holders: map[*model.Revision]int{}}
}

// pause is the delay between two retries while the API server is down.
const pause = 50 * time.Millisecond

// start starts the watches, before any target exists.
func (o *observer) start(ctx context.Context) error {
	for _, make := range []func() client.ObjectList{
		func() client.ObjectList { return &corev1.ConfigMapList{} },
		func() client.ObjectList { return &corev1.SecretList{} },
		func() client.ObjectList { return &certificatesv1.ClusterTrustBundleList{} },
	} {
		list := make()
		if err := o.api.List(ctx, list); err != nil {
			return err
		}
		go o.follow(ctx, make, list.GetResourceVersion())
	}
	return nil
}

// follow watches from a resource version until the context ends.
func (o *observer) follow(ctx context.Context, list func() client.ObjectList, from string) {
	for ctx.Err() == nil {
		next, err := o.watch(ctx, list(), from)
		from = next
		switch {
		case err == nil:
		case apierrors.IsResourceExpired(err) || apierrors.IsGone(err):
			from = o.refill(ctx, list, from)
		default:
			time.Sleep(pause)
		}
	}
}

// watch watches until the watch ends, and returns the last resource version.
func (o *observer) watch(ctx context.Context, list client.ObjectList, from string) (last string, err error) {
	events, err := o.api.Watch(ctx, list, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: from, AllowWatchBookmarks: true}})
	if err != nil {
		return from, err
	}
	defer events.Stop()
	for e := range events.ResultChan() {
		if e.Type == watch.Error {
			return from, apierrors.FromObject(e.Object)
		}
		if object, ok := e.Object.(client.Object); ok {
			from = object.GetResourceVersion()
		}
		at, after := model.Observe(e.Object)
		if e.Type == watch.Deleted {
			after = nil
		}
		if e.Type != watch.Bookmark {
			o.hear(at, after)
		}
	}
	return from, nil
}

// hear records the new state of a target.
func (o *observer) hear(at model.Target, after *model.Observed) {
	if !strings.Contains(at.Bundle, prefix) || strings.Contains(at.Bundle, ".rotation-") {
		return // not a target: another object, or the rotation state of a Bundle
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	before := o.now[at]
	if before == nil && after == nil {
		return
	}
	o.events++
	o.ever[at] = true
	if after == nil {
		delete(o.now, at)
	} else {
		o.now[at] = after
		if of := o.judge.history.Held(at, after); of != nil {
			o.holders[of]++
		}
	}
	o.judge.look(event{at, before, after, time.Now()})
}

// lost records that events may have been missed, which fails the test, since they
// cannot be judged.
func (o *observer) lost(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.gaps = append(o.gaps, what)
}

// missed returns the gaps so far.
func (o *observer) missed() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.gaps)
}

// present returns all targets in their last observed state.
func (o *observer) present() map[model.Target]*model.Observed {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.now)
}

// seenOf returns how many targets have held a revision.
func (o *observer) seenOf(of *model.Revision) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.holders[of]
}

// total returns the number of events.
func (o *observer) total() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.events
}
