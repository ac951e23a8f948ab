package trustbundle

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/controller/watch"
	"trust-manager.io/internal/request"
	"trust-manager.io/internal/target"
)

// interval is how often a version is looked for while none is served, and minInterval how soon after
// the one that was watched has gone: another one may be served instead.
const interval, minInterval = 15 * time.Second, time.Second

// errNotServed is why nothing is known while the API server does not serve the kind.
var errNotServed = errors.New("the API server does not serve ClusterTrustBundles (certificates.k8s.io); Kubernetes 1.37 does by default, " +
	"and 1.33 to 1.36 do with the feature gate ClusterTrustBundle and --runtime-config; they are looked for again every 15 s")

// errPending is why nothing is known before the first list.
var errPending = errors.New("the ClusterTrustBundles have not been listed yet")

type object = certificatesv1.ClusterTrustBundle

// Config configures a Watcher.
type Config struct {
	// KeepsContent reports whether the certificates of the object with a name and signer are
	// needed. Those of others are dropped, since any number of objects may exist.
	KeepsContent func(name, signer string) bool
	// Annotations are the annotations that are needed. Others are dropped.
	Annotations []string
}

// Watcher watches ClusterTrustBundles while the API server serves them. It is safe for concurrent
// use once it is started. A nil Watcher knows nothing.
type Watcher struct {
	config    Config
	onChange  func(context.Context, watch.Change[*object])
	onServed  func(context.Context)
	discovery rest.Interface
	clients   map[schema.GroupVersion]rest.Interface

	mu      sync.RWMutex
	version schema.GroupVersion
	// store has the objects; it is nil exactly if unavailable is not.
	store       toolscache.Store
	unavailable error
	// decided is closed once it is known for the first time whether the kind is served.
	decided chan struct{}
}

// New returns a Watcher. Notify and Start must be called.
func New(config *rest.Config, client *http.Client, options Config) (*Watcher, error) {
	found, err := discovery.NewDiscoveryClientForConfigAndClient(config, client)
	if err != nil {
		return nil, err
	}
	w := &Watcher{
		config: options, discovery: found.RESTClient(), clients: map[schema.GroupVersion]rest.Interface{},
		unavailable: errPending, decided: make(chan struct{}),
	}
	typ := target.TypeOf(bundle.ClusterTrustBundle)
	scheme := runtime.NewScheme()
	typ.AddToScheme(scheme)
	for _, version := range typ.Versions() {
		scheme.AddKnownTypeWithName(version.WithKind(typ.GVK.Kind+"List"), &certificatesv1.ClusterTrustBundleList{})
	}
	for _, version := range typ.Versions() {
		versioned := rest.CopyConfig(config)
		versioned.APIPath, versioned.GroupVersion = "/apis", &version
		versioned.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
		versioned.ContentType = runtime.ContentTypeProtobuf
		if w.clients[version], err = rest.RESTClientForConfigAndClient(versioned, client); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// Notify sets what is called for each change of an object, and when the API server has begun or
// ceased to serve the kind. The functions must not block.
func (w *Watcher) Notify(onChange func(context.Context, watch.Change[*object]), onServed func(context.Context)) {
	w.onChange, w.onServed = onChange, onServed
}

// Start watches until the context ends. It implements manager.Runnable.
func (w *Watcher) Start(ctx context.Context) error {
	for {
		next := interval
		version, err := w.find(ctx)
		if err == nil {
			err = w.run(ctx, version)
			if w.Unavailable() == nil {
				next = minInterval
			}
		}
		if ctx.Err() == nil {
			w.withdraw(ctx, err, false)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(next):
		}
	}
}

// WaitForCacheSync waits until it is known whether the kind is served, and all objects if it is. It
// reports whether the context has not ended before that.
func (w *Watcher) WaitForCacheSync(ctx context.Context) bool {
	select {
	case <-w.decided:
		return true
	case <-ctx.Done():
		return false
	}
}

// find returns the preferred version of the kind that the API server serves. The error is a
// NotFound if none is served.
func (w *Watcher) find(ctx context.Context) (schema.GroupVersion, error) {
	ctx, cancel := context.WithTimeout(ctx, request.Deadline)
	defer cancel()
	typ := target.TypeOf(bundle.ClusterTrustBundle)
	for _, version := range typ.Versions() {
		var resources metav1.APIResourceList
		err := w.discovery.Get().AbsPath("/apis/" + version.String()).Do(ctx).Into(&resources)
		if err != nil && !apierrors.IsNotFound(err) {
			return version, err
		}
		if slices.ContainsFunc(resources.APIResources, func(r metav1.APIResource) bool { return r.Name == typ.Resource }) {
			return version, nil
		}
	}
	return schema.GroupVersion{}, apierrors.NewNotFound(schema.GroupResource{Group: typ.GVK.Group, Resource: typ.Resource}, "")
}

// run watches the objects of a version until it is no longer served, and returns why.
func (w *Watcher) run(ctx context.Context, version schema.GroupVersion) error {
	ctx, cancel := context.WithCancelCause(ctx)
	list := toolscache.NewListWatchFromClient(w.clients[version], target.TypeOf(bundle.ClusterTrustBundle).Resource, "", fields.Everything())
	informer := toolscache.NewSharedIndexInformer(list, &object{}, 0, nil)
	err := errors.Join(
		informer.SetTransform(w.strip),
		informer.SetWatchErrorHandlerWithContext(func(ctx context.Context, reflector *toolscache.Reflector, err error) {
			switch {
			case apierrors.IsNotFound(err):
				cancel(err)
			case ctx.Err() == nil:
				toolscache.DefaultWatchErrorHandler(ctx, reflector, err)
				w.withdraw(ctx, err, true)
			}
		}),
	)
	registration, addErr := informer.AddEventHandler(w.handler(ctx))
	if err := errors.Join(err, addErr); err != nil {
		cancel(err)
		return err
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		informer.RunWithContext(ctx)
	}()
	if toolscache.WaitForCacheSync(ctx.Done(), registration.HasSynced) {
		w.publish(ctx, version, informer.GetStore())
	}
	<-ctx.Done()
	<-stopped
	return context.Cause(ctx)
}

// handler returns a handler that reports changes.
func (w *Watcher) handler(ctx context.Context) toolscache.ResourceEventHandler {
	report := func(change watch.Change[*object]) { w.onChange(ctx, change) }
	return toolscache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(obj any, isInInitialList bool) {
			if after, ok := obj.(*object); ok {
				report(watch.Change[*object]{After: after, Created: true, Initial: isInInitialList})
			}
		},
		UpdateFunc: func(oldObj, newObj any) {
			before, isBefore := oldObj.(*object)
			after, isAfter := newObj.(*object)
			if isBefore && isAfter {
				report(watch.Change[*object]{Before: before, After: after})
			}
		},
		DeleteFunc: func(obj any) {
			change := watch.Change[*object]{Deleted: true}
			if missed, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
				change.StateUnknown, obj = true, missed.Obj
			}
			var ok bool
			if change.Before, ok = obj.(*object); ok {
				report(change)
			}
		},
	}
}

