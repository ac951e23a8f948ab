package walk

import (
	"fmt"
)

// judge looks at the events of one step.
type judge struct {
	// before and after are the model at both ends of the step.
	before, after *model
	theirs        map[string]bool
}

// look says what is wrong with an event that is not the walk's own work.
func (j *judge) look(e event) error {
	if e.after != nil && j.theirs[e.after.resourceVersion] {
		return nil
	}
	want := j.after.objects[e.at]
	switch {
	case j.after.copies[e.at] || j.before.copies[e.at]:
		if e.after == nil && !j.after.copies[e.at] {
			return nil // its namespace has gone
		}
		return fmt.Errorf("a copy was touched")
	case e.after == nil && want != nil && !j.after.deleted[e.at]:
		return fmt.Errorf("it was deleted, and should stay")
	case e.after == nil:
		return nil
	}
	before := e.before
	if before == nil {
		before = &seen{}
	} else if want != nil && want.differs(before) == nil && before.entries[hash] == e.after.entries[hash] &&
		!j.after.cleared[e.at] && !j.after.dropped[e.at.bundle] {
		// What the digest should be is not for the model to know.
		return fmt.Errorf("it was as it should be, and was written all the same")
	}
	return j.lookAt(e.at, before, e.after)
}

// lookAt says what is wrong with a write by the operator.
func (j *judge) lookAt(at target, before, after *seen) error {
	changed := false
	for field, now := range after.entries {
		was, there := before.entries[field]
		if there && was == now {
			continue
		}
		changed = true
		if there && j.isRight(at, field, was) {
			return fmt.Errorf("%s was as it should be, %.80q, and was changed to %.80q", field, was, now)
		}
		if !j.isWanted(at, field, now) {
			return fmt.Errorf("%s was set to %.80q, which nobody asks for", field, now)
		}
	}
	for field, was := range before.entries {
		if _, there := after.entries[field]; there {
			continue
		}
		changed = true
		if _, stays := j.final(at, field); stays && !j.isReleased(at, field) {
			return fmt.Errorf("%s was removed, %.80q, and should stay", field, was)
		}
	}
	if changed && after.entries[bundleLabel] == at.bundle && !j.isWhole(at, after) {
		return fmt.Errorf("the operator left it without certificates: %q", keysOf(after))
	}
	return nil
}

// isReleased says whether an entry may go for a while although it is there in the
// end: that of a Bundle that was deleted, and is made again.
func (j *judge) isReleased(at target, field field) bool {
	_, before := j.before.asked(at)[field]
	_, after := j.after.asked(at)[field]
	return j.after.dropped[at.bundle] && (field.isMark() || before || after)
}

// final gives what an entry is at the end of the step.
func (j *judge) final(at target, field field) (value, bool) {
	if o := j.after.objects[at]; o != nil {
		last, there := o.entries[field]
		return last.value, there
	}
	return value{}, false
}

// isRight says whether an entry is what it is at the end of the step.
func (j *judge) isRight(at target, field field, text string) bool {
	if field == hash {
		return false
	}
	last, there := j.final(at, field)
	return there && last.differs(text) == nil
}

// isWanted says whether an entry is what it should be at either end of the step,
// or at the end of the step.
func (j *judge) isWanted(at target, field field, text string) bool {
	if field == hash || field == sharedMark && text == "true" || j.isRight(at, field, text) {
		return true
	}
	for _, m := range []*model{j.before, j.after} {
		if want, asked := m.asked(at)[field]; asked && want.differs(text) == nil {
			return true
		}
	}
	return false
}

// isWhole says whether an object has a bundle that it should have at either end of
// the step, as PEM. Where no such thing is known, nothing is wrong.
func (j *judge) isWhole(at target, o *seen) bool {
	wanted := false
	for _, m := range []*model{j.before, j.after} {
		for field, want := range m.asked(at) {
			if field.section != data || want.format != "" {
				continue
			}
			wanted = true
			if want.differs(o.entries[field]) == nil {
				return true
			}
		}
	}
	return !wanted
}
