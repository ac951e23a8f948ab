package target

import (
	"sync"
	"time"
	"unique"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
)

const (
	// WatchLag is how long the result of the operator's own write is trusted while the
	// watch has not shown it. After that, the event may have been lost.
	WatchLag = 30 * time.Second
	// VerifyDelay is how long after its write a target is read, to verify it. By then
	// most rollouts have ended.
	VerifyDelay = 2 * time.Second
)

// Observations record what each target held at which resource version, from the answers
// to the operator's own writes and from objects that were read in full. Any other resource
// version is a change by another writer, whatever its field manager, and has to be read.
// They are safe for concurrent use.
type Observations struct {
	mu    sync.Mutex
	known map[Key]observation
	// first is the time of the first observation. Others are relative to it, so that their
	// age is that of a monotonic clock.
	first time.Time
}

// since returns the time of an observation for its record. The lock is held.
func (o *Observations) since(now time.Time) time.Duration {
	if o.first.IsZero() {
		o.first = now
	}
	return now.Sub(o.first)
}

// Observations take memory for each target: targets of one shape share a holding, and the time
// is a number.
type observation struct {
	uid             string
	resourceVersion string
	holding         unique.Handle[Holding]
	// at is the time of the observation since the first one.
	at           time.Duration
	verification verification
	// deleted reports that the object was deleted afterwards.
	deleted bool
}

// verification is how sure it is that a target was stored as it was sent. An admission
// webhook or policy may change the data, and the answer to a write does not show that.
// Admission is assumed to treat every write alike, so it is enough to have found the
// object in sync once after a write by this process, and after each creation.
type verification uint8

const (
	// The zero value: this process has not written the object.
	_ verification = iota
	// unverified: written, and not found in sync since.
	unverified
	// verified: written, and found in sync when it was read in full afterwards.
	verified
)

// NewObservations returns an empty record.
func NewObservations() *Observations {
	return &Observations{known: map[Key]observation{}}
}

// RecordRead records the content of a target that was read in full at a resource version.
func (o *Observations) RecordRead(key Key, uid, resourceVersion string, holding Holding, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	next := observation{uid: uid, resourceVersion: resourceVersion, holding: unique.Make(holding), at: o.since(now)}
	before, ok := o.known[key]
	if ok && before.resourceVersion == resourceVersion && before.uid == uid && before.holding == next.holding {
		return // it may even have been deleted since
	}
	if before.uid == uid {
		next.verification = before.verification
	}
	o.known[key] = next
}

// RecordWrite records the content of a target from the response to a write. It reports
// whether the object still has to be read to verify that.
func (o *Observations) RecordWrite(key Key, uid, resourceVersion string, holding Holding, now time.Time) (verify bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	next := observation{uid: uid, resourceVersion: resourceVersion, holding: unique.Make(holding), at: o.since(now), verification: unverified}
	if before := o.known[key]; before.uid == uid && before.verification == verified {
		next.verification = verified
	}
	o.known[key] = next
	return next.verification == unverified
}

// MarkVerified records that a target was read in full at a resource version and found in
// sync. It reports whether that was not known before.
func (o *Observations) MarkVerified(key Key, uid, resourceVersion string) (changed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	known := o.known[key]
	if known.verification != unverified || known.uid != uid || known.resourceVersion != resourceVersion {
		return false
	}
	known.verification = verified
	o.known[key] = known
	return true
}

// Forget drops the record of a target.
func (o *Observations) Forget(key Key) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.known, key)
}

// RecordDelete records the deletion of an object, unless a newer one is known. An empty
// resource version means a deletion that the watch has missed.
func (o *Observations) RecordDelete(key Key, resourceVersion string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if known, ok := o.known[key]; ok && (resourceVersion == "" || !IsNewer(known.resourceVersion, resourceVersion)) {
		known.deleted = true
		o.known[key] = known
	}
}

// Lookup returns what is known of a target, from the newer of the cache and the record.
// cached is nil if the cache has no such object. recheck, if not 0, is the delay after
// which to check again even without an event: the watch has yet to show what the record
// has, or a write has to be verified.
func (o *Observations) Lookup(key Key, cached *metav1.PartialObjectMetadata, now time.Time) (observed Observed, recheck time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	known, ok := o.known[key]
	since := o.since(now)
	observed, recheck = known.lookup(ok, cached, since)
	if ok && known.isCached(cached) {
		// One string in memory instead of two that are equal.
		known.uid, known.resourceVersion = string(cached.UID), cached.ResourceVersion
		o.known[key] = known
	}
	if known.verification != unverified || known.deleted {
		return observed, recheck
	}
	if due := VerifyDelay - (since - known.at); due > 0 {
		// An earlier event replaces the scheduled check in the queue.
		return observed, due
	}
	return Observed{State: Unknown}, 0
}

// lookup compares an observation, if there is one, with the cache.
func (o observation) lookup(ok bool, cached *metav1.PartialObjectMetadata, since time.Duration) (observed Observed, recheck time.Duration) {
	lag := WatchLag - (since - o.at)
	switch {
	case !ok && cached == nil:
		return Observed{State: Absent}, 0
	case !ok:
		return Observed{State: Unknown}, 0
	case cached == nil && o.deleted:
		return Observed{State: Absent, DeletedInSync: true}, 0
	case o.isCached(cached):
		return o.cached(), 0
	case lag > 0 && (cached == nil || IsNewer(o.resourceVersion, cached.ResourceVersion)):
		return o.cached(), lag
	}
	return Observed{State: Unknown}, 0
}

// isCached reports whether the cache has the object at the observed resource version.
func (o observation) isCached(cached *metav1.PartialObjectMetadata) bool {
	return cached != nil && cached.ResourceVersion == o.resourceVersion && string(cached.UID) == o.uid
}

// Recall returns what an object with this UID held when it was last in sync; ok is false if
// it never was.
func (o *Observations) Recall(key Key, uid string) (holding Holding, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	known, ok := o.known[key]
	if !ok || known.uid != uid {
		return Holding{}, false
	}
	return known.holding.Value(), true
}

// IsDrift reports whether an action restores what the target held before, so that another
// writer must have changed it.
func (o *Observations) IsDrift(action Action) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	known, ok := o.known[action.Key]
	if !ok || action.Verb == Delete {
		return false
	}
	holding := known.holding.Value()
	return action.Holding.Digest == holding.Digest && action.Holding.Owner == holding.Owner
}

func (o observation) cached() Observed {
	return Observed{
		State: Cached, UID: o.uid, ResourceVersion: o.resourceVersion, Holding: o.holding.Value(),
		Unverified: o.verification == unverified,
	}
}

// IsNewer reports whether a is a later resource version than b. It is false for those
// that cannot be compared, so that the object is read.
func IsNewer(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err == nil && order > 0
}
