package faults

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/model"
)

// court is a judge with a model.
type court struct {
	*judge
	// old was desired until long ago, before until just now, and now is desired.
	old, before, now []string
}

// at is a target in a namespace that was selected long ago, fresh in one that was
// selected just now, and gone in one that was deselected long ago.
var (
	pem   = newBundles()[0]
	at    = pem.at("long")
	fresh = pem.at("fresh")
	gone  = pem.at("gone")
)

func ago(minutes int) time.Time { return time.Now().Add(-time.Duration(minutes) * time.Minute) }

// happens applies a change to the model at a point in time.
func (c *court) happens(when time.Time, change func(*model.World)) {
	c.history.Update(when, change)(when)
}

func newCourt() *court {
	c := &court{judge: newJudge(model.NewHistory())}
	c.allow(time.Second)
	c.old, c.before, c.now = newCertificates("old", 3), newCertificates("before", 3), newCertificates("now", 3)
	wants := map[string]string{wantedLabel: "true"}
	c.happens(ago(10), func(m *model.World) {
		m.Namespaces = map[string]map[string]string{"long": wants, "fresh": {}, "gone": wants}
		m.Bundles[pem.name] = &model.Bundle{Spec: pem.object("").Spec}
		pem.hold(m, 0, strings.Join(c.old, ""))
		other := &bundle{name: prefix + "other", kind: model.ConfigMap, sources: []string{inLine}}
		m.Bundles[other.name] = &model.Bundle{Spec: other.object(newCertificates("other", 1)[0]).Spec}
	})
	c.happens(ago(5), func(m *model.World) {
		m.Namespaces["gone"] = map[string]string{}
		pem.hold(m, 0, strings.Join(c.before, ""))
	})
	c.happens(time.Now(), func(m *model.World) {
		m.Namespaces["fresh"] = wants
		pem.hold(m, 0, strings.Join(c.now, ""))
	})
	return c
}

// wants checks which invariant was violated, or that none was.
func (v *violations) wants(t *testing.T, want string) {
	t.Helper()
	count, texts := v.all()
	maps.DeleteFunc(count, func(_ string, n int) bool { return n == 0 })
	if found := strings.Join(slices.Sorted(maps.Keys(count)), ", "); found != want {
		t.Errorf("violations of %q, want %q: %v", found, want, texts)
	}
}

// holding returns a target with a text, and other entries as "section key=value".
func holding(text string, entries ...string) *model.Observed {
	o := &model.Observed{ResourceVersion: "1", Entries: map[model.Field]string{}}
	if text != "" {
		entries = append(entries, "data "+pemKey+"="+text)
	}
	for _, entry := range entries {
		at, value, _ := strings.Cut(entry, "=")
		section, key, _ := strings.Cut(at, " ")
		o.Entries[model.Field{Section: section, Key: key}] = value
	}
	return o
}

// Each forbidden event violates the right invariant, and no other event does.
func TestJudge(t *testing.T) {
	t.Parallel()
	c := newCourt()
	old, before, now := strings.Join(c.old, ""), strings.Join(c.before, ""), strings.Join(c.now, "")
	mark, note, data := "annotations "+markKey+"=1", "annotations "+noteKey+"=a", "data "+theirsData+"=a"
	for name, tc := range map[string]struct {
		at            model.Target
		before, after *model.Observed
		want          string
	}{
		"what is wanted":               {at, holding(before), holding(now), ""},
		"what was wanted just now":     {at, nil, holding(before), ""},
		"what was wanted long ago":     {at, holding(now), holding(old), exact},
		"nothing":                      {at, holding(now), holding(""), exact},
		"empty":                        {at, holding(now), holding("", "data "+pemKey+"="), exact},
		"cut":                          {at, holding(now), holding(now[:len(now)-500]), exact},
		"a certificate less":           {at, holding(now), holding(now[:strings.LastIndex(now, "-----BEGIN")]), exact},
		"mixed":                        {at, holding(now), holding(c.now[0] + c.before[1]), exact},
		"of another bundle":            {model.Target{Bundle: prefix + "other", Kind: model.ConfigMap, Namespace: "long"}, nil, holding(now), exact},
		"deleted":                      {at, holding(now), nil, exact},
		"deleted where just wanted":    {fresh, holding(now), nil, ""},
		"deleted where not wanted":     {gone, holding(now), nil, ""},
		"written where not wanted":     {gone, nil, holding(now), exact},
		"released where not wanted":    {gone, holding(now, data), holding("", data), ""},
		"released with what is theirs": {gone, holding(now, data), nil, kept},
		"a note of theirs lost":        {at, holding(now, note), holding(now), kept},
		"a note of theirs changed":     {at, holding(now, note), holding(now, "annotations "+noteKey+"=b"), kept},
		"data of theirs lost":          {at, holding(now, data), holding(now), kept},
		"their own write":              {at, holding(now, note), holding("half", mark), ""},
		"repaired after it":            {at, holding("half", mark), holding(now, mark), ""},
		"their mark lost":              {at, holding("half", mark), holding(now), kept},
	} {
		t.Run(name, func(t *testing.T) {
			c.judge.violations = &violations{}
			c.look(event{tc.at, tc.before, tc.after, time.Now()})
			c.violations.wants(t, tc.want)
		})
	}
}

