package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
)

// observedLabel is on all targets, and on what the raw client writes: both are
// watched, so that both cost the API server the same.
const observedLabel = "bench-observed"

// longest bounds how long any piece of work may take.
const longest = 15 * time.Minute

// place names one ConfigMap.
type place struct{ name, namespace string }

// sighting is what the watch has shown last of a ConfigMap, and when.
type sighting struct {
	present         bool
	digest, version string
	at              time.Time
}

// observer watches the metadata of all targets. It is safe for concurrent use.
type observer struct {
	mu       sync.Mutex
	now      map[place]sighting
	expected map[*expectation]bool
	// last is when something was seen last.
	last time.Time
	// events counts what was seen of the operator's.
	events int
	err    error
}

func newObserver(ctx context.Context, api client.WithWatch) (*observer, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.APIVersion, list.Kind = "v1", "ConfigMapList"
	labelled := client.HasLabels{observedLabel}
	if err := api.List(ctx, list, labelled); err != nil {
		return nil, err
	}
	o := &observer{now: map[place]sighting{}, expected: map[*expectation]bool{}}
	events, err := watchtools.NewRetryWatcherWithContext(ctx, list.ResourceVersion, &cache.ListWatch{
		WatchFuncWithContext: func(ctx context.Context, raw metav1.ListOptions) (watch.Interface, error) {
			raw.AllowWatchBookmarks = true
			options := &client.ListOptions{Raw: &raw}
			labelled.ApplyToList(options)
			return api.Watch(ctx, list, options)
		},
	})
	if err != nil {
		return nil, err
	}
	go func() {
		for event := range events.ResultChan() {
			o.see(event)
		}
		o.fail(errors.New("the watch of the targets has ended"))
	}()
	return o, nil
}

func (o *observer) see(event watch.Event) {
	object, ok := event.Object.(*metav1.PartialObjectMetadata)
	switch {
	case event.Type == watch.Error:
		o.fail(fmt.Errorf("the watch of the targets failed: %v", event.Object))
		return
	case !ok || event.Type == watch.Bookmark:
		return
	}
	o.note(place{object.Name, object.Namespace}, sighting{
		present: event.Type != watch.Deleted,
		digest:  object.Annotations[v1alpha1.BundleHashAnnotationKey],
		version: object.ResourceVersion,
		at:      time.Now(),
	})
}

func (o *observer) note(at place, seen sighting) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now[at] = seen
	o.last = seen.at
	if at.name != rawName {
		o.events++
	}
	for e := range o.expected {
		e.check(at, seen)
	}
}

// fail ends all waiting.
func (o *observer) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.err = err
	for e := range o.expected {
		e.close()
	}
}

// activity says when something was seen last, and how much was of the operator's.
func (o *observer) activity() (last time.Time, events int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last, o.events
}

// expectation is what there is to see of some targets when work is done.
type expectation struct {
	observer *observer
	pending  map[place]func(sighting) bool
	// last is when the last of them was seen as expected.
	last   time.Time
	closed bool
	done   chan struct{}
}

// expect begins to wait for something to be seen at each of the places, beginning
// with what is there. Make gives it for what was there at this moment.
func (o *observer) expect(places []place, what func(before sighting) func(sighting) bool) *expectation {
	o.mu.Lock()
	defer o.mu.Unlock()
	e := &expectation{observer: o, pending: make(map[place]func(sighting) bool, len(places)), done: make(chan struct{})}
	for _, at := range places {
		e.pending[at] = what(o.now[at])
	}
	for _, at := range places {
		e.check(at, o.now[at])
	}
	o.expected[e] = true
	if len(places) == 0 || o.err != nil {
		e.close()
	}
	return e
}

func (e *expectation) check(at place, seen sighting) {
	fulfilled, pending := e.pending[at]
	if !pending || !fulfilled(seen) {
		return
	}
	delete(e.pending, at)
	if seen.at.After(e.last) {
		e.last = seen.at
	}
	if len(e.pending) == 0 {
		e.close()
	}
}

func (e *expectation) close() {
	if !e.closed {
		e.closed = true
		close(e.done)
	}
}

// wait waits until all of it was seen, and says when that was.
func (e *expectation) wait(ctx context.Context) (last time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	select {
	case <-e.done:
	case <-ctx.Done():
	}
	o := e.observer
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.expected, e)
	if o.err != nil {
		return last, o.err
	}
	for at := range e.pending {
		return last, fmt.Errorf("%w; %d targets are not as expected, such as that of %s in %s", ctx.Err(), len(e.pending), at.name, at.namespace)
	}
	return e.last, nil
}

// What there can be to see.

// present: the target is there.
func present(sighting) func(sighting) bool { return func(now sighting) bool { return now.present } }

// absent: the target is not there.
func absent(sighting) func(sighting) bool { return func(now sighting) bool { return !now.present } }

// changed: the target holds something else.
func changed(before sighting) func(sighting) bool {
	return func(now sighting) bool { return now.present && now.digest != before.digest }
}

// restored: the target holds the same again, after it did not.
func restored(before sighting) func(sighting) bool {
	return func(now sighting) bool {
		return now.present && now.digest == before.digest && now.version != before.version
	}
}

// digest gives what the watch has shown last of a target.
func (o *observer) digest(at place) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.now[at].digest
}
