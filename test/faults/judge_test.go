package faults

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"
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
	at target
	// before and after are nil where there was or is no object.
	before, after *seen
	time          time.Time
}

// judge says of each event whether the operator may have caused it. It is safe for
// concurrent use.
type judge struct {
	registry   *registry
	places     *places
	violations *violations
	// stores says which bundles have key stores.
	stores map[string]bool
	// rotations has what is known of bundles that retain and exclude.
	rotations map[string]*rotation
	// lag is for how long after a change the operator may act on what was before.
	lag atomic.Int64

	mu sync.Mutex
	// deletions are those that the tests are about to do themselves.
	deletions map[target]time.Time
}

func newJudge(stores map[string]bool) *judge {
	return &judge{
		registry: newRegistry(), places: newPlaces(), violations: &violations{}, stores: stores,
		rotations: map[string]*rotation{}, deletions: map[target]time.Time{},
	}
}

// allow sets the lag.
func (j *judge) allow(lag time.Duration) { j.lag.Store(int64(lag)) }

// deletes tells that the tests are about to delete a target.
func (j *judge) deletes(at target) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.deletions[at] = time.Now()
}

// withdraw tells that there was nothing to delete.
func (j *judge) withdraw(at target) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.deletions, at)
}

// memorable is how long a deletion may be under way of which its caller never heard.
const memorable = 2 * time.Minute

// deleted says whether a deletion is the tests' own, once for each.
func (j *judge) deleted(at target, now time.Time) bool {
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
	case e.after.mark() != "" && e.after.mark() != e.before.mark():
		// The tests' own write.
	default:
		if diff := cmp.Diff(e.before.foreign(), e.after.foreign()); diff != "" {
			j.violations.add(kept, "%s at resource version %s (-before +after):\n%s", e.at, e.after.resourceVersion, diff)
		}
		if err := j.content(e, since); err != nil {
			j.violations.add(exact, "%s at resource version %s: %v", e.at, e.after.resourceVersion, err)
		}
	}
}

// lookAtEnd judges the deletion of a target.
func (j *judge) lookAtEnd(e event, since time.Time) {
	if j.deleted(e.at, e.time) {
		return
	}
	if j.places.wantedThroughout(e.at.namespace, since, e.time) {
		j.violations.add(exact, "%s was deleted although it is wanted (resource version before: %s)", e.at, e.before.resourceVersion)
	}
	if foreign := e.before.foreign(); len(foreign) > 0 && j.places.aliveThroughout(e.at.namespace, since, e.time) {
		j.violations.add(kept, "%s was deleted with %v in it", e.at, foreign)
	}
}

// revisionOf gives the revision that a target holds, nil if it has nothing of the
// operator's. Where the bundle rotates, what is retained follows that, and it is one of
// those that were wanted at some moment between two.
func (j *judge) revisionOf(at target, s *seen, since, now time.Time) (*revision, error) {
	rotation := j.rotations[at.bundle]
	text, ok := s.data[pemKey]
	switch {
	case rotation == nil:
		return j.registry.revisionOf(s, j.stores[at.bundle])
	case !ok:
		return nil, nil
	}
	var wrong error
	for _, one := range j.registry.allWanted(at.bundle, since, now) {
		err := rotation.check(one, text, since, now)
		if err == nil {
			return one, nil
		}
		wrong = err
	}
	return nil, fmt.Errorf("it has no revision that was wanted, with what is retained: %s; the last one: %w", j.registry.explain(text), wrong)
}

// content says what is wrong with what the operator has written.
func (j *judge) content(e event, since time.Time) error {
	of, err := j.revisionOf(e.at, e.after, since, e.time)
	if err != nil {
		return err
	}
	if of == nil {
		if j.places.wantedThroughout(e.at.namespace, since, e.time) {
			return fmt.Errorf("there is nothing of the bundle in it any more")
		}
		return nil
	}
	if of.bundle != e.at.bundle {
		return fmt.Errorf("it has %s", of)
	}
	if ok, until := j.registry.wantedDuring(of, since, e.time); !ok {
		return fmt.Errorf("it has %s, which has not been wanted for %s", of, e.time.Sub(until).Round(time.Millisecond))
	}
	if !j.places.wantedDuring(e.at.namespace, since, e.time) {
		return fmt.Errorf("it has %s in a namespace that wants none", of)
	}
	if rotation := j.rotations[e.at.bundle]; rotation != nil {
		rotation.hold(e.after.data[pemKey], since, e.time)
	}
	return nil
}
