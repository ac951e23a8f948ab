package walk

import (
	"context"
	"fmt"
	"maps"
	"sync"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/test/framework/model"
)

// event is one change of an object.
type event struct {
	at model.Target
	// before and after are nil where there was or is no object.
	before, after *model.Observed
}

// watcher receives each event of ConfigMaps and Secrets under names of the walk, from
// before the first step. It is safe for concurrent use.
type watcher struct {
	mu     sync.Mutex
	now    map[model.Target]*model.Observed
	events []event
	// err is the error that ended the watch.
	err error
}

// watchAll starts the watches.
func watchAll(ctx context.Context, api client.WithWatch) (*watcher, error) {
	w := &watcher{now: map[model.Target]*model.Observed{}}
	for _, list := range []client.ObjectList{&corev1.ConfigMapList{}, &corev1.SecretList{}, &certificatesv1.ClusterTrustBundleList{}} {
		if err := api.List(ctx, list); err != nil {
			return nil, err
		}
		events, err := watchtools.NewRetryWatcherWithContext(ctx, list.GetResourceVersion(), &cache.ListWatch{
			WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
				options.AllowWatchBookmarks = true
				return api.Watch(ctx, list, &client.ListOptions{Raw: &options})
			},
		})
		if err != nil {
			return nil, err
		}
		go w.follow(ctx, events)
	}
	return w, nil
}

func (w *watcher) follow(ctx context.Context, events watch.Interface) {
	for e := range events.ResultChan() {
		w.hear(e)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if ctx.Err() == nil && w.err == nil {
		w.err = fmt.Errorf("the watch has ended")
	}
}

func (w *watcher) hear(e watch.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.Type == watch.Error {
		w.err = fmt.Errorf("the watch lost track: %w", apierrors.FromObject(e.Object))
		return
	}
	at, after := model.Observe(e.Object)
	if e.Type == watch.Bookmark || after == nil || !isWalks(at) {
		return
	}
	if e.Type == watch.Deleted {
		after = nil
	}
	w.events = append(w.events, event{at, w.now[at], after})
	if after == nil {
		delete(w.now, at)
	} else {
		w.now[at] = after
	}
}

// present returns all objects in their last observed state.
func (w *watcher) present() (map[model.Target]*model.Observed, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.now), w.err
}

// take returns the events since the last take.
func (w *watcher) take() []event {
	w.mu.Lock()
	defer w.mu.Unlock()
	events := w.events
	w.events = nil
	return events
}
