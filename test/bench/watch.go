package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
)

// limit bounds how long a roll-out may take before the benchmark gives up.
const limit = 5 * time.Minute

// targetWatch follows the targets by a watch of their metadata, as an
// independent observer.
type targetWatch struct {
	watch watch.Interface

	mu sync.Mutex
	// hashes has the digest of each target, by namespace; done those with a
	// new one since the last await.
	hashes  map[string]string
	news    int
	changed chan struct{}
}

func (b *bench) watch(ctx context.Context) (*targetWatch, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind("ConfigMapList"))
	list.APIVersion = "v1"
	events, err := b.rig.Client.Watch(ctx, list, client.MatchingLabels{v1alpha1.BundleLabelKey: bundleName})
	if err != nil {
		return nil, err
	}
	w := &targetWatch{watch: events, hashes: map[string]string{}, changed: make(chan struct{}, 1)}
	go w.follow()
	return w, nil
}

func (w *targetWatch) stop() { w.watch.Stop() }

func (w *targetWatch) follow() {
	for event := range w.watch.ResultChan() {
		object, ok := event.Object.(*metav1.PartialObjectMetadata)
		if !ok {
			continue
		}
		w.note(event.Type, object)
	}
}

func (w *targetWatch) note(kind watch.EventType, object *metav1.PartialObjectMetadata) {
	w.mu.Lock()
	defer w.mu.Unlock()
	hash := object.Annotations[v1alpha1.BundleHashAnnotationKey]
	switch {
	case kind == watch.Deleted:
		delete(w.hashes, object.Namespace)
	case w.hashes[object.Namespace] != hash:
		w.hashes[object.Namespace] = hash
		w.news++
	}
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// await waits until as many targets have a new digest.
func (w *targetWatch) await(ctx context.Context, wanted int) error {
	return w.until(ctx, func() (done bool, state string) {
		if done = w.news >= wanted; done {
			w.news -= wanted
		}
		return done, fmt.Sprintf("%d of %d targets are new", w.news, wanted)
	})
}

// awaitNone waits until there are no targets.
func (w *targetWatch) awaitNone(ctx context.Context) error {
	return w.until(ctx, func() (done bool, state string) {
		return len(w.hashes) == 0, fmt.Sprintf("%d targets are left", len(w.hashes))
	})
}

func (w *targetWatch) until(ctx context.Context, check func() (done bool, state string)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		w.mu.Lock()
		done, state := check()
		w.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("gave up: %s", state)
		case <-w.changed:
		}
	}
}
