package walk

import (
	"fmt"
	"slices"

	"trust-manager.io/test/framework/model"
)

// judge looks at the events of one step.
type judge struct {
	// before and after are the model at both ends of the step.
	before, after *state
	theirs        map[string]bool
}

// look returns what is wrong with an event that is not the walk's own work.
func (j *judge) look(e event) error {
	if e.after != nil && j.theirs[e.after.ResourceVersion] {
		return nil
	}
	want := j.after.Objects[e.at]
	switch {
	case j.after.copies[e.at] || j.before.copies[e.at]:
		if e.after == nil && !j.after.copies[e.at] {
			return nil // its namespace is gone
		}
		return fmt.Errorf("a copy was touched")
	case e.after == nil && want != nil && !j.after.deleted[e.at]:
		return fmt.Errorf("it was deleted, and should stay")
	case e.after == nil:
		return nil
	}
	before := e.before
	if before == nil {
		before = &model.Observed{}
	} else if want != nil && want.Check(before) == nil && before.Entries[model.Hash] == e.after.Entries[model.Hash] &&
		!j.after.cleared[e.at] && !j.after.dropped[e.at.Bundle] {
		// The model does not compute the digest.
		return fmt.Errorf("it was as it should be, and was written all the same")
	}
	return j.lookAt(e.at, before, e.after)
}

// lookAt returns what is wrong with a write by the operator.
func (j *judge) lookAt(at model.Target, before, after *model.Observed) error {
	changed := false
	for field, now := range after.Entries {
		was, there := before.Entries[field]
		if there && was == now {
			continue
		}
		changed = true
		if there && j.isRight(at, field, was) {
			return fmt.Errorf("%s was as it should be, %.80q, and was changed to %.80q", field, was, now)
		}
		if !j.isWanted(at, field, now) {
			return fmt.Errorf("%s was set to %.80q, which no Bundle asks for", field, now)
		}
	}
	for field, was := range before.Entries {
		if _, there := after.Entries[field]; there {
			continue
		}
		changed = true
		if _, stays := j.final(at, field); stays && !j.isReleased(at, field) {
			return fmt.Errorf("%s was removed, %.80q, and should stay", field, was)
		}
	}
	if changed && after.Entries[model.BundleLabel] == at.Bundle && !j.isWhole(at, after) {
		return fmt.Errorf("the operator left it without certificates: %q", after.Fields())
	}
	return nil
}

// isReleased reports whether an entry may be absent temporarily although it exists at
// the end: that of a Bundle that was deleted and re-created.
func (j *judge) isReleased(at model.Target, field model.Field) bool {
	_, before := j.before.Asked(at)[field]
	_, after := j.after.Asked(at)[field]
	return j.after.dropped[at.Bundle] && (field.IsMark() || before || after)
}

// final returns the value of an entry at the end of the step.
func (j *judge) final(at model.Target, field model.Field) (model.Value, bool) {
	if o := j.after.Objects[at]; o != nil {
		last, there := o.Entries[field]
		return last.Value, there
	}
	return model.Value{}, false
}

// isRight reports whether an entry has its value at the end of the step.
func (j *judge) isRight(at model.Target, field model.Field, text string) bool {
	if field == model.Hash {
		return false
	}
	last, there := j.final(at, field)
	return there && last.Check(text) == nil
}

// isWanted reports whether an entry has its desired value at either end of the step,
// or its value at the end of the step.
func (j *judge) isWanted(at model.Target, field model.Field, text string) bool {
	if field == model.Hash || field == model.SharedMark && slices.Contains(model.Marks, text) || j.isRight(at, field, text) {
		return true
	}
	for _, m := range []*state{j.before, j.after} {
		if want, asked := m.Asked(at)[field]; asked && want.Check(text) == nil {
			return true
		}
	}
	return false
}

// isWhole reports whether an object has its desired bundle at either end of the step,
// as PEM. It returns true if no bundle is known.
func (j *judge) isWhole(at model.Target, o *model.Observed) bool {
	wanted := false
	for _, m := range []*state{j.before, j.after} {
		for field, want := range m.Asked(at) {
			if field.Section != model.Data && field != model.TrustBundle || want.Format != "" || field.IsHashed() {
				continue
			}
			wanted = true
			if want.Check(o.Entries[field]) == nil {
				return true
			}
		}
	}
	return !wanted
}
