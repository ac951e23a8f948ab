package faults

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/test/framework/model"
)

// prefix begins the name of each bundle, and so of each target.
const prefix = "faults-"

// observer sees each event of every target, in order, and has it judged. It asks the
// API server by itself, as the administrator.
//
// A watch ends with the API server, and a new one may not remember what happened just
// before. etcd does: the observer then lists the objects at each resource version in
// between. Only where that is forgotten too there is a gap.
type observer struct {
	api   client.WithWatch
	judge *judge

	mu  sync.Mutex
	now map[model.Target]*model.Observed
	// ever are all targets that there ever were.
	ever map[model.Target]bool
	// holders counts the targets that were seen to hold a revision.
	holders map[*model.Revision]int
	// events counts all, and refilled the resource versions that were looked at one by
	// one.
	events, refilled int
	// gaps tell of the times at which some may have been missed.
	gaps []string
}

func newObserver(api client.WithWatch, j *judge) *observer {
	return &observer{api: api, judge: j, now: map[model.Target]*model.Observed{}, ever: map[model.Target]bool{}, holders: map[*model.Revision]int{}}
}

// pause is between two tries to reach an API server that is down.
const pause = 50 * time.Millisecond

// start begins to watch, from a list that has none of the targets yet.
func (o *observer) start(ctx context.Context) error {
	for _, make := range []func() client.ObjectList{
		func() client.ObjectList { return &corev1.ConfigMapList{} },
		func() client.ObjectList { return &corev1.SecretList{} },
	} {
		list := make()
		if err := o.api.List(ctx, list); err != nil {
			return err
		}
		go o.follow(ctx, make, list.GetResourceVersion())
	}
	return nil
}

// follow watches until the context ends, from a resource version on.
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

// watch watches until the watch ends, and gives the last resource version.
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

// hear takes in that a target is now as it is.
func (o *observer) hear(at model.Target, after *model.Observed) {
	if !strings.HasPrefix(at.Bundle, prefix) || strings.Contains(at.Bundle, ".rotation-") {
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

// lost tells that some events may have been missed, which fails the test: nothing can be
// said of them.
func (o *observer) lost(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.gaps = append(o.gaps, what)
}

// missed tells of the gaps so far.
func (o *observer) missed() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.gaps)
}

// present gives all targets as they were seen last.
func (o *observer) present() map[model.Target]*model.Observed {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.now)
}

// seenOf is how often a revision was seen to have come into a target.
func (o *observer) seenOf(of *model.Revision) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.holders[of]
}

// total is how many events there were.
func (o *observer) total() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.events
}
