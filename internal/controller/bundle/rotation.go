package bundle

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
	"trust-manager.io/internal/request"
	"trust-manager.io/internal/retention"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/text"
)

// maxStale is how many conflicts in a row, each cacheLagRetry after the one before, count
// as a cache that lags: about 5 s. More of them mean another writer, which a user has to
// know of.
const maxStale = 100

// record is the rotation state of a Bundle as it is stored in the trust namespace.
type record struct {
	// object has the state, or is nil. It is never changed.
	object *corev1.ConfigMap
	state  bundle.State
	faults []string
	// wrote is when this process wrote the object; zero once the cache has had it.
	wrote time.Time
}

// loadState returns the rotation state of a Bundle: the newer of what the cache has and
// what this process wrote last. With a cache that lags, a CA would be forgotten that has
// left since.
func (r *Reconciler) loadState(ctx context.Context, s *session, obj *v1alpha1.Bundle) (*record, error) {
	cached := &corev1.ConfigMap{}
	err := r.objects.Get(ctx, types.NamespacedName{Namespace: r.trustNamespace, Name: retention.Name(obj.Name)}, cached)
	switch {
	case apierrors.IsNotFound(err):
		return r.missingState(s), nil
	case err != nil:
		return nil, err
	case s.record == nil || s.record.object == nil:
	case s.record.object.UID == cached.UID && s.record.object.ResourceVersion == cached.ResourceVersion:
		if !s.record.wrote.IsZero() {
			seen := *s.record
			seen.wrote = time.Time{}
			s.record = &seen
		}
		return s.record, nil
	case r.isPending(s) && target.IsNewer(s.record.object.ResourceVersion, cached.ResourceVersion):
		return s.record, nil
	}
	s.record = newRecord(cached, obj.UID)
	return s.record, nil
}

// newRecord returns the record of an object. An object of an earlier Bundle of the same
// name says nothing about this one.
func newRecord(object *corev1.ConfigMap, owner types.UID) *record {
	if slices.ContainsFunc(object.OwnerReferences, func(o metav1.OwnerReference) bool { return o.UID == owner }) {
		state, faults := retention.Decode(object)
		return &record{object: object, state: state, faults: faults}
	}
	emptied := object.DeepCopy()
	emptied.Data, emptied.BinaryData = nil, nil
	return &record{object: emptied}
}

// isPending reports whether the cache may not have what this process wrote last.
func (r *Reconciler) isPending(s *session) bool {
	return s.record != nil && s.record.object != nil && r.clock.Since(s.record.wrote) < target.WatchLag
}

// missingState returns the state if the cache has no object for it. Deleting a key is an
// edit, but deleting the object is not: it is rebuilt from what this process knows.
func (r *Reconciler) missingState(s *session) *record {
	switch {
	case r.isPending(s):
		return s.record
	case s.last != nil:
		return &record{state: s.last.state}
	}
	return &record{}
}

// errStaleCache reports that the rotation state was read before its latest change.
var errStaleCache = errors.New("the cached rotation state is stale")

// saveState saves the rotation state of a build if it has changed. That comes before the
// rollout: a certificate would otherwise be gone from memory and targets alike if the
// operator ended in between. The error is errStaleCache if it should be retried in a
// moment, and bundle.Problems if the API server refuses the state.
func (r *Reconciler) saveState(ctx context.Context, s *session, made *build) error {
	before := made.record.object
	isOff := made.spec.Rotation.Retain <= 0
	if isOff && (before == nil || len(before.Data) == 0) {
		return nil // nothing to save or to clear
	}
	object := retention.Encode(r.trustNamespace, made.spec, made.state, before)
	if retention.Same(object, before) {
		s.conflicts = 0
		return nil
	}
	err := r.writeState(ctx, object, before)
	if isStale(err, before) {
		s.record = nil // another writer was faster, and the cache will have its result
		if s.conflicts++; s.conflicts < maxStale {
			return errStaleCache
		}
	}
	switch {
	case err != nil && isOff:
		// What should be cleared does not hold up the bundle; the next build retries.
		log.FromContext(ctx).Error(err, "The rotation state cannot be cleared", "configmap", object.Namespace+"/"+object.Name)
		return nil
	case err != nil:
		return bundle.Problems{{
			Origin: certs.Origin{Field: bundle.RetainedField, Object: "ConfigMap " + r.trustNamespace + "/" + object.Name},
			Reason: v1alpha1.BundleReasonRotationStateFailed,
			Detail: "the rotation state cannot be saved, and nothing is rolled out before it is: " + request.Explain(err),
		}}
	}
	s.conflicts = 0
	s.record = &record{object: object, wrote: r.clock.Now()}
	s.record.state, s.record.faults = retention.Decode(object)
	return nil
}

