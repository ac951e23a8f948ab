package ledger

import (
	"sync"
	"time"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
)

// Place identifies one target of a bundle.
type Place struct {
	Kind      bundle.Kind
	Namespace string
}

// state is the state of one target.
type state uint8

const (
	pending state = iota
	synced
	failed
)

// Attempt is the outcome of the latest attempt to build a bundle.
type Attempt struct {
	// UID and Generation are those of the Bundle that was built.
	UID        string
	Generation int64
	// Reason and Message describe why nothing could be built; both are empty after a
	// success.
	Reason  string
	Message string
	// Notes describe what users should know although the bundle is good.
	Notes []string
	// DefaultCAVersion is the id of the default CA package in use, or empty. After a
	// failed attempt it remains that of the last good bundle.
	DefaultCAVersion string
	// Amended is true if the latest attempt failed and Content is that of the last good
	// bundle without the excluded certificates.
	Amended bool
	// Content describes the new bundle, after a success.
	Content
}

// Content describes the certificates of a bundle.
type Content struct {
	// Certificates is the number of certificates.
	Certificates int
	// Retained is how many of them have left every source, and Missing how many missing
	// sources rotation tolerates.
	Retained, Missing int
	// EarliestNotAfter is when the first of them expires.
	EarliestNotAfter time.Time
	// Changes is the last moment at which the bundle is valid, or zero if time alone does
	// not change it.
	Changes time.Time
	// Inventory is the description of the bundle in the status; it is immutable.
	Inventory *v1alpha1.BundleInventory
	// Expiry describes when the certificates expire.
	Expiry Expiry
}

// Ledger has one entry for each bundle. It is safe for concurrent use.
type Ledger struct {
	mu      sync.Mutex
	entries map[string]*entry
}

type entry struct {
	attempt Attempt
	// content describes the last good bundle.
	content Content
	// revision is the number of the revision that is rolled out to the places; 0 for none.
	revision uint64
	places   map[Place]state
	causes   map[Place]string
	counts   [failed + 1]int
	// kinds counts the places of each kind.
	kinds map[bundle.Kind]int
	// since is when the first of the pending places became pending, and wrote is true if
	// any of them has needed a write.
	since time.Time
	wrote bool
}

// New returns an empty Ledger.
func New() *Ledger {
	return &Ledger{entries: map[string]*entry{}}
}

// Tried records the outcome of an attempt to build a bundle.
func (l *Ledger) Tried(bundle string, attempt Attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(bundle)
	if attempt.Reason != "" && e.revision != 0 {
		// The targets still hold the last good bundle, and thus its package.
		attempt.DefaultCAVersion = e.attempt.DefaultCAVersion
	}
	if attempt.Reason == "" || attempt.Amended {
		e.content = attempt.Content
	}
	e.attempt = attempt
}

// Begin starts the rollout of a new revision: all places are pending.
func (l *Ledger) Begin(bundle string, revision uint64, wanted []Place, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(bundle)
	e.revision = revision
	e.places = make(map[Place]state, len(wanted))
	e.causes = nil
	e.counts = [failed + 1]int{}
	e.kinds = nil
	e.since, e.wrote = now, false
	for _, place := range wanted {
		e.set(place, pending)
	}
}

// Want adds a place as pending, unless the ledger has it already.
func (l *Ledger) Want(bundle string, revision uint64, place Place, now time.Time) {
	l.update(bundle, revision, func(e *entry) {
		if _, known := e.places[place]; known {
			return
		}
		if e.counts[pending] == 0 {
			e.since, e.wrote = now, false
		}
		e.set(place, pending)
	})
}

// Writing records that a pending place needs a write. It reports whether this is the first
// write of the rollout, which is when the status may change.
func (l *Ledger) Writing(bundle string, revision uint64, place Place) (changed bool) {
	l.update(bundle, revision, func(e *entry) {
		if current, known := e.places[place]; known && current == pending {
			changed = !e.wrote
			e.wrote = true
		}
	})
	return changed
}

// Synced records that a target is in sync. It reports whether the status changes: this
// was the last pending target, or one that had failed.
func (l *Ledger) Synced(bundle string, revision uint64, place Place) (changed bool) {
	l.update(bundle, revision, func(e *entry) {
		previous, known := e.places[place]
		if known && previous != synced {
			e.set(place, synced)
			changed = e.counts[pending] == 0 || previous == failed
		}
	})
	return changed
}

// Pending records that a target which was in sync no longer is, and that this is not a
// failure yet. It reports whether the status changes.
func (l *Ledger) Pending(bundle string, revision uint64, place Place, now time.Time) (changed bool) {
	l.update(bundle, revision, func(e *entry) {
		if current, known := e.places[place]; !known || current != synced {
			return
		}
		if e.counts[pending] == 0 {
			e.since, e.wrote = now, true
		}
		e.set(place, pending)
		changed = true
	})
	return changed
}

// Failed records why a target could not be synced, or could not be released after it was
// no longer wanted. It reports whether the failure or its cause is new.
func (l *Ledger) Failed(bundle string, revision uint64, place Place, cause string) (changed bool) {
	l.update(bundle, revision, func(e *entry) {
		if e.places[place] == failed && e.causes[place] == cause {
			return
		}
		e.set(place, failed)
		if e.causes == nil {
			e.causes = map[Place]string{}
		}
		e.causes[place] = cause
		changed = true
	})
	return changed
}

// Forget removes a place that is no longer wanted, or whose namespace is gone. It reports
// whether the ledger had it.
func (l *Ledger) Forget(bundle string, place Place) (changed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.entries[bundle]
	if !ok {
		return false
	}
	previous, known := e.places[place]
	if !known {
		return false
	}
	e.counts[previous]--
	if e.kinds[place.Kind]--; e.kinds[place.Kind] == 0 {
		delete(e.kinds, place.Kind)
	}
	delete(e.places, place)
	delete(e.causes, place)
	return true
}

// Drop removes a bundle.
func (l *Ledger) Drop(bundle string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.entries, bundle)
}

// update applies a change to the entry of a bundle, if it is still at this revision. A
// bundle without a revision has no places.
func (l *Ledger) update(bundle string, revision uint64, change func(*entry)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.entries[bundle]; ok && revision != 0 && e.revision == revision {
		change(e)
	}
}

// entry returns the entry of a bundle, and creates it if needed.
func (l *Ledger) entry(bundle string) *entry {
	if l.entries[bundle] == nil {
		l.entries[bundle] = &entry{}
	}
	return l.entries[bundle]
}

// set sets the state of a place, and removes the cause of an earlier failure.
func (e *entry) set(place Place, to state) {
	if previous, known := e.places[place]; known {
		e.counts[previous]--
		delete(e.causes, place)
	} else {
		if e.kinds == nil {
			e.kinds = map[bundle.Kind]int{}
		}
		e.kinds[place.Kind]++
	}
	e.places[place] = to
	e.counts[to]++
}
