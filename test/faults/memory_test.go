package faults

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// growth is the maximum ratio of the memory at the end to that after the warm-up.
const growth = 1.1

// grow changes the cluster for the duration of -churn, and checks that the operator's
// memory does not grow (e). It kills nothing and injects no fault, so that one process
// runs from start to end.
func (w *world) grow() {
	if _, err := resident(1); err != nil {
		w.must(fmt.Errorf("memory cannot be measured: %w", err))
	}
	if *churn < 2**warmUp {
		w.must(fmt.Errorf("-churn is %s, and has to be at least twice -warm-up, which is %s", *churn, *warmUp))
	}
	began := time.Now()
	var samples levels
	w.must(w.amid("churn", 200*time.Millisecond, func(_ *rand.Rand) error {
		goOn := func() bool { return time.Since(began) < *churn && w.ctx.Err() == nil }
		remade := make(chan error, 1)
		go func() { remade <- w.remake(comers[:3], goOn) }()
		for ; goOn(); time.Sleep(sampling) {
			samples.add(time.Since(began), w.fleet.resident())
		}
		return <-remade
	}))
	// As long as the warm-up, but at most a third of the rest, so that the windows do not
	// overlap.
	window := min(*warmUp, (*churn-*warmUp)/3)
	first, last := samples.mean(*warmUp, *warmUp+window), samples.mean(*churn-window, *churn)
	for from := time.Duration(0); from < *churn; from += *churn / 10 {
		w.t.Logf("from %s on: %.1f MiB resident on average", from, samples.mean(from, from+*churn/10))
	}
	w.t.Logf("memory: %.1f MiB in the %s after the warm-up of %s, %.1f MiB in the last %s: %+.1f %%",
		first, window, *warmUp, last, window, 100*(last/first-1))
	if grown(first, last) {
		w.judge.violations.add(bounded, "%.1f MiB after the warm-up, %.1f MiB at the end", first, last)
	}
	w.must(w.settle("the churn", lastQuiet))
}

// grown reports whether the last level is too far above the first, or one of them was
// not sampled at all.
func grown(first, last float64) bool { return first <= 0 || last <= 0 || last > growth*first }

// levels are samples of memory over time.
type levels []struct {
	at  time.Duration
	mib float64
}

func (l *levels) add(at time.Duration, bytes int64) {
	if bytes > 0 {
		*l = append(*l, struct {
			at  time.Duration
			mib float64
		}{at, float64(bytes) / (1 << 20)})
	}
}

// mean returns the average of the samples between two times.
func (l *levels) mean(from, to time.Duration) float64 {
	sum, count := 0.0, 0
	for _, one := range *l {
		if one.at >= from && one.at < to {
			sum, count = sum+one.mib, count+1
		}
	}
	return sum / float64(max(1, count))
}

// Each window counts only its own samples, and the memory may grow by at most a tenth.
func TestLevels(t *testing.T) {
	t.Parallel()
	const warm, end = 10 * time.Minute, 30 * time.Minute
	steady := func(time.Duration) float64 { return 50 }
	for name, tc := range map[string]struct {
		// mib is the memory at each second; 0 if there was no sample.
		mib         func(at time.Duration) float64
		first, last float64
		grown       bool
	}{
		"steady":             {steady, 50, 50, false},
		"less":               {func(at time.Duration) float64 { return 50 - at.Minutes() }, 37.5, 22.5, false},
		"large at the start": {func(at time.Duration) float64 { return 50 + 100*max(0, 10-at.Minutes()) }, 50, 50, false},
		"a short peak": {func(at time.Duration) float64 {
			if at == 20*time.Minute {
				return 500
			}
			return 50
		}, 50, 50, false},
		"not seen now and then": {func(at time.Duration) float64 { return float64(at / time.Second % 2 * 50) }, 50, 50, false},
		"a little": {func(at time.Duration) float64 {
			if at < 20*time.Minute {
				return 50
			}
			return 54.9
		}, 50, 54.9, false},
		"more than a tenth": {func(at time.Duration) float64 {
			if at < 20*time.Minute {
				return 50
			}
			return 55.1
		}, 50, 55.1, true},
		"a leak":                {func(at time.Duration) float64 { return 50 + at.Minutes() }, 62.5, 77.5, true},
		"not seen at all":       {func(time.Duration) float64 { return 0 }, 0, 0, true},
		"not seen at the start": {func(at time.Duration) float64 { return 50 * float64(at/(20*time.Minute)) }, 0, 50, true},
		"not seen at the end":   {func(at time.Duration) float64 { return 50 * float64(1-at/(20*time.Minute)) }, 50, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var samples levels
			for at := time.Duration(0); at < end; at += time.Second {
				samples.add(at, int64(tc.mib(at)*(1<<20)))
			}
			first, last := samples.mean(warm, warm+5*time.Minute), samples.mean(end-5*time.Minute, end)
			if math.Abs(first-tc.first) > 0.1 || math.Abs(last-tc.last) > 0.1 {
				t.Errorf("on average %.2f MiB first and %.2f MiB last, want %.2f and %.2f", first, last, tc.first, tc.last)
			}
			if grown(first, last) != tc.grown {
				t.Errorf("grown(%.2f, %.2f) = %t", first, last, !tc.grown)
			}
		})
	}
}
