package serving

import (
	"crypto/tls"
	"testing"
	"time"
)

func TestAdvance(t *testing.T) {
	t.Parallel()
	old := fresh(t, start)
	renewed := taken(t, renew, old, nil, names, start)
	rotated := taken(t, replace, contents{}, old.authorities, names, start)
	both := rotated.bundle()
	for name, tc := range map[string]struct {
		before  shown
		offered contents
		bundle  []byte
		now     time.Time
		current *tls.Certificate
		next    *tls.Certificate
		again   time.Time
	}{
		"the first":                        {shown{}, old, old.bundle(), start, old.pair, nil, time.Time{}},
		"the first, not covered":           {shown{}, old, nil, start, nil, nil, time.Time{}},
		"the first, another CA is covered": {shown{}, old, fresh(t, start).bundle(), start, nil, nil, time.Time{}},
		"garbage as caBundle":              {shown{}, old, []byte("x"), start, nil, nil, time.Time{}},
		"nothing new":                      {shown{current: old.pair}, old, old.bundle(), start, old.pair, nil, time.Time{}},
		"nothing new, not covered":         {shown{current: old.pair}, old, nil, start, old.pair, nil, time.Time{}},
		"renewed":                          {shown{current: old.pair}, renewed, old.bundle(), start, old.pair, renewed.pair, start.Add(settle)},
		"rotated, not covered yet":         {shown{current: old.pair}, rotated, old.bundle(), start, old.pair, nil, time.Time{}},
		"rotated, just covered":            {shown{current: old.pair}, rotated, both, start, old.pair, rotated.pair, start.Add(settle)},
		"rotated, not settled": {
			shown{old.pair, rotated.pair, start}, rotated, both, start.Add(settle - 1), old.pair, rotated.pair, start.Add(settle),
		},
		"rotated, settled": {shown{old.pair, rotated.pair, start}, rotated, both, start.Add(settle), rotated.pair, nil, time.Time{}},
		"rotated, and the caBundle is gone meanwhile": {
			shown{old.pair, rotated.pair, start}, rotated, old.bundle(), start.Add(settle), old.pair, nil, time.Time{},
		},
		"another one meanwhile": {
			shown{old.pair, renewed.pair, start}, rotated, both, start.Add(settle), old.pair, rotated.pair, start.Add(2 * settle),
		},
		"the one shown is not covered": {shown{current: fresh(t, start).pair}, old, old.bundle(), start, old.pair, nil, time.Time{}},
		"the one shown has expired":    {shown{current: fresh(t, start.AddDate(-1, 0, 0)).pair}, old, old.bundle(), start, old.pair, nil, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, again := tc.before.advance(tc.offered.pair, tc.bundle, names[0], tc.now)
			if got.current != tc.current || got.next != tc.next || !again.Equal(tc.again) {
				t.Errorf("current as wanted %t, next as wanted %t, again %s, want %s", got.current == tc.current, got.next == tc.next, again, tc.again)
			}
		})
	}
}
