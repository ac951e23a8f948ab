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
	kept      = "(b) nothing of others is lost"
	converges = "(c) all targets equal the model after calm"
	rests     = "(d) then nothing is written"
	bounded   = "(e) memory stays bounded"
)

var invariants = []string{exact, kept, converges, rests, bounded}

// shown is how many violations of each invariant are told in full.
const shown = 10

// violations collects what should not be. It is safe for concurrent use.
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

// all gives the counts and the texts so far.
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

// judge says of each event whether the operator may have caused it. It is safe for
// concurrent use.
type judge struct {
	history    *model.History
	violations *violations
	// lag is for how long after a change the operator may act on what was before.
	lag atomic.Int64

	mu sync.Mutex
	// deletions are those that the tests are about to do themselves.
	deletions map[model.Target]time.Time
}

func newJudge(history *model.History) *judge {
	return &judge{history: history, violations: &violations{}, deletions: map[model.Target]time.Time{}}
}

// allow sets the lag.
func (j *judge) allow(lag time.Duration) { j.lag.Store(int64(lag)) }

// deletes tells that the tests are about to delete a target.
func (j *judge) deletes(at model.Target) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.deletions[at] = time.Now()
}

// withdraw tells that there was nothing to delete.
func (j *judge) withdraw(at model.Target) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.deletions, at)
}

// memorable is how long a deletion may be under way of which its caller never heard.
const memorable = 2 * time.Minute

// deleted says whether a deletion is the tests' own, once for each.
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
		// The tests' own write.
	default:
		if diff := cmp.Diff(j.history.Foreign(e.at, e.before), j.history.Foreign(e.at, e.after)); diff != "" {
			j.violations.add(kept, "%s at resource version %s (-before +after):\n%s", e.at, e.after.ResourceVersion, diff)
		}
		if err := j.history.CheckWrite(e.at, e.after, since, e.time); err != nil {
			j.violations.add(exact, "%s at resource version %s: %v", e.at, e.after.ResourceVersion, err)
		}
	}
}

// mark returns that of the tests' last write of an object.
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
