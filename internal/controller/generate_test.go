package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
	"trust-manager.io/internal/workqueue/queuetest"
)

// start is the time of tests that are about time.
var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// quiet gives the context of a test, with a logger that says nothing.
func quiet(t *testing.T) context.Context {
	t.Helper()
	return log.IntoContext(t.Context(), logr.Discard())
}

// world is an environment whose caches are lists and whose queues are
// notebooks.
type world struct {
	*environment
	cache                    *memoryReader
	time                     *fixedClock
	bundleNotes, statusNotes *queuetest.Recorder[string]
	targetNotes              *queuetest.Recorder[target.Key]
}

func newWorld() *world {
	w := &world{
		cache: &memoryReader{}, time: &fixedClock{now: start},
		bundleNotes: &queuetest.Recorder[string]{}, statusNotes: &queuetest.Recorder[string]{}, targetNotes: &queuetest.Recorder[target.Key]{},
	}
	w.environment = &environment{
		objects: w.cache, live: w.cache, clock: w.time, kinds: []bundle.Kind{bundle.ConfigMap},
		registry: newRegistry(), ledger: ledger.New(),
	}
	w.environment.metrics, _ = newMetrics(prometheus.NewRegistry(), w.environment.ledger, w.time) // an empty registry takes all
	w.environment.bundles = workqueue.From("test", w.bundleNotes)
	w.environment.statuses = workqueue.From("test", w.statusNotes)
	w.environment.targets = workqueue.From("test", w.targetNotes)
	w.environment.pool = newPool(1, w.environment.targets, clock.RealClock{})
	return w
}

// fixedClock stands still until it is moved.
type fixedClock struct {
	clock.PassiveClock
	now time.Time
}

func (c *fixedClock) Now() time.Time { return c.now }

func (c *fixedClock) Since(then time.Time) time.Duration { return c.now.Sub(then) }

// memoryReader is a cache of Bundles, Namespaces and targets.
type memoryReader struct {
	bundles    []*v1alpha1.Bundle
	namespaces []*metav1.PartialObjectMetadata
	targets    []*metav1.PartialObjectMetadata
	configMaps map[string]*corev1.ConfigMap
	// lists counts the calls of List, and listed, if set, runs after each.
	lists  int
	listed func()
	err    error
}

func (m *memoryReader) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	if m.err != nil {
		return m.err
	}
	switch into := into.(type) {
	case *v1alpha1.Bundle:
		for _, from := range m.bundles {
			if from.Name == key.Name {
				*into = *from
				return nil
			}
		}
	case *corev1.ConfigMap:
		if from := m.configMaps[key.String()]; from != nil {
			*into = *from
			return nil
		}
	case *metav1.PartialObjectMetadata:
		if into.Kind == v1alpha1.BundleKind {
			for _, from := range m.bundles {
				if from.Name == key.Name {
					into.ObjectMeta = from.ObjectMeta
					return nil
				}
			}
		}
		for _, from := range m.metadata(into.Kind) {
			if from.Name == key.Name && from.Namespace == key.Namespace {
				*into = *from
				return nil
			}
		}
	}
	return apierrors.NewNotFound(corev1.Resource("objects"), key.Name)
}

func (m *memoryReader) metadata(kind string) []*metav1.PartialObjectMetadata {
	kind = strings.TrimSuffix(kind, "List")
	if kind == namespaceKind.Kind {
		return m.namespaces
	}
	var ofKind []*metav1.PartialObjectMetadata
	for _, object := range m.targets {
		if object.Kind == kind {
			ofKind = append(ofKind, object)
		}
	}
	return ofKind
}

func (m *memoryReader) List(_ context.Context, into client.ObjectList, options ...client.ListOption) error {
	if m.err != nil {
		return m.err
	}
	m.lists++
	var how client.ListOptions
	how.ApplyOptions(options)
	switch into := into.(type) {
	case *v1alpha1.BundleList:
		for _, from := range m.bundles {
			if entry, ok := how.FieldSelector.RequiresExactMatch(sourceIndex); ok && slices.Contains(sourcesOf(from), entry) {
				into.Items = append(into.Items, *from)
			}
		}
	case *metav1.PartialObjectMetadataList:
		for _, from := range m.metadata(into.Kind) {
			if how.LabelSelector == nil || how.LabelSelector.Matches(labels.Set(from.Labels)) {
				into.Items = append(into.Items, *from)
			}
		}
	default:
		return fmt.Errorf("there is no cache of %T", into)
	}
	if m.listed != nil {
		m.listed()
	}
	return nil
}

// Objects of the tests.

func namespace(name string, set map[string]string) *metav1.PartialObjectMetadata {
	object := metadataOf(namespaceKind)
	object.Name, object.UID, object.Labels = name, types.UID(name+"-uid"), set
	return object
}

func changed[object any](from *object, change func(*object)) *object {
	copied := *from
	change(&copied)
	return &copied
}

func terminating(object *metav1.PartialObjectMetadata) {
	object.DeletionTimestamp = new(metav1.NewTime(start))
}

// observed is a target of the bundle of its name, as the cache has it.
func observed(bundle, namespace, resourceVersion string) *metav1.PartialObjectMetadata {
	object := metadataOf(configMapKind)
	object.Name, object.Namespace, object.UID, object.ResourceVersion = bundle, namespace, "uid", resourceVersion
	object.Labels = map[string]string{v1alpha1.BundleLabelKey: bundle}
	return object
}

// key names the ConfigMap target of a bundle in a namespace.
func key(name, namespace string) target.Key {
	return target.Key{Bundle: name, Kind: bundle.ConfigMap, Namespace: namespace}
}

// secretKey names the Secret target of a bundle in a namespace.
func secretKey(name, namespace string) target.Key {
	return target.Key{Bundle: name, Kind: bundle.Secret, Namespace: namespace}
}

// asSecret makes an object of the cache a Secret.
func asSecret(object *metav1.PartialObjectMetadata) *metav1.PartialObjectMetadata {
	object.SetGroupVersionKind(secretKind)
	return object
}

// revision is one with ConfigMap targets, in the namespaces that a selector of
// labels matches.
func revision(uid types.UID, selector string) *target.Revision {
	parsed, err := labels.Parse(selector)
	if err != nil {
		parsed = labels.Nothing()
	}
	return &target.Revision{
		Owner:      metav1.OwnerReference{UID: uid},
		Namespaces: parsed,
		Shapes:     map[bundle.Kind]*target.Shape{bundle.ConfigMap: {Digest: "digest", Labels: map[string]string{v1alpha1.BundleLabelKey: "roots"}}},
	}
}

// enforce brings a revision into force as a build does.
func (w *world) enforce(name string, uid types.UID, selector string) {
	w.registry.builder(name, uid)
	w.registry.put(name, revision(uid, selector))
}

// made is a Bundle of that name.
func made(name string, sources ...v1alpha1.BundleSource) *v1alpha1.Bundle {
	return &v1alpha1.Bundle{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name + "-uid"), Generation: 1, ResourceVersion: "1"},
		Spec:       v1alpha1.BundleSpec{Sources: sources},
	}
}

func fromConfigMap(name string) v1alpha1.BundleSource {
	return v1alpha1.BundleSource{ConfigMap: &v1alpha1.SourceObject{Name: name, Key: "k"}}
}

func fromSecret(name string) v1alpha1.BundleSource {
	return v1alpha1.BundleSource{Secret: &v1alpha1.SourceObject{Name: name, Key: "k"}}
}

var errDenied = errors.New("denied")
