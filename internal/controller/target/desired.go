package target

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"trust-manager.io/api/trust/v1alpha1"
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

// desired returns the desired state of a target. It is nil if the target must not be
// touched, and no longer counts.
func (r *Reconciler) desired(ctx context.Context, key target.Key) (*desiredState, error) {
	obj := &v1alpha1.Bundle{}
	err := r.objects.Get(ctx, types.NamespacedName{Name: key.Bundle}, obj)
	switch {
	case apierrors.IsNotFound(err):
		return r.desiredAfterDelete(ctx, key)
	case err != nil:
		return nil, err
	case obj.DeletionTimestamp != nil:
		r.terminations.forget(key)
		return nil, nil
	}
	revision, number := r.revisions.Get(key.Bundle)
	if revision == nil || revision.Owner.UID != obj.UID {
		return nil, nil
	}
	namespace, err := r.activeNamespace(ctx, key.Namespace)
	if err != nil {
		return nil, err
	}
	if namespace == nil {
		r.leave(key)
		return nil, nil
	}
	desired := &desiredState{revision: number, Desired: target.Desired{
		Owner:    revision.Owner,
		Shape:    revision.Shapes[key.Kind],
		Selected: revision.Namespaces.Matches(labels.Set(namespace.Labels)),
	}}
	if desired.isWanted() {
		r.ledger.Want(key.Bundle, number, place(key), r.clock.Now())
	}
	return desired, nil
}

// desiredAfterDelete returns the desired state of an object that a deleted Bundle shared
// with other writers. Everything else is left to garbage collection.
func (r *Reconciler) desiredAfterDelete(ctx context.Context, key target.Key) (*desiredState, error) {
	cached, err := metadata.Get(ctx, r.targets, metadata.OfKind(key.Kind), key.Namespace, key.Bundle)
	if err != nil || cached == nil || cached.Annotations[v1alpha1.SharedAnnotationKey] != "true" {
		r.forget(key)
		return nil, err
	}
	return &desiredState{Desired: target.Desired{
		Owner:         metav1.OwnerReference{Name: key.Bundle},
		BundleDeleted: true,
		Orphaned:      r.revisions.IsOrphaned(key.Bundle),
	}}, nil
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
// done or recorded: events of the Bundle follow.
var errUnconfirmed = errors.New("the Bundle is being deleted, or was re-created")

// confirm reads the Bundle from the API server: what was observed of its target may be
// the effect of its own deletion. The error is then errUnconfirmed.
func (r *Reconciler) confirm(ctx context.Context, key target.Key, desired target.Desired) error {
	obj, err := metadata.Get(ctx, r.live, v1alpha1.GroupVersion.WithKind(v1alpha1.BundleKind), "", key.Bundle)
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
