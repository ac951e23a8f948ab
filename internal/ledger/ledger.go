// Package ledger keeps account of how far each bundle has come: which targets
// are wanted, which are in order, which failed and why. It makes the Bundle's
// condition from that.
//
// What always holds: an outcome counts only for the revision that it was for;
// the same state of affairs gives the same words, whatever the order of events;
// a target takes a few bytes, and a text only while it fails. The package does
// no input or output, asks for no time (now is an argument) and logs nothing.
//
// It does not know what a target looks like, or when to write a status.
package ledger

import (
	"sync"
	"time"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
)

// Place names one target of a bundle.
type Place struct {
	Kind      bundle.Kind
	Namespace string
}

// state says how far one target has come.
type state uint8

const (
	pending state = iota
	synced
	failed
)

// Attempt is the outcome of the latest try to build a bundle.
type Attempt struct {
	// UID and Generation are those of the Bundle that was looked at.
	UID        string
	Generation int64
	// Reason and Message say why nothing could be built; both are empty after
	// a success.
	Reason  string
	Message string
	// Notes are what a person should know although the bundle is good.
	Notes []string
	// DefaultCAVersion is the id of the default CA package in use, or empty. A
	// failed attempt leaves that of the bundle in force.
	DefaultCAVersion string
	// Amended says that, though the latest attempt failed, Content is in force: the
	// last good bundle without what is excluded.
	Amended bool
	// Content is what was built, after a success.
	Content
}

// Content is what there is to tell of a bundle's certificates.
type Content struct {
	// Certificates is how many there are.
	Certificates int
	// Retained is how many of them have left every source, and Missing how many sources
	// are missing all the same.
	Retained, Missing int
	// EarliestNotAfter is when the first of them expires.
	EarliestNotAfter time.Time
	// Changes is the last moment at which they are what there should be, or zero.
	Changes time.Time
	// Inventory is what the status says of them; nobody changes it.
	Inventory *v1alpha1.BundleInventory
	// Expiry is when they expire.
	Expiry Expiry
}

// Ledger has one row for each bundle. It is safe for concurrent use.
type Ledger struct {
	mu   sync.Mutex
	rows map[string]*row
}

type row struct {
	attempt Attempt
	// good is the content of the bundle that was built last.
	good Content
	// revision is the number of the revision that the places are about, 0 for
	// none.
	revision uint64
	places   map[Place]state
	causes   map[Place]string
	counts   [failed + 1]int
	// kinds counts the places of each kind.
	kinds map[bundle.Kind]int
	// since is when the first of the pending places became pending, and wrote
	// says whether any of them has needed a write.
	since time.Time
	wrote bool
}

// New makes an empty Ledger.
func New() *Ledger {
	return &Ledger{rows: map[string]*row{}}
}

// Tried records the outcome of building a bundle.
func (l *Ledger) Tried(bundle string, attempt Attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.row(bundle)
	if attempt.Reason != "" && r.revision != 0 {
		// The targets hold the last good bundle still, and so its package.
		attempt.DefaultCAVersion = r.attempt.DefaultCAVersion
	}
	if attempt.Reason == "" || attempt.Amended {
		r.good = attempt.Content
	}
	r.attempt = attempt
}

// Begin starts the account of a new revision: all places are pending.
func (l *Ledger) Begin(bundle string, revision uint64, wanted []Place, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.row(bundle)
	r.revision = revision
	r.places = make(map[Place]state, len(wanted))
	r.causes = nil
	r.counts = [failed + 1]int{}
	r.kinds = nil
	r.since, r.wrote = now, false
	for _, place := range wanted {
		r.set(place, pending)
	}
}

// Want records that a place is wanted, which it may have become just now.
func (l *Ledger) Want(bundle string, revision uint64, place Place, now time.Time) {
	l.with(bundle, revision, func(r *row) {
		if _, known := r.places[place]; known {
			return
		}
		if r.counts[pending] == 0 {
			r.since, r.wrote = now, false
		}
		r.set(place, pending)
	})
}

// Writing records that a place needs a write. It says whether that is the first
// one, from which on the status has something to tell.
func (l *Ledger) Writing(bundle string, revision uint64, place Place) (tell bool) {
	l.with(bundle, revision, func(r *row) {
		if current, known := r.places[place]; known && current == pending {
			tell = !r.wrote
			r.wrote = true
		}
	})
	return tell
}

// Synced records that a target is in order. It says whether that is worth
// telling: the last one, or one that had failed.
func (l *Ledger) Synced(bundle string, revision uint64, place Place) (tell bool) {
	l.with(bundle, revision, func(r *row) {
		before, known := r.places[place]
		if known && before != synced {
			r.set(place, synced)
			tell = r.counts[pending] == 0 || before == failed
		}
	})
	return tell
}

// Failed records that a target could not be put in order, and why; or that it is
// no longer wanted and could not be released. It says whether that is news.
func (l *Ledger) Failed(bundle string, revision uint64, place Place, cause string) (tell bool) {
	l.with(bundle, revision, func(r *row) {
		if r.places[place] == failed && r.causes[place] == cause {
			return
		}
		r.set(place, failed)
		if r.causes == nil {
			r.causes = map[Place]string{}
		}
		r.causes[place] = cause
		tell = true
	})
	return tell
}

// Forget takes a place off the account: it is no longer wanted, or its
// namespace is gone. It says whether that changes anything.
func (l *Ledger) Forget(bundle string, place Place) (tell bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, ok := l.rows[bundle]
	if !ok {
		return false
	}
	before, known := r.places[place]
	if !known {
		return false
	}
	r.counts[before]--
	if r.kinds[place.Kind]--; r.kinds[place.Kind] == 0 {
		delete(r.kinds, place.Kind)
	}
	delete(r.places, place)
	delete(r.causes, place)
	return true
}

// Drop forgets a bundle.
func (l *Ledger) Drop(bundle string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.rows, bundle)
}

// with runs a change on the row of a bundle, if it still is about the revision.
// A bundle without a revision has no places.
func (l *Ledger) with(bundle string, revision uint64, change func(*row)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r, ok := l.rows[bundle]; ok && revision != 0 && r.revision == revision {
		change(r)
	}
}

func (l *Ledger) row(bundle string) *row {
	if l.rows[bundle] == nil {
		l.rows[bundle] = &row{}
	}
	return l.rows[bundle]
}

// set gives a place its state; a failure's cause goes when the failure does.
func (r *row) set(place Place, to state) {
	if before, known := r.places[place]; known {
		r.counts[before]--
		delete(r.causes, place)
	} else {
		if r.kinds == nil {
			r.kinds = map[bundle.Kind]int{}
		}
		r.kinds[place.Kind]++
	}
	r.places[place] = to
	r.counts[to]++
}
