package target

import (
	"context"
	"errors"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/internal/bundle"
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
	if r.revisions.IsSuperseded(key.Bundle) {
		r.forget(key)
		return nil, nil
	}
	revision, number := r.revisions.Get(key.Bundle)
	if revision == nil || revision.Owner.UID != obj.GetUID() {
		return nil, nil
	}
	place, isActive, err := r.place(ctx, key)
	if err != nil {
		return nil, err
	}
	if !isActive {
		r.leave(key)
		return nil, nil
	}
	desired := &desiredState{revision: number, Desired: target.Desired{
		Owner:     revision.Owner,
		Marks:     r.marksOf(revision),
		Shape:     revision.Shapes[key.Kind],
		Selected:  revision.Wants(key.Ref, place),
		Overwrite: revision.Overwrite,
	}}
	if desired.isWanted() {
		r.ledger.AddTarget(key.Bundle, number, key.Ref, r.clock.Now())
		return desired, nil
	}
	isClaimed, err := r.isClaimed(ctx, key, revision, place)
	if err != nil || isClaimed {
		r.forget(key)
		r.ledger.Forget(key.Bundle, key.Ref)
		return nil, err
	}
	return desired, nil
}

// marksOf returns the marks of a revision. Without the right to see the bundles of the other API
// kind, it is unknown which of them exist, and their targets are another controller's.
func (r *Reconciler) marksOf(revision *target.Revision) *bundle.Marks {
	if !slices.ContainsFunc(revision.Marks.Peers, func(m *bundle.Marks) bool { return r.hidden(m.Kind) }) {
		return revision.Marks
	}
	alone := *revision.Marks
	alone.Peers = nil
	return &alone
}

// place returns the labels of the namespace of a target. isActive is false if the namespace is
// terminating or does not exist.
func (r *Reconciler) place(ctx context.Context, key target.Key) (place labels.Set, isActive bool, err error) {
	if target.TypeOf(key.Kind).ClusterScoped {
		return nil, true, nil
	}
	namespace, err := r.activeNamespace(ctx, key.Namespace)
	if err != nil || namespace == nil {
		return nil, false, err
	}
	return namespace.Labels, true, nil
}

// isClaimed reports whether the bundle of the other API kind and the same name has or wants an
// object that this one does not want: it takes the object over, now or once it is active. The
// revision is this bundle's, or nil if it is deleted.
func (r *Reconciler) isClaimed(ctx context.Context, key target.Key, own *target.Revision, place labels.Set) (bool, error) {
	peer := key.Bundle.Peer()
	adapter := r.apis.Of(peer.Kind)
	if adapter == nil {
		return false, nil
	}
	if revision, _ := r.revisions.Get(peer); revision != nil {
		return revision.Wants(key.Ref, place), nil
	}
	if superior, ok := key.Bundle.Superior(); ok && superior == peer && own.HasTargets() {
		return false, nil // this one is active, since the other one cannot be built
	}
	obj := adapter.New()
	err := r.objects.Get(ctx, peer.NamespacedName(), obj)
	if err != nil || obj.GetDeletionTimestamp() != nil {
		return false, client.IgnoreNotFound(err)
	}
	spec, _ := adapter.Spec(obj)
	return spec.HasTargetNamed(key.Kind, key.Name) && (target.TypeOf(key.Kind).ClusterScoped || spec.Namespaces.Matches(place)), nil
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
	place, isActive, err := r.place(ctx, key)
	if err != nil || !isActive {
		r.forget(key)
		return nil, err
	}
	if isClaimed, err := r.isClaimed(ctx, key, nil, place); err != nil || isClaimed {
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
	return r.targets.Newest(ctx, target.TypeOf(ref.Kind).GVK, ref.Namespace, ref.Name)
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
