package faults

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"trust-manager.io/api/trust/v1alpha1"
)

// court is a judge, with what is true in its world.
type court struct {
	*judge
	// old was wanted until long ago, before until just now, and now is.
	old, before, now *revision
}

// at is a target in a namespace that has wanted it for long; fresh is one that has
// just come to want it, and gone one that has wanted none for long.
var (
	at    = target{prefix + "pem", configMap, "long"}
	fresh = target{prefix + "pem", configMap, "fresh"}
	gone  = target{prefix + "pem", configMap, "gone"}
)

func newCourt() *court {
	c := &court{judge: newJudge(map[string]bool{prefix + "stores": true})}
	c.allow(time.Second)
	ago := func(minutes int) time.Time { return time.Now().Add(-time.Duration(minutes) * time.Minute) }
	c.old = c.registry.announce(at.bundle, newCertificates("old", 3))
	c.before = c.registry.announce(at.bundle, newCertificates("before", 3))
	c.now = c.registry.announce(at.bundle, newCertificates("now", 3))
	c.registry.settled(c.now)
	c.old.from, c.old.to = ago(10), ago(5)
	c.before.from = ago(5)
	long := spans{{from: ago(10)}}
	c.places.alive = map[string]spans{"long": long, "fresh": long, "gone": long}
	c.places.wanted = map[string]spans{"long": long, "fresh": {{from: time.Now()}}, "gone": {{from: ago(10), to: ago(5)}}}
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

// holding gives a target with a text, and other entries as "section key=value".
func holding(text string, entries ...string) *seen {
	s := &seen{resourceVersion: "1", data: map[string]string{}, labels: map[string]string{}, annotations: map[string]string{}}
	if text != "" {
		s.data[pemKey] = text
	}
	for _, entry := range entries {
		key, value, _ := strings.Cut(entry, "=")
		section, key, _ := strings.Cut(key, " ")
		map[string]map[string]string{"data": s.data, "label": s.labels, "annotation": s.annotations}[section][key] = value
	}
	return s
}

// Each event that must not be is a violation of the right invariant, and no other is.
func TestJudge(t *testing.T) {
	t.Parallel()
	c := newCourt()
	now, mixed := c.now.text(), c.now.certificates[0]+c.before.certificates[1]
	mark, note, data := "annotation "+markKey+"=1", "annotation "+noteKey+"=a", "data "+theirsData+"=a"
	for name, tc := range map[string]struct {
		at            target
		before, after *seen
		want          string
	}{
		"what is wanted":               {at, holding(c.before.text()), holding(now), ""},
		"what was wanted just now":     {at, nil, holding(c.before.text()), ""},
		"what was wanted long ago":     {at, holding(now), holding(c.old.text()), exact},
		"nothing":                      {at, holding(now), holding(""), exact},
		"empty":                        {at, holding(now), holding("", "data "+pemKey+"="), exact},
		"cut":                          {at, holding(now), holding(now[:len(now)-500]), exact},
		"a certificate less":           {at, holding(now), holding(now[:strings.LastIndex(now, "-----BEGIN")]), exact},
		"mixed":                        {at, holding(now), holding(mixed), exact},
		"of another bundle":            {target{prefix + "other", configMap, "long"}, nil, holding(now), exact},
		"deleted":                      {at, holding(now), nil, exact},
		"deleted where just wanted":    {fresh, holding(now), nil, ""},
		"deleted where not wanted":     {gone, holding(now), nil, ""},
		"written where not wanted":     {gone, nil, holding(now), exact},
		"released where not wanted":    {gone, holding(now, data), holding("", data), ""},
		"released with what is theirs": {gone, holding(now, data), nil, kept},
		"a note of theirs lost":        {at, holding(now, note), holding(now), kept},
		"a note of theirs changed":     {at, holding(now, note), holding(now, "annotation "+noteKey+"=b"), kept},
		"data of theirs lost":          {at, holding(now, data), holding(now), kept},
		"their own write":              {at, holding(now, note), holding("half", mark), ""},
		"put right after it":           {at, holding("half", mark), holding(now, mark), ""},
		"their mark lost":              {at, holding("half", mark), holding(now), kept},
	} {
		t.Run(name, func(t *testing.T) {
			c.judge.violations = &violations{}
			c.look(event{tc.at, tc.before, tc.after, time.Now()})
			c.violations.wants(t, tc.want)
		})
	}
}

// A deletion of the tests' own is none of the operator's, once.
func TestJudgeKnowsItsOwnDeletions(t *testing.T) {
	t.Parallel()
	c := newCourt()
	c.deletes(at)
	for range 2 {
		c.look(event{at, holding(c.now.text()), nil, time.Now()})
	}
	if count, texts := c.violations.all(); count[exact] != 1 {
		t.Errorf("%d violations, want 1: %v", count[exact], texts)
	}
}

// Marks that are missing or too many are seen.
func TestMarked(t *testing.T) {
	t.Parallel()
	label := "label " + v1alpha1.BundleLabelKey + "=" + at.bundle
	digest := "annotation " + v1alpha1.BundleHashAnnotationKey + "=d"
	shared := "annotation " + v1alpha1.SharedAnnotationKey + "=true"
	data := "data " + theirsData + "=a"
	for name, tc := range map[string]struct {
		entries    []string
		controller string
		ok         bool
	}{
		"owned":                {[]string{label, digest}, at.bundle, true},
		"shared":               {[]string{label, digest, shared, data}, "", true},
		"no label":             {[]string{digest}, at.bundle, false},
		"no digest":            {[]string{label}, at.bundle, false},
		"no owner":             {[]string{label, digest}, "", false},
		"shared for nothing":   {[]string{label, digest, shared}, "", false},
		"owned with others":    {[]string{label, digest, data}, at.bundle, false},
		"owned, and as shared": {[]string{label, digest, shared, data}, at.bundle, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := holding("", tc.entries...)
			s.controller = tc.controller
			if err := s.marked(at); (err == nil) != tc.ok {
				t.Errorf("marked() = %v, want none: %t", err, tc.ok)
			}
		})
	}
}

