package faults

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trust-manager.io/test/framework/model"
)

// report counts the injected faults and changes. It is safe for concurrent use.
type report struct {
	mu     sync.Mutex
	began  time.Time
	counts map[string]int
	// longest is the longest time from the end of the faults to the desired state, with
	// the phase after which it occurred.
	longest time.Duration
	after   string
	calms   int
}

func newReport() *report { return &report{began: time.Now(), counts: map[string]int{}} }

func (r *report) count(what string) { r.countMany(what, 1) }

func (r *report) countMany(what string, times int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[what] += times
}

func (r *report) converged(after string, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calms++
	if took > r.longest {
		r.longest, r.after = took, after
	}
}

// tell writes the summary.
func (w *world) tell() {
	text := w.summarize()
	fmt.Println(text)
	if *summary != "" {
		if err := os.WriteFile(*summary, []byte(text), 0o600); err != nil {
			w.t.Error(err)
		}
	}
	if err := w.verdict(); err != nil {
		w.t.Errorf("seed %d: %v", *seed, err)
	}
}

// verdict returns an error for violations, and for gaps in which some may have been
// missed.
func (w *world) verdict() error {
	var wrong []error
	if _, texts := w.judge.violations.all(); len(texts) > 0 {
		wrong = append(wrong, fmt.Errorf("%d violations are listed below\n%s", len(texts), strings.Join(texts, "\n")))
	}
	if gaps := w.observer.missed(); len(gaps) > 0 {
		wrong = append(wrong, fmt.Errorf("%d gaps in what was observed\n%s", len(gaps), strings.Join(gaps, "\n")))
	}
	return errors.Join(wrong...)
}

func (w *world) summarize() string {
	var out strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	w.report.mu.Lock()
	defer w.report.mu.Unlock()
	line("seed %d, %s", *seed, time.Since(w.report.began).Round(time.Second))
	line("")
	kills, peak, ends := w.fleet.tell()
	if kills > 0 {
		w.report.counts["operator killed (SIGKILL)"] = kills
	}
	for _, what := range slices.Sorted(maps.Keys(w.report.counts)) {
		line("%6d  %s", w.report.counts[what], what)
	}
	injected := w.proxy.Injected()
	for _, fault := range slices.Sorted(maps.Keys(injected)) {
		line("%6d  %s", injected[fault], fault)
	}
	line("%6d  requests in all through the proxy", w.proxy.Requests())
	line("")
	o := w.observer
	o.mu.Lock()
	defer o.mu.Unlock()
	line("%6d  events observed, of %d targets", o.events, len(o.ever))
	line("%6d  resource versions looked at one by one, since a watch ended with its API server", o.refilled)
	line("%6d  gaps in what was observed", len(o.gaps))
	for _, gap := range o.gaps {
		line("        %s", gap)
	}
	count, _ := w.judge.violations.all()
	for _, invariant := range invariants {
		line("%6d  violations of %s", count[invariant], invariant)
	}
	line("")
	line("calm %d times; the longest way there took %s, after: %s", w.report.calms, w.report.longest.Round(10*time.Millisecond), w.report.after)
	line("most memory of an operator: %d MiB resident", peak>>20)
	for _, last := range ends {
		line("an operator ended by itself, times %s", last)
	}
	return out.String()
}

// Gaps fail the test like violations do.
func TestVerdict(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		happens func(*world)
		want    string
	}{
		"nothing":     {func(*world) {}, ""},
		"a violation": {func(w *world) { w.judge.violations.add(exact, "it is empty") }, "it is empty"},
		"a gap":       {func(w *world) { w.observer.lost("what was at 7") }, "what was at 7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &world{judge: newJudge(model.NewHistory())}
			w.observer = newObserver(nil, w.judge)
			tc.happens(w)
			if err := w.verdict(); (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("verdict() = %v, want %q", err, tc.want)
			}
		})
	}
}
