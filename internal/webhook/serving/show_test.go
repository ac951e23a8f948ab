package serving

import (
	"crypto/tls"
	"testing"
	"time"
)

func TestAdvance(t *testing.T) {
	t.Parallel()
	old := fresh(t, start)
	renewed := applied(t, renew, old, nil, names, start)
	rotated := applied(t, replace, contents{}, old.authorities, names, start)
	both := rotated.caBundle()
	for name, tc := range map[string]struct {
		before  servedState
		offered contents
		bundle  []byte
		now     time.Time
		current *tls.Certificate
		next    *tls.Certificate
		again   time.Time
	}{
		"the first":                        {servedState{}, old, old.caBundle(), start, old.pair, nil, time.Time{}},
		"the first, not covered":           {servedState{}, old, nil, start, nil, nil, time.Time{}},
		"the first, another CA is covered": {servedState{}, old, fresh(t, start).caBundle(), start, nil, nil, time.Time{}},
		"garbage as caBundle":              {servedState{}, old, []byte("x"), start, nil, nil, time.Time{}},
		"nothing new":                      {servedState{current: old.pair}, old, old.caBundle(), start, old.pair, nil, time.Time{}},
		"nothing new, not covered":         {servedState{current: old.pair}, old, nil, start, old.pair, nil, time.Time{}},
		"renewed":                          {servedState{current: old.pair}, renewed, old.caBundle(), start, old.pair, renewed.pair, start.Add(propagationTime)},
		"rotated, not covered yet":         {servedState{current: old.pair}, rotated, old.caBundle(), start, old.pair, nil, time.Time{}},
		"rotated, just covered":            {servedState{current: old.pair}, rotated, both, start, old.pair, rotated.pair, start.Add(propagationTime)},
		"rotated, not settled": {
			servedState{old.pair, rotated.pair, start}, rotated, both, start.Add(propagationTime - 1), old.pair, rotated.pair, start.Add(propagationTime),
		},
		"rotated, settled": {servedState{old.pair, rotated.pair, start}, rotated, both, start.Add(propagationTime), rotated.pair, nil, time.Time{}},
		"rotated, and the caBundle was reverted meanwhile": {
			servedState{old.pair, rotated.pair, start}, rotated, old.caBundle(), start.Add(propagationTime), old.pair, nil, time.Time{},
		},
		"another one meanwhile": {
			servedState{old.pair, renewed.pair, start}, rotated, both, start.Add(propagationTime), old.pair, rotated.pair, start.Add(2 * propagationTime),
		},
		"the current one is not covered": {servedState{current: fresh(t, start).pair}, old, old.caBundle(), start, old.pair, nil, time.Time{}},
		"the current one has expired":    {servedState{current: fresh(t, start.AddDate(-1, 0, 0)).pair}, old, old.caBundle(), start, old.pair, nil, time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, again := tc.before.advance(tc.offered.pair, tc.bundle, names[0], tc.now)
			if got.current != tc.current || got.next != tc.next || !again.Equal(tc.again) {
				t.Errorf("current matches: %t, next matches: %t, again at %s, want %s", got.current == tc.current, got.next == tc.next, again, tc.again)
			}
		})
	}
}
