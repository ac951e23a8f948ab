package store

import (
	"context"
	"errors"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/request"
	"trust-manager.io/internal/rotation"
	"trust-manager.io/internal/target"
)

// MaxStale is how many conflicts in a row count as a cache that lags behind: with a retry
// after 50 ms each, about 5 s. More of them mean another writer, which a user has to know of.
const MaxStale = 100

// ErrStale reports that a state was read before its latest change. It should be read again
// in a moment, when the cache has that change.
var ErrStale = errors.New("the cached rotation state is stale")

// Store reads and writes the rotation states of all Bundles. It is safe for concurrent use.
type Store struct {
	cache     client.Reader
	client    client.Client
	namespace string
	clock     clock.PassiveClock
}

// New returns a Store that reads from a cache, and writes to the trust namespace.
func New(cache client.Reader, writer client.Client, trustNamespace string, clock clock.PassiveClock) *Store {
	return &Store{cache: cache, client: writer, namespace: trustNamespace, clock: clock}
}

// Track returns a Tracker of the state of a Bundle with this UID.
func (s *Store) Track(id bundle.ID, owner types.UID) *Tracker {
	return &Tracker{store: s, id: id, owner: owner}
}

// Tracker follows the rotation state of one Bundle. It is not safe for concurrent use.
type Tracker struct {
	store *Store
	id    bundle.ID
	owner types.UID
	// record is the state as it was read or written last, or nil.
	record *Record
	// conflicts counts the conflicts in a row.
	conflicts int
}

// Record is a rotation state as it is stored. It is immutable.
type Record struct {
	// State is the decoded state, and Faults describe what could not be read of it.
	State  bundle.State
	Faults []string
	// object has the state, or is nil.
	object *corev1.ConfigMap
	// wrote is when this process wrote the object; zero once the cache has had it.
	wrote time.Time
}

// Has reports whether the state lists a certificate, as present or as retained.
func (r *Record) Has(fingerprint [32]byte) bool {
	return slices.ContainsFunc(r.State.Retained, func(retained bundle.Retained) bool { return retained.Certificate.Fingerprint == fingerprint }) ||
		slices.ContainsFunc(r.State.Present, func(present certs.Certificate) bool { return present.Fingerprint == fingerprint })
}

// Load returns the state: the newer of what the cache has and what this process wrote last.
// With a cache that lags behind, a CA would be forgotten that has left since. If the object
// was deleted, which is not an edit, the state is last, the one of the last good bundle; it
// may be nil. The first time, it is that of the bundle of the other API kind and the same name
// if that is newer: this one replaces it, and what it retains stays retained.
func (t *Tracker) Load(ctx context.Context, last *bundle.State) (*Record, error) {
	cached, err := t.store.read(ctx, t.id)
	if err != nil {
		return nil, err
	}
	if t.record == nil && last == nil {
		return t.inherited(ctx, cached)
	}
	switch {
	case cached == nil:
		return t.missing(last), nil
	case t.record == nil || t.record.object == nil:
	case t.record.object.UID == cached.UID && t.record.object.ResourceVersion == cached.ResourceVersion:
		if !t.record.wrote.IsZero() {
			seen := *t.record
			seen.wrote = time.Time{}
			t.record = &seen
		}
		return t.record, nil
	case t.isPending() && target.IsNewer(t.record.object.ResourceVersion, cached.ResourceVersion):
		return t.record, nil
	}
	t.record = newRecord(cached, t.owner)
	return t.record, nil
}

// read returns the object of a bundle in the cache, or nil.
func (s *Store) read(ctx context.Context, id bundle.ID) (*corev1.ConfigMap, error) {
	cached := &corev1.ConfigMap{}
	err := s.cache.Get(ctx, types.NamespacedName{Namespace: s.namespace, Name: rotation.Name(id)}, cached)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return cached, err
}

