package walk

import (
	"testing"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/model"
)

// The judge reports violations: one that never does would prove nothing.
func TestJudge(t *testing.T) {
	t.Parallel()
	at := model.Target{Bundle: "walk-a", Kind: model.ConfigMap, Namespace: "walk-1"}
	old, fresh := authorities[0], authorities[1]
	pem, theirs := model.Field{Section: model.Data, Key: "bundle.pem"}, model.Field{Section: model.Data, Key: "theirs.txt"}
	modelOf := func(source string) *state {
		m := newState()
		m.running = true
		m.Namespaces[at.Namespace] = map[string]string{}
		m.createBundle(at.Bundle, v1alpha1.BundleSpec{
			Sources: []v1alpha1.BundleSource{{InLine: &source}},
			Target:  &v1alpha1.BundleTarget{ConfigMap: &v1alpha1.TargetObject{Key: pem.Key}},
		})
		m.create(at, map[model.Field]model.Value{theirs: {Text: "theirs"}})
		m.Settle()
		return m
	}
	// is returns the target with another text, or with further changes.
	is := func(text string, changes map[model.Field]string) *model.Observed {
		one := &model.Observed{Entries: map[model.Field]string{
			pem: text, theirs: "theirs", model.BundleLabel: at.Bundle, model.SharedMark: model.Adopted,
			model.Hash: "0123456789012345678901234567890123456789012345678901234567890123",
		}}
		for at, text := range changes {
			if one.Entries[at] = text; text == "" {
				delete(one.Entries, at)
			}
		}
		return one
	}
	for name, tc := range map[string]struct {
		before, after *model.Observed
		bad           bool
	}{
		"a rollout":                  {is(old, nil), is(fresh, nil), false},
		"a repair":                   {is("tampered", nil), is(fresh, nil), false},
		"a repair to what was":       {is("tampered", nil), is(old, nil), false},
		"a label put back":           {is(fresh, map[model.Field]string{model.BundleLabel: "other"}), is(fresh, nil), false},
		"a step back":                {is(fresh, nil), is(old, nil), true},
		"a write in vain":            {is(fresh, nil), is(fresh, nil), true},
		"a text not asked for":       {is(old, nil), is("?", nil), true},
		"certificates left out":      {is(old, nil), is("", nil), true},
		"the label without the text": {is("", map[model.Field]string{model.BundleLabel: ""}), is("", nil), true},
		"foreign data removed":       {is(old, nil), is(fresh, map[model.Field]string{theirs: ""}), true},
		"foreign data changed":       {is(old, nil), is(fresh, map[model.Field]string{theirs: "?"}), true},
		"something added":            {is(old, nil), is(fresh, map[model.Field]string{{Section: model.Labels, Key: "a"}: "b"}), true},
		"deleted":                    {is(old, nil), nil, true},
		"made without certificates":  {nil, is("", nil), true},
	} {
		j := &judge{before: modelOf(old), after: modelOf(fresh)}
		if err := j.look(event{at, tc.before, tc.after}); (err != nil) != tc.bad {
			t.Errorf("%s: %v", name, err)
		}
	}
}
