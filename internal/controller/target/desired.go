package target

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"trust-manager.io/internal/controller/metadata"
	"trust-manager.io/internal/target"
)

// desiredState is the desired state of a target and the number of its revision.
type desiredState struct {
	target.Desired
	revision uint64
}

// isWanted reports whether the target should exist.
func (d *desiredState) isWanted() bool { return d.Selected && d.Shape != nil }

// desired returns the desired state of a target, or nil if the target must be left alone and
// no longer counts.
func (r *Reconciler) desired(ctx context.Context, key target.Key) (*desiredState, error) {
	obj := r.apis.Of(key.Bundle.Kind).New()
	err := r.objects.Get(ctx, key.Bundle.NamespacedName(), obj)
	switch {
	case apierrors.IsNotFound(err):
		return r.desiredAfterDelete(ctx, key)
	case err != nil:
		return nil, err
	case obj.GetDeletionTimestamp() != nil:
		r.terminations.forget(key)
		return nil, nil
	}
	revision, number := r.revisions.Get(key.Bundle)
	if revision == nil || revision.Owner.UID != obj.GetUID() {
		return nil, nil
	}
	selected := true
	if !target.TypeOf(key.Kind).ClusterScoped {
		namespace, err := r.activeNamespace(ctx, key.Namespace)
		if err != nil {
			return nil, err
		}
		if namespace == nil {
			r.leave(key)
			return nil, nil
		}
		selected = revision.Namespaces.Matches(labels.Set(namespace.Labels))
	}
	desired := &desiredState{revision: number, Desired: target.Desired{
		Owner:     revision.Owner,
		Marks:     revision.Marks,
		Shape:     revision.Shapes[key.Kind],
		Selected:  selected,
		Overwrite: revision.Overwrite,
	}}
	if desired.isWanted() {
		r.ledger.AddTarget(key.Bundle, number, key.Ref, r.clock.Now())
	}
	return desired, nil
}

// desiredAfterDelete returns the desired state of an object that a deleted Bundle shared
// with other writers. It returns nil for all other objects: garbage collection deletes
// them, or they outlive the Bundle.
func (r *Reconciler) desiredAfterDelete(ctx context.Context, key target.Key) (*desiredState, error) {
	marks := r.apis.Of(key.Bundle.Kind).Marks()
	cached, err := r.cached(ctx, key.Ref)
	if err != nil || cached == nil || marks.MarkOf(cached) == "" || marks.MarkOf(cached).IsOrphan() {
		r.forget(key)
		return nil, err
	}
	return &desiredState{Desired: target.Desired{
		Owner:         metav1.OwnerReference{Name: key.Bundle.Name},
		Marks:         marks,
		BundleDeleted: true,
		Orphaned:      r.revisions.IsOrphaned(key.Bundle),
	}}, nil
}

// cached returns the metadata of a target object in the cache, or nil.
func (r *Reconciler) cached(ctx context.Context, ref target.Ref) (*metav1.PartialObjectMetadata, error) {
	return metadata.Get(ctx, r.targets, target.TypeOf(ref.Kind).GVK, ref.Namespace, ref.Name)
}

// activeNamespace returns a Namespace from the cache, or nil if it is terminating or does
// not exist.
func (r *Reconciler) activeNamespace(ctx context.Context, name string) (*metav1.PartialObjectMetadata, error) {
	namespace, err := metadata.Get(ctx, r.objects, metadata.Namespace, "", name)
	if err != nil || namespace == nil || namespace.DeletionTimestamp != nil {
		return nil, err
	}
	return namespace, nil
}

// errUnconfirmed reports that the Bundle is being deleted or was re-created. Nothing is
// done or recorded, because events of the Bundle follow.
var errUnconfirmed = errors.New("the Bundle is being deleted, or was re-created")

// confirm reads the Bundle from the API server, because the observed change of a target may
// be an effect of the deletion of its Bundle. The error is then errUnconfirmed.
func (r *Reconciler) confirm(ctx context.Context, key target.Key, desired target.Desired) error {
	obj, err := metadata.Get(ctx, r.live, r.apis.Of(key.Bundle.Kind).GroupVersionKind(), "", key.Bundle.Name)
	switch {
	case err != nil:
		return err
	case obj == nil && desired.BundleDeleted:
		return nil
	case obj == nil || desired.BundleDeleted || obj.UID != desired.Owner.UID || obj.DeletionTimestamp != nil:
		return errUnconfirmed
	}
	return nil
}
