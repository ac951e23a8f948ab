package ledger

import (
	"sync"
	"time"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
)

// state is the state of one target.
type state uint8

const (
	pending state = iota
	synced
	failed
)

// counts are the numbers of targets in each state.
type counts [failed + 1]int

func (c counts) sum() (targets int) {
	for _, count := range c {
		targets += count
	}
	return targets
}

// cause is why a target could not be synced or released, with the reason of the condition.
type cause struct{ reason, text string }

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
	// SupersededBy is the bundle that has taken the targets over, if one has. Nothing else is
	// known then.
	SupersededBy bundle.ID
	// Reduced is true if the latest attempt failed and Content is that of the last good
	// bundle without the excluded certificates.
	Reduced bool
	// Content describes the new bundle, after a success.
	Content
}

// Content describes the certificates of a bundle.
type Content struct {
	// Certificates is the number of certificates.
	Certificates int
	// Digest is the hexadecimal SHA-256 of the PEM file, or empty without a target.
	Digest string
	// Retained is how many of them have left every source, and Missing how many missing
	// sources rotation tolerates.
	Retained, Missing int
	// EarliestNotAfter is when the first of them expires.
	EarliestNotAfter time.Time
	// ValidUntil is the last moment at which the bundle is valid, or zero if time alone does
	// not change it.
	ValidUntil time.Time
	// Inventory is the description of the bundle in the status; it is immutable.
	Inventory *Inventory
	// Expiry describes when the certificates expire.
	Expiry Expiry
}

// Ledger has one entry for each bundle. It is safe for concurrent use.
type Ledger struct {
	mu      sync.Mutex
	entries map[bundle.ID]*entry
	// notes has what users should know about all bundles of an API kind.
	notes map[bundle.APIKind]string
}

type entry struct {
	attempt Attempt
	// content describes the last good bundle.
	content Content
	// revision is the number of the revision that is rolled out; 0 for none.
	revision uint64
	targets  map[target.Ref]state
	causes   map[target.Ref]cause
	counts   counts
	// kinds counts the targets of each kind, and single is the last one that was added of a kind
	// that is cluster-scoped.
	kinds  map[bundle.Kind]counts
	single target.Ref
	// since is when the first of the pending targets became pending, and wrote is true if
	// any of them has needed a write.
	since time.Time
	wrote bool
}

// New returns an empty Ledger.
func New() *Ledger {
	return &Ledger{entries: map[bundle.ID]*entry{}, notes: map[bundle.APIKind]string{}}
}

// RecordBuild records the outcome of an attempt to build a bundle.
func (l *Ledger) RecordBuild(id bundle.ID, attempt Attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	if attempt.Reason != "" && e.revision != 0 {
		// The targets still hold the last good bundle, and thus its package.
		attempt.DefaultCAVersion = e.attempt.DefaultCAVersion
	}
	if attempt.Reason == "" || attempt.Reduced {
		e.content = attempt.Content
	}
	e.attempt = attempt
}

// RecordSuperseded records that another bundle has taken the targets over. It reports whether
// that, or the generation, is new.
func (l *Ledger) RecordSuperseded(id bundle.ID, attempt Attempt) (changed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.entry(id)
	l.entries[id] = &entry{attempt: attempt}
	return before.attempt.SupersededBy != attempt.SupersededBy || before.attempt.Generation != attempt.Generation
}

// StartRollout starts the rollout of a new revision: all targets are pending.
func (l *Ledger) StartRollout(id bundle.ID, revision uint64, wanted []target.Ref, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entry(id)
	e.revision = revision
	e.targets = make(map[target.Ref]state, len(wanted))
	e.causes = nil
	e.counts = counts{}
	e.kinds = nil
	e.since, e.wrote = now, false
	for _, ref := range wanted {
		e.set(ref, pending)
	}
}

// AddTarget adds a target as pending, unless the ledger has it already.
func (l *Ledger) AddTarget(id bundle.ID, revision uint64, ref target.Ref, now time.Time) {
	l.update(id, revision, func(e *entry) {
		if _, known := e.targets[ref]; known {
			return
		}
		if e.counts[pending] == 0 {
			e.since, e.wrote = now, false
		}
		e.set(ref, pending)
	})
}

// MarkWriting records that a pending target needs a write. It reports whether this is the first
// write of the rollout, which is when the status may change.
func (l *Ledger) MarkWriting(id bundle.ID, revision uint64, ref target.Ref) (changed bool) {
	l.update(id, revision, func(e *entry) {
		if current, known := e.targets[ref]; known && current == pending {
			changed = !e.wrote
			e.wrote = true
		}
	})
	return changed
}

