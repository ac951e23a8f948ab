package controller

import (
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"trust-manager.io/internal/target"
)

// unseen is how long the operator trusts what its own write returned while the
// watch has not shown it: longer, and the event may have been lost.
const unseen = 30 * time.Second

// memory knows which target, at which resource version, holds what: from the
// answers to the operator's own writes, and from objects that it read whole.
// Any other resource version is somebody else's work, under whatever field
// manager it was done, and has to be read. It is safe for concurrent use.
type memory struct {
	mu    sync.Mutex
	known map[target.Key]fact
}

type fact struct {
	uid             string
	resourceVersion string
	holding         target.Holding
	// at is when the fact was learned.
	at time.Time
	// proof says whether a write has been checked by reading the object.
	proof proof
	// vanished says that the object was deleted afterwards.
	vanished bool
}

// proof says how sure it is that a target came out as it was sent. An admission
// webhook or policy may change the data on the way, and the answer to a write does
// not show that. What is done to an object once is done again, so it is enough to have
// found it in order once after a write by this process, and after each creation.
type proof uint8

const (
	// The zero value: this process has not written the object.
	_ proof = iota
	// doubtful: written, and not found in order since.
	doubtful
	// proven: written, and found in order when it was read whole afterwards.
	proven
)

// proofDelay is how long after its write a target is read. By then most roll-outs
// are over.
const proofDelay = 2 * time.Second

func newMemory() *memory {
	return &memory{known: map[target.Key]fact{}}
}

// learn remembers what a target, which was read whole, holds at a resource version.
func (m *memory) learn(key target.Key, uid, resourceVersion string, holding target.Holding, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before, ok := m.known[key]
	if ok && before.resourceVersion == resourceVersion && before.uid == uid && before.holding == holding {
		return // nothing new about it; it may even have vanished since
	}
	next := fact{uid: uid, resourceVersion: resourceVersion, holding: holding, at: now}
	if before.uid == uid {
		next.proof = before.proof
	}
	m.known[key] = next
}

// wrote remembers what a target holds by the answer to a write. It says whether
// the object should be read to prove that.
func (m *memory) wrote(key target.Key, uid, resourceVersion string, holding target.Holding, now time.Time) (doubted bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := fact{uid: uid, resourceVersion: resourceVersion, holding: holding, at: now, proof: doubtful}
	if before := m.known[key]; before.uid == uid && before.proof == proven {
		next.proof = proven
	}
	m.known[key] = next
	return next.proof == doubtful
}

// prove remembers that a target was read whole at a resource version and found in
// order. From then on its writes count as what they were sent as. It says whether
// that is news.
func (m *memory) prove(key target.Key, uid, resourceVersion string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.known[key]
	if f.proof != doubtful || f.uid != uid || f.resourceVersion != resourceVersion {
		return false
	}
	f.proof = proven
	m.known[key] = f
	return true
}

// forget drops what is known of a target.
func (m *memory) forget(key target.Key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, key)
}

// vanish records the deletion of an object, unless a newer one is known. An
// empty resource version is that of a deletion that the watch has missed.
func (m *memory) vanish(key target.Key, resourceVersion string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f, ok := m.known[key]; ok && (resourceVersion == "" || !newer(f.resourceVersion, resourceVersion)) {
		f.vanished = true
		m.known[key] = f
	}
}

// see gives what is known of a target, from the newer of the cache and memory.
// cached is nil where the cache has no such object. recheck, if not 0, is when
// to look again although nothing may happen: the watch has yet to show what
// memory knows, or a write has to be proven.
func (m *memory) see(key target.Key, cached *metav1.PartialObjectMetadata, now time.Time) (seen target.Seen, recheck time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, known := m.known[key]
	if f.proof == doubtful && !f.vanished {
		due := proofDelay - now.Sub(f.at)
		if due <= 0 {
			return target.Seen{State: target.Unread}, 0
		}
		// An event that comes before takes the look that was planned out of the
		// queue.
		defer func() { recheck = due }()
	}
	switch left := unseen - now.Sub(f.at); {
	case !known && cached == nil:
		return target.Seen{State: target.Absent}, 0
	case !known:
		return target.Seen{State: target.Unread}, 0
	case cached == nil && f.vanished:
		return target.Seen{State: target.Absent, Vanished: true}, 0
	case cached != nil && cached.ResourceVersion == f.resourceVersion && string(cached.UID) == f.uid:
		// One string in memory instead of two that are equal.
		f.uid, f.resourceVersion = string(cached.UID), cached.ResourceVersion
		m.known[key] = f
		return f.held(), 0
	case left > 0 && (cached == nil || newer(f.resourceVersion, cached.ResourceVersion)):
		return f.held(), left
	}
	return target.Seen{State: target.Unread}, 0
}

// isRepair says whether an action brings back what the target held before, so
// that somebody else must have changed it.
func (m *memory) isRepair(action target.Action) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, known := m.known[action.Key]
	return known && action.Verb != target.Delete && action.Holding.Digest == f.holding.Digest && action.Holding.Owner == f.holding.Owner
}

func (f fact) held() target.Seen {
	return target.Seen{
		State: target.Held, UID: f.uid, ResourceVersion: f.resourceVersion, Holding: f.holding,
		Doubtful: f.proof == doubtful,
	}
}

// newer says whether a is a later resource version than b. Those that cannot
// be compared count as not newer, so that the object is read.
func newer(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err == nil && order > 0
}