// A deletion by the tests does not count as the operator's, once.
func TestJudgeKnowsItsOwnDeletions(t *testing.T) {
	t.Parallel()
	c := newCourt()
	c.deletes(at)
	for range 2 {
		c.look(event{at, holding(strings.Join(c.now, "")), nil, time.Now()})
	}
	if count, texts := c.violations.all(); count[exact] != 1 {
		t.Errorf("%d violations, want 1: %v", count[exact], texts)
	}
}

// Retained CAs must not leave a target, and excluded CAs must not enter one.
func TestJudgeOfRotation(t *testing.T) {
	t.Parallel()
	turning := &bundle{name: prefix + "turning", kind: model.ConfigMap, sources: []string{model.ConfigMap}, pool: newPool("turning")}
	at := turning.at("long")
	for name, tc := range map[string]struct {
		excluded []int
		// after are the CAs of the pool in the target, -1 for a CA of another pool.
		after []int
		want  string
	}{
		"what is wanted and retained":       {nil, []int{0, 3, 1, 2}, ""},
		"with one more that may be":         {nil, []int{0, 3, 2, 1, 4}, ""},
		"what is retained is lost":          {nil, []int{0, 3, 1}, exact},
		"what is wanted is lost":            {nil, []int{0, 1, 2}, exact},
		"what is retained goes first":       {nil, []int{1, 0, 3, 2}, exact},
		"twice":                             {nil, []int{0, 3, 1, 2, 1}, exact},
		"of another":                        {nil, []int{0, 3, 1, 2, -1}, exact},
		"what is excluded is gone":          {[]int{10, 11}, []int{0, 3, 1, 2}, ""},
		"what is excluded is there":         {[]int{10}, []int{0, 3, 1, 2, 10}, exact},
		"what is always excluded is there":  {nil, []int{0, 3, 1, 2, 8}, exact},
		"more than what is excluded is not": {[]int{10}, []int{0, 3, 2}, exact},
		"nothing":                           {[]int{10}, nil, exact},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCourt()
			of := func(numbers ...int) (text string) {
				for _, number := range numbers {
					if number < 0 {
						text += newCertificates("another", 1)[0]
					} else {
						text += turning.pool.all[number]
					}
				}
				return text
			}
			// All CAs were in the source, and 0, 1 and 2 in targets.
			c.happens(ago(60), func(m *model.World) {
				m.Bundles[turning.name] = &model.Bundle{Spec: turning.object("").Spec}
				turning.hold(m, 0, strings.Join(turning.pool.all, ""))
			})
			c.happens(ago(30), func(m *model.World) { turning.hold(m, 0, of(0, 1, 2)) })
			c.look(event{at, nil, holding(of(0, 1, 2)), ago(5)})
			c.happens(ago(4), func(m *model.World) { turning.hold(m, 0, of(0, 3)) })
			c.happens(ago(3), func(m *model.World) {
				for _, number := range tc.excluded {
					one := v1alpha1.Exclusion{SHA256: model.Fingerprint(turning.pool.all[number])}
					m.Bundles[turning.name].Spec.Exclude = append(m.Bundles[turning.name].Spec.Exclude, one)
				}
			})
			c.look(event{at, nil, holding(of(tc.after...)), time.Now()})
			c.violations.wants(t, tc.want)
		})
	}
}
