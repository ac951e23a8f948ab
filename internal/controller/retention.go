package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/retention"
	"trust-manager.io/internal/target"
)

// recalled is what is remembered of a Bundle in the trust namespace.
type recalled struct {
	// object is what holds it, or nil; nobody changes it.
	object *corev1.ConfigMap
	state  bundle.State
	faults []string
	// wrote is when this process wrote the object, or zero once the cache has had it.
	wrote time.Time
}

// recall reads what is remembered of a Bundle: the newer of what the cache has and what
// this process wrote last. A cache that is behind would have a CA be forgotten that has
// left since. An object of an older Bundle of the same name says nothing about this one.
func (b *bundles) recall(ctx context.Context, name string, uid types.UID) (*recalled, error) {
	object := &corev1.ConfigMap{}
	err := b.objects.Get(ctx, types.NamespacedName{Namespace: b.trustNamespace, Name: retention.Name(name)}, object)
	if client.IgnoreNotFound(err) != nil {
		return nil, err
	}
	there := err == nil
	known := b.registry.recalled(name)
	switch {
	case there && known != nil && known.object.UID == object.UID && known.object.ResourceVersion == object.ResourceVersion:
		if !known.wrote.IsZero() {
			seen := *known
			seen.wrote = time.Time{}
			known = &seen
			b.registry.recall(name, known)
		}
		return known, nil
	case known != nil && b.clock.Since(known.wrote) < unseen && (!there || newer(known.object.ResourceVersion, object.ResourceVersion)):
		return known, nil
	case !there:
		// Only deleting a key is an edit: where the whole object is gone, as when all of
		// them are cleared away, it is made again of what this process knows.
		if last := b.registry.lastGood(name); last != nil {
			return &recalled{state: last.state}, nil
		}
		return &recalled{}, nil
	}
	found := &recalled{object: object}
	if slices.ContainsFunc(object.OwnerReferences, func(o metav1.OwnerReference) bool { return o.UID == uid }) {
		found.state, found.faults = retention.Decode(object)
	} else {
		found.object = object.DeepCopy()
		found.object.Data, found.object.BinaryData = nil, nil
	}
	b.registry.recall(name, found)
	return found, nil
}

// errOutdated says that what is remembered was read before the latest write of it.
var errOutdated = errors.New("what the cache has of the rotation state is outdated")

// remember keeps a state, where it is another than before. It is done before anything
// is rolled out: else a certificate would be gone from memory and targets alike if the
// operator ended in between. The error is errOutdated where it has to be tried again
// in a moment, and bundle.Problems where the API server refuses.
func (b *bundles) remember(ctx context.Context, made *good) error {
	before := made.recalled.object
	if made.spec.Rotation.Retain <= 0 && (before == nil || len(before.Data) == 0) {
		return nil // there is nothing to remember, or to forget
	}
	object := retention.Encode(b.trustNamespace, made.spec, made.state, before)
	if retention.Same(object, before) {
		b.registry.saved(made.spec.Name)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, writeDeadline)
	defer cancel()
	var err error
	if before == nil {
		err = b.client.Create(ctx, object, client.FieldOwner(target.FieldManager))
	} else {
		err = b.client.Update(ctx, object, client.FieldOwner(target.FieldManager))
	}
	switch {
	case isOutdated(err, before) && b.registry.outdated(made.spec.Name) < maxOutdated:
		return errOutdated
	case err != nil && made.spec.Rotation.Retain <= 0:
		// What should be forgotten holds nothing up; it is tried again with the next build.
		log.FromContext(ctx).Error(err, "What was remembered for spec.rotation cannot be cleared", "configmap", object.Namespace+"/"+object.Name)
		return nil
	case err != nil:
		return bundle.Problems{{
			Origin: certs.Origin{Field: bundle.RetainedField, Object: "ConfigMap " + b.trustNamespace + "/" + object.Name},
			Reason: v1alpha1.BundleReasonRotationStateFailed,
			Detail: "what rotation needs to remember cannot be kept, and nothing is rolled out before it is: " + explain(err),
		}}
	}
	written := &recalled{object: object, wrote: b.clock.Now()}
	written.state, written.faults = retention.Decode(object)
	b.registry.recall(made.spec.Name, written)
	b.registry.saved(made.spec.Name)
	return nil
}

// maxOutdated is how many conflicts in a row, each outdatedPause after the other, count
// as a cache that is behind. More of them mean another writer, which a person has to
// know of.
const maxOutdated = 20

// isOutdated reports whether a write failed because the object is not, or no longer,
// the one that was read.
func isOutdated(err error, before *corev1.ConfigMap) bool {
	return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || before != nil && apierrors.IsNotFound(err)
}

// ended says of certificates of the last good bundle whether they were retained and
// are no longer, be it that their time is over or that a person has ended it.
func (b *bundles) ended(ctx context.Context, last *good, rotation bundle.Rotation) (func(*certs.Certificate) bool, error) {
	if len(last.content.Retained) == 0 {
		return func(*certs.Certificate) bool { return false }, nil
	}
	found, err := b.recall(ctx, last.spec.Name, last.spec.Owner.UID)
	if err != nil {
		return nil, err
	}
	now := b.clock.Now()
	return func(certificate *certs.Certificate) bool {
		same := func(one bundle.Retained) bool { return one.Certificate.Fingerprint == certificate.Fingerprint }
		at := slices.IndexFunc(last.content.Retained, same)
		if at < 0 {
			return false
		}
		// The cache may not have what was written last.
		remembered := slices.ContainsFunc(found.state.Retained, same) || slices.ContainsFunc(found.state.Present, func(one certs.Certificate) bool {
			return one.Fingerprint == certificate.Fingerprint
		})
		return !remembered || now.After(rotation.Until(last.content.Retained[at]))
	}, nil
}

// blameRetained adds to what is wrong with a whole bundle how many of its certificates
// are retained.
func blameRetained(err error, retained int) error {
	var problems bundle.Problems
	if !errors.As(err, &problems) {
		return err
	}
	note := "; 1 of its certificates is retained (spec.rotation)"
	if retained > 1 {
		note = fmt.Sprintf("; %d of its certificates are retained (spec.rotation)", retained)
	}
	var noted bundle.Problems
	for _, one := range problems {
		problem := *one
		problem.Detail += note
		noted = append(noted, &problem)
	}
	return noted
}

// unavailable returns why a bundle cannot be built of which retained certificates are
// known by their fingerprints alone.
func unavailable(retained []bundle.Retained, rotation bundle.Rotation) error {
	last := retained[0]
	for _, one := range retained {
		if rotation.Until(one).After(rotation.Until(last)) {
			last = one
		}
	}
	return bundle.Problems{{
		Origin: certs.Origin{Field: bundle.RetainedField},
		Reason: v1alpha1.BundleReasonBundleTooLarge,
		Detail: fmt.Sprintf("%d retained certificates did not fit into the rotation state, which has their fingerprints only, and the operator has restarted since; "+
			"the bundle waits until %s, when the last of them is retained no longer; exclude them by SHA-256, or delete their lines in the state, to continue without them",
			len(retained), rotation.Until(last).UTC().Format(time.RFC3339)),
	}}
}
