package faults

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
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
	now map[target]*seen
	// ever are all targets that there ever were.
	ever map[target]bool
	// holders counts the targets that were seen to hold a revision.
	holders map[*revision]int
	// events counts all, gaps the times at which some may have been missed, and
	// refilled the resource versions that were looked at one by one.
	events, gaps, refilled int
	// faults are what went wrong with the watch, but for ends of connections.
	faults []string
}

func newObserver(api client.WithWatch, j *judge) *observer {
	return &observer{api: api, judge: j, now: map[target]*seen{}, ever: map[target]bool{}, holders: map[*revision]int{}}
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
		at, after := look(e.Object)
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
func (o *observer) hear(at target, after *seen) {
	if !strings.HasPrefix(at.bundle, prefix) {
		return
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
		if of := o.judge.registry.ofText(after.data[pemKey]); of != nil {
			o.holders[of]++
		}
	}
	o.judge.look(event{at, before, after, time.Now()})
}

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

func (o *observer) lost(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.gaps++
	o.faults = append(o.faults, what)
}

// present gives all targets as they were seen last.
func (o *observer) present() map[target]*seen {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.now)
}

// seenOf is how often a revision was seen to have come into a target.
func (o *observer) seenOf(of *revision) int {
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