// What is retained may leave no target, and what is excluded may come into none.
func TestJudgeOfRotation(t *testing.T) {
	t.Parallel()
	turning := target{prefix + "turning", configMap, "long"}
	for name, tc := range map[string]struct {
		excluded []int
		// after are the CAs of the pool that the target has, -1 for one of another.
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
			r := newRotation(turning.bundle)
			c.rotations[turning.bundle] = r
			of := func(numbers ...int) (list []string) {
				for _, number := range numbers {
					if number < 0 {
						list = append(list, newCertificates("another", 1)...)
					} else {
						list = append(list, r.pool[number])
					}
				}
				return list
			}
			long := time.Now().Add(-time.Hour)
			c.registry.settled(c.registry.announce(turning.bundle, of(0, 1, 2)))
			now := c.registry.announce(turning.bundle, of(0, 3))
			c.registry.settled(now)
			c.registry.byBlock[r.pool[1]].to = long // not wanted for long
			r.hold(strings.Join(of(0, 1, 2), ""), long, long)
			r.exclude(of(tc.excluded...))
			r.settled()
			for _, number := range tc.excluded {
				r.perhaps[r.pool[number]][0].from, r.surely[r.pool[number]][0].from = long, long
			}
			c.look(event{turning, nil, holding(strings.Join(of(tc.after...), "")), time.Now()})
			c.violations.wants(t, tc.want)
		})
	}
}

// A CA that is never excluded is missed as soon as no older write can be under way, and
// one that may have been when all must know of it.
func TestWritesUnderWay(t *testing.T) {
	t.Parallel()
	const lag = 10 * underWay
	for name, tc := range map[string]struct {
		number int
		ago    time.Duration
		ok     bool
	}{
		"steady, just now":     {1, underWay / 2, true},
		"steady, a while ago":  {1, 2 * underWay, false},
		"another, a while ago": {poolSize - 1, 2 * underWay, true},
		"another, long ago":    {poolSize - 1, 2 * lag, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, now := newRotation("under-way"), time.Now()
			then := now.Add(-tc.ago)
			r.hold(r.pool[0]+r.pool[tc.number], then.Add(-lag), then)
			err := r.check(&revision{certificates: r.pool[:1]}, r.pool[0], now.Add(-lag), now)
			if (err == nil) != tc.ok {
				t.Errorf("check() = %v, want none: %t", err, tc.ok)
			}
		})
	}
}