// inherited returns the first state, given the bundle's own object, which may be nil.
func (t *Tracker) inherited(ctx context.Context, own *corev1.ConfigMap) (*Record, error) {
	other, err := t.store.read(ctx, t.id.Peer())
	if err != nil {
		return nil, err
	}
	record := &Record{}
	if own != nil {
		record = newRecord(own, t.owner)
		t.record = record
	}
	if other == nil || own != nil && !target.IsNewer(other.ResourceVersion, own.ResourceVersion) {
		return record, nil
	}
	inherited := *record
	inherited.State, inherited.Faults = rotation.Decode(other)
	if own != nil {
		t.record = &inherited
	}
	return &inherited, nil
}

// newRecord returns the record of an object. An object of an earlier Bundle of the same
// name says nothing about this one, unless it has outlived that, as the targets then have
// that hold the retained certificates.
func newRecord(object *corev1.ConfigMap, owner types.UID) *Record {
	if len(object.OwnerReferences) == 0 || slices.ContainsFunc(object.OwnerReferences, func(o metav1.OwnerReference) bool { return o.UID == owner }) {
		state, faults := rotation.Decode(object)
		return &Record{object: object, State: state, Faults: faults}
	}
	emptied := object.DeepCopy()
	emptied.Data, emptied.BinaryData = nil, nil
	return &Record{object: emptied}
}

// isPending reports whether the cache may not have what this process wrote last.
func (t *Tracker) isPending() bool {
	return t.record != nil && t.record.object != nil && t.store.clock.Since(t.record.wrote) < target.WatchLag
}

// missing returns the state if the cache has no object for it.
func (t *Tracker) missing(last *bundle.State) *Record {
	switch {
	case t.isPending():
		return t.record
	case last != nil:
		return &Record{State: *last}
	}
	return &Record{}
}

// Save saves a state that was built from a loaded one, if it has changed. It comes before
// the rollout: a certificate would otherwise be gone from memory and targets alike if the
// operator ended in between. The error is [ErrStale] if the build should be retried in a
// moment, and [bundle.Problems] if the API server refuses the state.
func (t *Tracker) Save(ctx context.Context, spec bundle.Spec, loaded *Record, state bundle.State) error {
	before := loaded.object
	isOff := spec.Rotation.Retain <= 0
	if isOff && (before == nil || len(before.Data) == 0) {
		return nil // nothing to save or to clear
	}
	object := rotation.Encode(t.store.namespace, spec, state, before)
	if rotation.Same(object, before) {
		t.conflicts = 0
		return nil
	}
	err := t.store.write(ctx, object, before)
	if isStale(err, before) {
		t.record = nil // another writer was faster, and the cache will have its result
		if t.conflicts++; t.conflicts < MaxStale {
			return ErrStale
		}
	}
	switch {
	case err != nil && isOff:
		// What should be cleared does not hold up the bundle; the next build retries.
		log.FromContext(ctx).Error(err, "The rotation state cannot be cleared", "configmap", object.Namespace+"/"+object.Name)
		return nil
	case err != nil:
		return bundle.Problems{{
			Origin: certs.Origin{Field: bundle.RetainedField, Object: "ConfigMap " + object.Namespace + "/" + object.Name},
			Reason: bundle.RotationStateFailed,
			Detail: "the rotation state cannot be saved, and nothing is rolled out before it is: " + request.Explain(err),
		}}
	}
	t.conflicts = 0
	t.record = &Record{object: object, wrote: t.store.clock.Now()}
	t.record.State, t.record.Faults = rotation.Decode(object)
	return nil
}

func (s *Store) write(ctx context.Context, object, before *corev1.ConfigMap) error {
	ctx, cancel := context.WithTimeout(ctx, request.Deadline)
	defer cancel()
	if before == nil {
		return s.client.Create(ctx, object, client.FieldOwner(target.FieldManager))
	}
	return s.client.Update(ctx, object, client.FieldOwner(target.FieldManager))
}

// isStale reports whether a write failed because the object is not the one that was read.
func isStale(err error, before *corev1.ConfigMap) bool {
	return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || before != nil && apierrors.IsNotFound(err)
}
