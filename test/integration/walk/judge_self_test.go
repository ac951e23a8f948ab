package walk

import (
	"testing"

	"trust-manager.io/api/trust/v1alpha1"
)

// A judge that never complains would prove nothing.
func TestJudge(t *testing.T) {
	t.Parallel()
	at := target{"walk-a", configMap, "walk-1"}
	old, fresh := authorities[0], authorities[1]
	pem, theirs := field{data, "bundle.pem"}, field{data, "theirs.txt"}
	modelOf := func(source string) *model {
		m := newModel()
		m.running = true
		m.namespaces[at.namespace] = map[string]string{}
		m.createBundle(at.bundle, v1alpha1.BundleSpec{
			Sources: []v1alpha1.BundleSource{{InLine: &source}},
			Target:  &v1alpha1.BundleTarget{ConfigMap: &v1alpha1.TargetObject{Key: pem.key}},
		})
		m.create(at, map[field]value{theirs: {text: "theirs"}})
		m.settle()
		return m
	}
	// is gives the target with another text, or with further changes.
	is := func(text string, changes map[field]string) *seen {
		one := &seen{entries: map[field]string{
			pem: text, theirs: "theirs", bundleLabel: at.bundle, sharedMark: "true",
			hash: "0123456789012345678901234567890123456789012345678901234567890123",
		}}
		for at, text := range changes {
			if one.entries[at] = text; text == "" {
				delete(one.entries, at)
			}
		}
		return one
	}
	for name, tc := range map[string]struct {
		before, after *seen
		bad           bool
	}{
		"a roll-out":                 {is(old, nil), is(fresh, nil), false},
		"a repair":                   {is("tampered", nil), is(fresh, nil), false},
		"a repair to what was":       {is("tampered", nil), is(old, nil), false},
		"a label put back":           {is(fresh, map[field]string{bundleLabel: "other"}), is(fresh, nil), false},
		"a step back":                {is(fresh, nil), is(old, nil), true},
		"a write in vain":            {is(fresh, nil), is(fresh, nil), true},
		"a text that nobody asks":    {is(old, nil), is("?", nil), true},
		"certificates left out":      {is(old, nil), is("", nil), true},
		"the label without the text": {is("", map[field]string{bundleLabel: ""}), is("", nil), true},
		"data of others removed":     {is(old, nil), is(fresh, map[field]string{theirs: ""}), true},
		"data of others changed":     {is(old, nil), is(fresh, map[field]string{theirs: "?"}), true},
		"something added":            {is(old, nil), is(fresh, map[field]string{{labels, "a"}: "b"}), true},
		"deleted":                    {is(old, nil), nil, true},
		"made without certificates":  {nil, is("", nil), true},
	} {
		j := &judge{before: modelOf(old), after: modelOf(fresh)}
		if err := j.look(event{at, tc.before, tc.after}); (err != nil) != tc.bad {
			t.Errorf("%s: %v", name, err)
		}
	}
}
