// Package fake has what the tests of the controllers run on: a cache that is a list, a
// clock that is set, and objects.
package fake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/api/trustmanager/v1alpha2"
	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/controller/metadata"
	"trust-manager.io/internal/target"
)

// Start is the time at which tests start.
var Start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// ErrDenied is an error of an API server.
var ErrDenied = errors.New("denied")

// Quiet returns the context of a test, with a logger that drops everything.
func Quiet(t *testing.T) context.Context {
	t.Helper()
	return log.IntoContext(t.Context(), logr.Discard())
}

// Clock shows a time that is set.
type Clock struct {
	clock.PassiveClock
	Time time.Time
}

// NewClock returns a clock that shows Start.
func NewClock() *Clock { return &Clock{Time: Start} }

// Now implements clock.PassiveClock.
func (c *Clock) Now() time.Time { return c.Time }

// Since implements clock.PassiveClock.
func (c *Clock) Since(then time.Time) time.Duration { return c.Time.Sub(then) }

// Cache is a cache of Bundles, ClusterBundles, Namespaces, ConfigMaps and the metadata of targets.
type Cache struct {
	Bundles        []*v1alpha1.Bundle
	ClusterBundles []*v1alpha2.ClusterBundle
	Namespaces     []*metav1.PartialObjectMetadata
	Targets        []*metav1.PartialObjectMetadata
	ConfigMaps     map[string]*corev1.ConfigMap
	// Index returns the entries of a Bundle in the index that is asked for.
	Index func(client.Object) []string
	// Lists counts the calls of List, and Listed, if set, is called after each.
	Lists  int
	Listed func()
	// Err is the error of each call.
	Err error
}

// Get implements client.Reader.
func (c *Cache) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	if c.Err != nil {
		return c.Err
	}
	switch into := into.(type) {
	case *v1alpha1.Bundle:
		for _, obj := range c.Bundles {
			if obj.Name == key.Name {
				*into = *obj
				return nil
			}
		}
	case *v1alpha2.ClusterBundle:
		for _, obj := range c.ClusterBundles {
			if obj.Name == key.Name {
				*into = *obj
				return nil
			}
		}
	case *corev1.ConfigMap:
		if obj := c.ConfigMaps[key.String()]; obj != nil {
			*into = *obj
			return nil
		}
	case *metav1.PartialObjectMetadata:
		for _, obj := range c.metadata(into.Kind) {
			if obj.Name == key.Name && obj.Namespace == key.Namespace {
				*into = *obj
				return nil
			}
		}
	}
	return apierrors.NewNotFound(corev1.Resource("objects"), key.Name)
}

// metadata returns the metadata of all objects of a kind, or of a list of it.
func (c *Cache) metadata(kind string) (objects []*metav1.PartialObjectMetadata) {
	kind = strings.TrimSuffix(kind, "List")
	switch kind {
	case metadata.Namespace.Kind:
		return c.Namespaces
	case v1alpha1.BundleKind:
		for _, obj := range c.Bundles {
			objects = append(objects, &metav1.PartialObjectMetadata{ObjectMeta: obj.ObjectMeta})
		}
	default:
		for _, obj := range c.Targets {
			if obj.Kind == kind {
				objects = append(objects, obj)
			}
		}
	}
	return objects
}

// List implements client.Reader.
func (c *Cache) List(_ context.Context, into client.ObjectList, options ...client.ListOption) error {
	if c.Err != nil {
		return c.Err
	}
	c.Lists++
	var how client.ListOptions
	how.ApplyOptions(options)
	switch into := into.(type) {
	case *v1alpha1.BundleList:
		for _, obj := range c.Bundles {
			for _, requirement := range how.FieldSelector.Requirements() {
				if slices.Contains(c.Index(obj), requirement.Value) {
					into.Items = append(into.Items, *obj)
				}
			}
		}
	case *v1alpha2.ClusterBundleList:
	case *metav1.PartialObjectMetadataList:
		for _, obj := range c.metadata(into.Kind) {
			if how.LabelSelector == nil || how.LabelSelector.Matches(labels.Set(obj.Labels)) {
				into.Items = append(into.Items, *obj)
			}
		}
	default:
		return fmt.Errorf("there is no cache of %T", into)
	}
	if c.Listed != nil {
		c.Listed()
	}
	return nil
}

// Targets returns the readers of the targets in a cache, by their labels.
func Targets(cache *Cache) metadata.Targets {
	targets := metadata.Targets{}
	for _, adapter := range apis.All() {
		targets[adapter.Marks().Kind] = labelled{cache, adapter.Marks().Label}
	}
	return targets
}

// labelled is the part of a cache that has objects with a label.
type labelled struct {
	*Cache
	label string
}

