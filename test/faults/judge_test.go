package faults

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/test/framework/model"
)

// The invariants, by the names under which their violations are counted.
const (
	exact     = "(a) each target is exactly a revision wanted at the time"
	kept      = "(b) nothing foreign is lost"
	converges = "(c) all targets equal the model after calm"
	rests     = "(d) then nothing is written"
	bounded   = "(e) memory stays bounded"
)

var invariants = []string{exact, kept, converges, rests, bounded}

// shown is how many violations of each invariant are reported in full.
const shown = 10

// violations collects violations of invariants. It is safe for concurrent use.
type violations struct {
	mu    sync.Mutex
	count map[string]int
	texts []string
}

func (v *violations) add(invariant, format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.count == nil {
		v.count = map[string]int{}
	}
	if v.count[invariant]++; v.count[invariant] <= shown {
		v.texts = append(v.texts, fmt.Sprintf("%s %s: %s", time.Now().Format("15:04:05.000"), invariant, fmt.Sprintf(format, args...)))
	}
}

// all returns the counts and the texts so far.
func (v *violations) all() (count map[string]int, texts []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	count = map[string]int{}
	for _, invariant := range invariants {
		count[invariant] = v.count[invariant]
	}
	return count, slices.Clone(v.texts)
}

// event is one change of a target.
type event struct {
	at model.Target
	// before and after are nil where there was or is no object.
	before, after *model.Observed
	time          time.Time
}

// judge decides for each event whether the operator may have caused it. It is safe for
// concurrent use.
type judge struct {
	history    *model.History
	violations *violations
	// lag is how long after a change the operator may act on the state before it.
	lag atomic.Int64

	mu sync.Mutex
	// deletions are the deletions that the tests are about to request.
	deletions map[model.Target]time.Time
}

func newJudge(history *model.History) *judge {
	return &judge{history: history, violations: &violations{}, deletions: map[model.Target]time.Time{}}
}

// allow sets the lag.
func (j *judge) allow(lag time.Duration) { j.lag.Store(int64(lag)) }

// deletes records that the tests are about to delete a target.
func (j *judge) deletes(at model.Target) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.deletions[at] = time.Now()
}

// withdraw records that there was nothing to delete.
func (j *judge) withdraw(at model.Target) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.deletions, at)
}

// memorable is how long a deletion may be in progress after its request failed.
const memorable = 2 * time.Minute

// deleted reports whether a deletion is the tests' own, once for each of theirs.
func (j *judge) deleted(at model.Target, now time.Time) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	began, ok := j.deletions[at]
	delete(j.deletions, at)
	return ok && now.Sub(began) < memorable
}

// look judges one event.
func (j *judge) look(e event) {
	since := e.time.Add(-time.Duration(j.lag.Load()))
	switch {
	case e.after == nil:
		j.lookAtEnd(e, since)
	case mark(e.after) != "" && mark(e.after) != mark(e.before):
		// A write of the tests.
	default:
		if diff := cmp.Diff(j.history.Foreign(e.at, e.before), j.history.Foreign(e.at, e.after)); diff != "" {
			j.violations.add(kept, "%s at resource version %s (-before +after):\n%s", e.at, e.after.ResourceVersion, diff)
		}
		if err := j.history.CheckWrite(e.at, e.after, since, e.time); err != nil {
			j.violations.add(exact, "%s at resource version %s: %v", e.at, e.after.ResourceVersion, err)
		}
	}
}

// mark returns the mark of the tests' last write of an object.
func mark(o *model.Observed) string {
	if o == nil {
		return ""
	}
	return o.Entries[model.Field{Section: model.Annotations, Key: markKey}]
}

// lookAtEnd judges the deletion of a target.
func (j *judge) lookAtEnd(e event, since time.Time) {
	if j.deleted(e.at, e.time) {
		return
	}
	if j.history.Wanted(e.at, since, e.time) {
		j.violations.add(exact, "%s was deleted although it is wanted (resource version before: %s)", e.at, e.before.ResourceVersion)
	}
	if foreign := j.history.Foreign(e.at, e.before); len(foreign) > 0 && j.history.Existed(e.at.Namespace, since, e.time) {
		j.violations.add(kept, "%s was deleted with %v in it", e.at, foreign)
	}
}
