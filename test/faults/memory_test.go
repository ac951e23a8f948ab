package faults

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// growth is by how much the memory may be above the level after the warm-up at the
// end: a tenth.
const growth = 1.1

// grow has things change for as long as -churn says, and sees to it that the operator's
// memory does not grow (e). Nothing is killed and no request meets a fault, so that it
// is one process from the beginning to the end.
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
	// As long as the warm-up, but no more than a third of the rest, so that both are apart.
	window := min(*warmUp, (*churn-*warmUp)/3)
	first, last := samples.mean(*warmUp, *warmUp+window), samples.mean(*churn-window, *churn)
	for from := time.Duration(0); from < *churn; from += *churn / 10 {
		w.t.Logf("from %s on: %.1f MiB resident on average", from, samples.mean(from, from+*churn/10))
	}
	w.t.Logf("memory: %.1f MiB in the %s after the warm-up of %s, %.1f MiB in the last %s: %+.1f %%",
		first, window, *warmUp, last, window, 100*(last/first-1))
	if last > growth*first {
		w.judge.violations.add(bounded, "%.1f MiB after the warm-up, %.1f MiB at the end", first, last)
	}
	w.must(w.settle("the churn", lastQuiet))
}

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

// mean gives the average between two times.
func (l *levels) mean(from, to time.Duration) float64 {
	sum, count := 0.0, 0
	for _, one := range *l {
		if one.at >= from && one.at < to {
			sum, count = sum+one.mib, count+1
		}
	}
	return sum / float64(max(1, count))
}