// Synced records that a target is in sync. It reports whether the status changes: this
// was the last pending target, or one that had failed.
func (l *Ledger) Synced(id bundle.ID, revision uint64, ref target.Ref) (changed bool) {
	l.update(id, revision, func(e *entry) {
		previous, known := e.targets[ref]
		if known && previous != synced {
			e.set(ref, synced)
			changed = e.counts[pending] == 0 || previous == failed
		}
	})
	return changed
}

// Pending records that a target which was in sync no longer is, and that this is not a
// failure yet. It reports whether the status changes.
func (l *Ledger) Pending(id bundle.ID, revision uint64, ref target.Ref, now time.Time) (changed bool) {
	l.update(id, revision, func(e *entry) {
		if current, known := e.targets[ref]; !known || current != synced {
			return
		}
		if e.counts[pending] == 0 {
			e.since, e.wrote = now, true
		}
		e.set(ref, pending)
		changed = true
	})
	return changed
}

// Failed records why a target could not be synced, or could not be released after it was
// no longer wanted. It reports whether the failure or its cause is new.
func (l *Ledger) Failed(id bundle.ID, revision uint64, ref target.Ref, why string) (changed bool) {
	return l.fail(id, revision, ref, cause{target.TypeOf(ref.Kind).SyncFailed, why})
}

// Unavailable is Failed for a target whose kind the API server does not serve.
func (l *Ledger) Unavailable(id bundle.ID, revision uint64, ref target.Ref, why string) (changed bool) {
	return l.fail(id, revision, ref, cause{target.TypeOf(ref.Kind).Unavailable, why})
}

func (l *Ledger) fail(id bundle.ID, revision uint64, ref target.Ref, because cause) (changed bool) {
	l.update(id, revision, func(e *entry) {
		if e.targets[ref] == failed && e.causes[ref] == because {
			return
		}
		e.set(ref, failed)
		if e.causes == nil {
			e.causes = map[target.Ref]cause{}
		}
		e.causes[ref] = because
		changed = true
	})
	return changed
}

// Forget removes a target that is no longer wanted, or whose namespace is gone. It reports
// whether the ledger had it.
func (l *Ledger) Forget(id bundle.ID, ref target.Ref) (changed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.entries[id]
	if !ok {
		return false
	}
	previous, known := e.targets[ref]
	if !known {
		return false
	}
	e.count(ref.Kind, previous, -1)
	delete(e.targets, ref)
	delete(e.causes, ref)
	return true
}

// SetNote sets what users should know about all bundles of an API kind, and returns these
// bundles. An empty note removes an earlier one.
func (l *Ledger) SetNote(kind bundle.APIKind, note string) (concerned []bundle.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notes[kind] = note
	for id := range l.entries {
		if id.Kind == kind {
			concerned = append(concerned, id)
		}
	}
	return concerned
}

// Drop removes a bundle.
func (l *Ledger) Drop(id bundle.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.entries, id)
}

// update applies a change to the entry of a bundle, if it is still at this revision. A
// bundle without a revision has no targets.
func (l *Ledger) update(id bundle.ID, revision uint64, change func(*entry)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.entries[id]; ok && revision != 0 && e.revision == revision {
		change(e)
	}
}

// entry returns the entry of a bundle, and creates it if needed.
func (l *Ledger) entry(id bundle.ID) *entry {
	if l.entries[id] == nil {
		l.entries[id] = &entry{}
	}
	return l.entries[id]
}

// set sets the state of a target, and removes the cause of an earlier failure.
func (e *entry) set(ref target.Ref, to state) {
	if previous, known := e.targets[ref]; known {
		e.count(ref.Kind, previous, -1)
		delete(e.causes, ref)
	}
	e.targets[ref] = to
	e.count(ref.Kind, to, 1)
	if target.TypeOf(ref.Kind).ClusterScoped {
		e.single = ref
	}
}

// count adds to the number of the targets of a kind in a state.
func (e *entry) count(kind bundle.Kind, of state, change int) {
	if e.kinds == nil {
		e.kinds = map[bundle.Kind]counts{}
	}
	kinds := e.kinds[kind]
	kinds[of] += change
	e.kinds[kind] = kinds
	e.counts[of] += change
	if kinds.sum() == 0 {
		delete(e.kinds, kind)
	}
}
