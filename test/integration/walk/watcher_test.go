package walk

import (
	"context"
	"fmt"
	"maps"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
)

// seen is an object as the API server showed it.
type seen struct {
	resourceVersion string
	entries         map[field]string
	owner           owner
	// ownerUID is that of the Bundle that the owner reference is to.
	ownerUID string
	// others are how many owner references and finalizers there are besides.
	others int
}

// event is one change of an object.
type event struct {
	at target
	// before and after are nil where there was or is no object.
	before, after *seen
}

// watcher sees each event of ConfigMaps and Secrets under names of the walk, from
// before the first step on. It is safe for concurrent use.
type watcher struct {
	mu     sync.Mutex
	now    map[target]*seen
	events []event
	// err is why it sees no more.
	err error
}

// watchAll begins to watch.
func watchAll(ctx context.Context, api client.WithWatch) (*watcher, error) {
	w := &watcher{now: map[target]*seen{}}
	for _, list := range []client.ObjectList{&corev1.ConfigMapList{}, &corev1.SecretList{}} {
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
	at, after := look(e.Object)
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

// present gives all objects as the watch has shown them last.
func (w *watcher) present() (map[target]*seen, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.now), w.err
}

// take gives the events since the last take.
func (w *watcher) take() []event {
	w.mu.Lock()
	defer w.mu.Unlock()
	events := w.events
	w.events = nil
	return events
}

// look reads a ConfigMap or Secret; seen is nil for anything else.
func look(of any) (target, *seen) {
	one := &seen{entries: map[field]string{}}
	var meta metav1.ObjectMeta
	kind := configMap
	switch object := of.(type) {
	case *corev1.ConfigMap:
		meta = object.ObjectMeta
		one.collect(data, object.Data)
		for key, value := range object.BinaryData {
			one.entries[field{binaryData, key}] = string(value)
		}
	case *corev1.Secret:
		meta, kind = object.ObjectMeta, secret
		for key, value := range object.Data {
			one.entries[field{data, key}] = string(value)
		}
	default:
		return target{}, nil
	}
	one.resourceVersion = meta.ResourceVersion
	one.collect(labels, meta.Labels)
	one.collect(annotations, meta.Annotations)
	one.others = len(meta.Finalizers)
	for _, reference := range meta.OwnerReferences {
		if reference.Kind != v1alpha1.BundleKind || reference.Name != meta.Name || one.owner.present {
			one.others++
			continue
		}
		one.ownerUID = string(reference.UID)
		one.owner = owner{true, isTrue(reference.Controller), isTrue(reference.BlockOwnerDeletion)}
	}
	return target{meta.Name, kind, meta.Namespace}, one
}

func (s *seen) collect(section string, from map[string]string) {
	for key, value := range from {
		s.entries[field{section, key}] = value
	}
}

func isTrue(p *bool) bool { return p != nil && *p }
