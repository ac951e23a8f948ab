package trustbundle

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/controller/watch"
	"trust-manager.io/internal/target"
)

// Unavailable returns why nothing is known of any object, or nil.
func (w *Watcher) Unavailable() error {
	if w == nil {
		return errNotServed
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.unavailable
}

// Available returns why no target of a kind can be read or written, or nil.
func (w *Watcher) Available(of bundle.Kind) error {
	if target.TypeOf(of).IsDiscovered() {
		return w.Unavailable()
	}
	return nil
}

// VersionOf returns the version in which the API server serves a kind that is discovered, or why
// it serves none.
func (w *Watcher) VersionOf(bundle.Kind) (schema.GroupVersion, error) {
	if err := w.Unavailable(); err != nil {
		return schema.GroupVersion{}, err
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	return w.version, w.unavailable
}

// List returns all objects, in any order, or why nothing is known of them. They must not be
// modified.
func (w *Watcher) List() (list []*object, err error) {
	if w == nil {
		return nil, errNotServed
	}
	w.mu.RLock()
	store, err := w.store, w.unavailable
	w.mu.RUnlock()
	if err != nil {
		return nil, err
	}
	for _, item := range store.List() {
		if obj, ok := item.(*object); ok {
			list = append(list, obj)
		}
	}
	return list, nil
}

// get returns the object with a name, or nil if it does not exist or nothing is known.
func (w *Watcher) get(name string) *object {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.store == nil {
		return nil
	}
	item, _, _ := w.store.GetByKey(name) // a store in memory does not fail
	obj, _ := item.(*object)
	return obj
}

// Metadata returns the metadata of all objects that are known.
func (w *Watcher) Metadata() (list []*metav1.PartialObjectMetadata) {
	all, _ := w.List() // none, if nothing is known
	for _, obj := range all {
		list = append(list, MetadataOf(obj))
	}
	return list
}

// MetadataOf returns the metadata of an object. It shares the memory of the object.
func MetadataOf(obj *object) *metav1.PartialObjectMetadata {
	result := &metav1.PartialObjectMetadata{ObjectMeta: obj.ObjectMeta}
	result.SetGroupVersionKind(kind)
	return result
}

var kind = target.TypeOf(bundle.ClusterTrustBundle).GVK

// MetadataChange returns a change of an object as that of its metadata.
func MetadataChange(change watch.Change[*object]) watch.Change[*metav1.PartialObjectMetadata] {
	converted := watch.Change[*metav1.PartialObjectMetadata]{
		Created: change.Created, Deleted: change.Deleted, Initial: change.Initial, StateUnknown: change.StateUnknown,
	}
	if !change.Created {
		converted.Before = MetadataOf(change.Before)
	}
	if !change.Deleted {
		converted.After = MetadataOf(change.After)
	}
	return converted
}

// Reader returns a reader that answers requests for the metadata of ClusterTrustBundles that carry
// a label. Other requests go to the next reader, which is all there is for a nil Watcher.
func (w *Watcher) Reader(next client.Reader, label string) client.Reader {
	if w == nil {
		return next
	}
	return reader{next, w, label}
}

type reader struct {
	client.Reader
	watcher *Watcher
	label   string
}

// Get implements client.Reader.
func (r reader) Get(ctx context.Context, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
	result, ok := into.(*metav1.PartialObjectMetadata)
	if !ok || result.Kind != kind.Kind {
		return r.Reader.Get(ctx, key, into, options...)
	}
	obj := r.watcher.get(key.Name)
	if obj == nil || obj.Labels[r.label] == "" {
		return apierrors.NewNotFound(schema.GroupResource{Group: kind.Group, Resource: "clustertrustbundles"}, key.Name)
	}
	MetadataOf(obj).DeepCopyInto(result)
	return nil
}

// List implements client.Reader.
func (r reader) List(ctx context.Context, into client.ObjectList, options ...client.ListOption) error {
	result, ok := into.(*metav1.PartialObjectMetadataList)
	if !ok || result.Kind != kind.Kind {
		return r.Reader.List(ctx, into, options...)
	}
	var how client.ListOptions
	how.ApplyOptions(options)
	for _, found := range r.watcher.Metadata() {
		set := labels.Set(found.Labels)
		if found.Labels[r.label] != "" && (how.LabelSelector == nil || how.LabelSelector.Matches(set)) {
			result.Items = append(result.Items, *found)
		}
	}
	return nil
}
