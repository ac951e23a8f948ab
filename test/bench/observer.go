package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/test/framework/kinds"
)

// observedLabel is the label of all targets and of the raw client's objects. Both
// are watched, so that both cost the API server the same.
const observedLabel = "bench-observed"

// longest is the timeout of any piece of work.
const longest = 15 * time.Minute

// place identifies a ConfigMap, or a ClusterTrustBundle, which has no namespace.
type place struct{ name, namespace string }

// sighting is the last observed state of a ConfigMap.
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
	// last is the time of the last event.
	last time.Time
	// events is the number of events of the operator's targets.
	events int
	err    error
}

// newObserver starts an observer that runs until ctx ends.
func newObserver(ctx context.Context, api client.WithWatch) (*observer, error) {
	o := &observer{now: map[place]sighting{}, expected: map[*expectation]bool{}}
	for _, kind := range []schema.GroupVersionKind{
		corev1.SchemeGroupVersion.WithKind("ConfigMapList"), certificatesv1.SchemeGroupVersion.WithKind("ClusterTrustBundleList"),
	} {
		if err := o.watch(ctx, api, kind); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// watch observes the targets of a kind.
func (o *observer) watch(ctx context.Context, api client.WithWatch, kind schema.GroupVersionKind) error {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(kind)
	labelled := client.HasLabels{observedLabel}
	if err := api.List(ctx, list, labelled); err != nil {
		return err
	}
	events, err := watchtools.NewRetryWatcherWithContext(ctx, list.ResourceVersion, &cache.ListWatch{
		WatchFuncWithContext: func(ctx context.Context, raw metav1.ListOptions) (watch.Interface, error) {
			raw.AllowWatchBookmarks = true
			options := &client.ListOptions{Raw: &raw}
			labelled.ApplyToList(options)
			return api.Watch(ctx, list, options)
		},
	})
	if err != nil {
		return err
	}
	go func() {
		for event := range events.ResultChan() {
			o.see(event)
		}
		o.fail(errors.New("the watch of the targets has ended"))
	}()
	return nil
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
		digest:  object.Annotations[kinds.MarksOf(large).Hash],
		version: object.ResourceVersion,
		at:      time.Now(),
	})
}

// note records the state of a ConfigMap.
func (o *observer) note(at place, seen sighting) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now[at] = seen
	o.last = seen.at
	if !strings.HasPrefix(at.name, rawName) {
		o.events++
	}
	for e := range o.expected {
		e.check(at, seen)
	}
}

// fail ends all waiting with an error.
func (o *observer) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.err = err
	for e := range o.expected {
		e.close()
	}
}

// activity returns the time of the last event and the number of events of the
// operator's targets.
func (o *observer) activity() (last time.Time, events int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last, o.events
}

// expectation is the expected state of some targets after a piece of work.
type expectation struct {
	observer *observer
	pending  map[place]func(sighting) bool
	// last is when the last target reached the expected state.
	last   time.Time
	closed bool
	done   chan struct{}
}

// expect starts waiting for each place to reach a state. what receives the
// current state and returns the condition for the new one.
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

// wait waits until all targets have reached the expected state, and returns when
// the last one did.
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
		return last, fmt.Errorf("%w; %d targets are not in the expected state, such as %s in namespace %s", ctx.Err(), len(e.pending), at.name, at.namespace)
	}
	return e.last, nil
}

// The conditions of expectations.

// present expects that the target exists.
func present(sighting) func(sighting) bool { return func(now sighting) bool { return now.present } }

// absent expects that the target does not exist.
func absent(sighting) func(sighting) bool { return func(now sighting) bool { return !now.present } }

// changed expects that the target has other content.
func changed(before sighting) func(sighting) bool {
	return func(now sighting) bool { return now.present && now.digest != before.digest }
}

// restored expects that the target has the same content after a change.
func restored(before sighting) func(sighting) bool {
	return func(now sighting) bool {
		return now.present && now.digest == before.digest && now.version != before.version
	}
}

// digest returns the last observed digest of a target.
func (o *observer) digest(at place) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.now[at].digest
}