// Get implements client.Reader.
func (l labelled) Get(ctx context.Context, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
	if err := l.Cache.Get(ctx, key, into, options...); err != nil {
		return err
	}
	if _, ok := into.GetLabels()[l.label]; !ok {
		return apierrors.NewNotFound(corev1.Resource("objects"), key.Name)
	}
	return nil
}

// Create reports a new object to an event handler.
func Create[O client.Object, K comparable](h handler.TypedEventHandler[O, K], after O) {
	h.Create(context.Background(), event.TypedCreateEvent[O]{Object: after}, noQueue[K]())
}

// Initially reports an object that exists when the watch begins.
func Initially[O client.Object, K comparable](h handler.TypedEventHandler[O, K], after O) {
	h.Create(context.Background(), event.TypedCreateEvent[O]{Object: after, IsInInitialList: true}, noQueue[K]())
}

// Update reports a changed object.
func Update[O client.Object, K comparable](h handler.TypedEventHandler[O, K], before, after O) {
	h.Update(context.Background(), event.TypedUpdateEvent[O]{ObjectOld: before, ObjectNew: after}, noQueue[K]())
}

// Remove reports a deleted object, whose deletion the watch may have missed.
func Remove[O client.Object, K comparable](h handler.TypedEventHandler[O, K], before O, missed bool) {
	h.Delete(context.Background(), event.TypedDeleteEvent[O]{Object: before, DeleteStateUnknown: missed}, noQueue[K]())
}

// noQueue is the queue that a handler is given and must not use.
func noQueue[K comparable]() workqueue.TypedRateLimitingInterface[K] { return nil }

// Namespace returns a Namespace with labels.
func Namespace(name string, set map[string]string) *metav1.PartialObjectMetadata {
	object := metadata.New(metadata.Namespace)
	object.Name, object.UID, object.Labels = name, types.UID(name+"-uid"), set
	return object
}

// Changed returns a changed copy of an object.
func Changed[O any](object *O, change func(*O)) *O {
	copied := *object
	change(&copied)
	return &copied
}

// Terminating sets the deletion timestamp of an object.
func Terminating(object *metav1.PartialObjectMetadata) {
	object.DeletionTimestamp = new(metav1.NewTime(Start))
}

// Observed returns a ConfigMap target of the bundle of its name, as the cache has it.
func Observed(name, namespace, resourceVersion string) *metav1.PartialObjectMetadata {
	object := metadata.New(target.TypeOf(bundle.ConfigMap).GVK)
	object.Name, object.Namespace, object.UID, object.ResourceVersion = name, namespace, "uid", resourceVersion
	object.Labels = map[string]string{v1alpha1.BundleLabelKey: name}
	return object
}

// AsSecret makes an object of the cache a Secret.
func AsSecret(object *metav1.PartialObjectMetadata) *metav1.PartialObjectMetadata {
	object.SetGroupVersionKind(target.TypeOf(bundle.Secret).GVK)
	return object
}

// ID returns the ID of a Bundle.
func ID(name string) bundle.ID { return bundle.ID{Kind: bundle.APIBundle, Name: name} }

// Key names the ConfigMap target of a bundle in a namespace.
func Key(name, namespace string) target.Key {
	return target.KeyOf(ID(name), bundle.ConfigMap, namespace)
}

// SecretKey names the Secret target of a bundle in a namespace.
func SecretKey(name, namespace string) target.Key {
	return target.KeyOf(ID(name), bundle.Secret, namespace)
}

// Revision returns a revision with ConfigMap targets, in the namespaces that a selector of
// labels matches.
func Revision(uid types.UID, selector string) *target.Revision {
	parsed, err := labels.Parse(selector)
	if err != nil {
		parsed = labels.Nothing()
	}
	return &target.Revision{
		Owner:      metav1.OwnerReference{UID: uid},
		Marks:      apis.Bundle{}.Marks(),
		Namespaces: parsed,
		Shapes:     map[bundle.Kind]*target.Shape{bundle.ConfigMap: {Kind: bundle.ConfigMap, Digest: "digest", Labels: map[string]string{v1alpha1.BundleLabelKey: "roots"}}},
	}
}

// Bundle returns a Bundle with sources.
func Bundle(name string, sources ...v1alpha1.BundleSource) *v1alpha1.Bundle {
	return &v1alpha1.Bundle{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name + "-uid"), Generation: 1, ResourceVersion: "1"},
		Spec:       v1alpha1.BundleSpec{Sources: sources},
	}
}

// FromConfigMap returns a source that reads a ConfigMap.
func FromConfigMap(name string) v1alpha1.BundleSource {
	return v1alpha1.BundleSource{ConfigMap: &v1alpha1.SourceObject{Name: name, Key: "k"}}
}

// FromSecret returns a source that reads a Secret.
func FromSecret(name string) v1alpha1.BundleSource {
	return v1alpha1.BundleSource{Secret: &v1alpha1.SourceObject{Name: name, Key: "k"}}
}