func (r *Reconciler) writeState(ctx context.Context, object, before *corev1.ConfigMap) error {
	ctx, cancel := context.WithTimeout(ctx, request.Deadline)
	defer cancel()
	if before == nil {
		return r.client.Create(ctx, object, client.FieldOwner(target.FieldManager))
	}
	return r.client.Update(ctx, object, client.FieldOwner(target.FieldManager))
}

// isStale reports whether a write failed because the object is not the one that was read.
func isStale(err error, before *corev1.ConfigMap) bool {
	return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || before != nil && apierrors.IsNotFound(err)
}

// retentionEnded returns a function that reports whether a certificate of the last bundle
// was retained and no longer is, because its time has passed or a user has ended it.
func (r *Reconciler) retentionEnded(ctx context.Context, s *session, obj *v1alpha1.Bundle, rotation bundle.Rotation) (func(*certs.Certificate) bool, error) {
	retained := s.last.content.Retained
	if len(retained) == 0 {
		return func(*certs.Certificate) bool { return false }, nil
	}
	record, err := r.loadState(ctx, s, obj)
	if err != nil {
		return nil, err
	}
	now := r.clock.Now()
	return func(certificate *certs.Certificate) bool {
		isSame := func(entry bundle.Retained) bool { return entry.Certificate.Fingerprint == certificate.Fingerprint }
		at := slices.IndexFunc(retained, isSame)
		if at < 0 {
			return false
		}
		// The cache may not have what was written last.
		isRecorded := slices.ContainsFunc(record.state.Retained, isSame) || slices.ContainsFunc(record.state.Present, func(present certs.Certificate) bool {
			return present.Fingerprint == certificate.Fingerprint
		})
		return !isRecorded || now.After(rotation.Until(retained[at]))
	}, nil
}

// noteRetained adds to the problems of a whole bundle how many of its certificates are
// retained.
func noteRetained(err error, retained int) error {
	var problems bundle.Problems
	if !errors.As(err, &problems) {
		return err
	}
	verb := "are"
	if retained == 1 {
		verb = "is"
	}
	var noted bundle.Problems
	for _, problem := range problems {
		copied := *problem
		copied.Detail += fmt.Sprintf("; %d of its certificates %s retained (spec.rotation)", retained, verb)
		noted = append(noted, &copied)
	}
	return noted
}

// unavailable returns why a bundle cannot be built if retained certificates are known by
// their fingerprints only.
func unavailable(retained []bundle.Retained, rotation bundle.Rotation) error {
	last := rotation.Until(retained[0])
	for _, entry := range retained[1:] {
		if until := rotation.Until(entry); until.After(last) {
			last = until
		}
	}
	return bundle.Problems{{
		Origin: certs.Origin{Field: bundle.RetainedField},
		Reason: v1alpha1.BundleReasonBundleTooLarge,
		Detail: fmt.Sprintf("of %s only the fingerprints are known, since they did not fit into the rotation state; "+
			"the bundle waits until %s, when the retention of the last of them ends; to continue without them, exclude them by SHA-256, or delete their lines in the state",
			text.Count(len(retained), "retained certificate"), last.UTC().Format(time.RFC3339)),
	}}
}