// strip reduces an object to what is needed.
func (w *Watcher) strip(obj any) (any, error) {
	full, ok := obj.(*object)
	if !ok {
		return obj, nil
	}
	stripped := &object{ObjectMeta: metav1.ObjectMeta{
		Name: full.Name, UID: full.UID, ResourceVersion: full.ResourceVersion, Labels: full.Labels,
	}}
	for _, annotation := range w.config.Annotations {
		if value, ok := full.Annotations[annotation]; ok {
			metav1.SetMetaDataAnnotation(&stripped.ObjectMeta, annotation, value)
		}
	}
	stripped.Spec.SignerName = full.Spec.SignerName
	if w.config.KeepsContent(full.Name, full.Spec.SignerName) {
		stripped.Spec.TrustBundle = full.Spec.TrustBundle
	}
	return stripped, nil
}

// publish makes the objects of a version known.
func (w *Watcher) publish(ctx context.Context, version schema.GroupVersion, store toolscache.Store) {
	w.mu.Lock()
	w.version, w.store, w.unavailable = version, store, nil
	w.decide()
	w.mu.Unlock()
	log.FromContext(ctx).Info("ClusterTrustBundles are served", "version", version.String(), "objects", len(store.ListKeys()))
	w.onServed(ctx)
}

// withdraw records why nothing is known of the objects, unless all are known and keep is true: the
// watch of them continues by itself.
func (w *Watcher) withdraw(ctx context.Context, err error, keep bool) {
	reason := errNotServed
	if !apierrors.IsNotFound(err) {
		reason = fmt.Errorf("the ClusterTrustBundles cannot be listed: %s", request.Explain(err))
	}
	w.mu.Lock()
	if keep && w.unavailable == nil {
		w.mu.Unlock()
		return
	}
	isNew := w.unavailable == nil || w.unavailable.Error() != reason.Error()
	w.version, w.store, w.unavailable = schema.GroupVersion{}, nil, reason
	w.decide()
	w.mu.Unlock()
	if isNew {
		log.FromContext(ctx).Info("ClusterTrustBundles are not available", "cause", reason.Error())
		w.onServed(ctx)
	}
}

// decide ends the wait for the first state. The lock is held.
func (w *Watcher) decide() {
	select {
	case <-w.decided:
	default:
		close(w.decided)
	}
}
