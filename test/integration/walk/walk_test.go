package walk

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"trust-manager.io/test/framework/kinds"
	"trust-manager.io/test/framework/model"
	"trust-manager.io/test/framework/rig"
)

// shownLog bounds how much of the operator's log a failed walk shows, in lines.
const shownLog = 150

// walk is one random walk.
type walk struct {
	*testing.T
	*world
	chance *chance
	model  *state
	step   int
	// happened counts what has happened, by kind.
	happened map[string]int
}

// K1, K3, K5, L1, S2, S3, S7 to S11, S13, T1 to T9, T11, T12, T15, C1, D1: the walk.
func TestWalk(t *testing.T) {
	watcher, err := watchAll(t.Context(), kinds.Mask(env.Client))
	if err != nil {
		t.Fatal(err)
	}
	w := &walk{T: t, chance: newChance(*seed), model: newState(), happened: map[string]int{}, world: &world{
		ctx: t.Context(), api: kinds.Mask(env.Client), folder: t.TempDir(), watcher: watcher, theirs: map[string]bool{},
	}}
	t.Cleanup(w.end)
	w.setUp()
	for w.step = 1; w.step <= *steps; w.step++ {
		w.take()
	}
	conflicts.Inject(*conflictShare, refusals...)
	met := func() bool { return refused() > 0 }
	// If the steps need so few writes that none is refused, the walk takes more.
	for last := *steps + *conflictSteps; w.step <= last || !met() && w.step <= last+2**conflictSteps; w.step++ {
		w.take()
	}
	if *conflictSteps > 0 && *conflictShare > 0 && !met() {
		t.Error("no write was refused")
	}
	for _, kind := range slices.Sorted(maps.Keys(w.happened)) {
		t.Logf("%5d times: %s", w.happened[kind], kind)
	}
	for _, fault := range refusals {
		t.Logf("%5d %s", conflicts.Injected()[fault], fault)
	}
	t.Logf("%5d targets are as render prints them", w.rendered)
	if w.rendered == 0 {
		t.Error("render was never compared")
	}
	t.Logf("seed %d: %d steps, each in order", *seed, w.step-1)
}

// refusals are the faults that a share of the writes meets.
var refusals = []rig.Fault{rig.Conflict, rig.NamespaceEnd}

// refused returns how many writes have met one.
func refused() (writes int) {
	injected := conflicts.Injected()
	for _, fault := range refusals {
		writes += injected[fault]
	}
	return writes
}

// end logs how to repeat the walk, and stops the operator.
func (w *walk) end() {
	if w.Failed() {
		w.Logf("to repeat it: go test ./test/integration/walk -seed %d -steps %d -conflict-steps %d",
			*seed, min(w.step, *steps), max(0, w.step-*steps))
	}
	if w.operator == nil {
		return
	}
	if w.Failed() {
		lines := strings.Split(strings.TrimSpace(w.operator.Log()), "\n")
		w.Logf("the end of the operator's log:\n%s", strings.Join(lines[max(0, len(lines)-shownLog):], "\n"))
	}
	if !w.operator.Ended() {
		w.must(w.operator.Stop())
	}
}

// must ends the walk on an error.
func (w *walk) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatalf("seed %d, step %d: %v", *seed, w.step, err)
	}
}

// setUp creates the first namespaces, sources and Bundles, while the operator is down.
func (w *walk) setUp() {
	makers := []maker{
		changePackage,
		createNamespace, createNamespace, createNamespace, createNamespace, createNamespace, createNamespace,
		changeSource, changeSource, changeSource, changeSource, changeSource, changeSource, changeSource, changeSource,
		createBundle, createBundle, createBundle,
		createObject, createObject,
	}
	for _, make := range makers {
		if a := make(w.chance, w.model); a != nil {
			a.kind = "made before the first step"
			w.do(a)
		}
	}
	w.startAndSettle(w.model.snapshot())
}

// do runs an action, in the model and in the cluster.
func (w *walk) do(a *action) {
	w.Helper()
	w.Logf("step %d: %s", w.step, a.text)
	w.happened[a.kind]++
	a.model(w.model)
	w.must(a.do(w.world))
}

// take takes one step: it runs some actions while the operator runs, while it is
// down, or just before it is killed. Then everything has to converge.
func (w *walk) take() {
	w.model.beginStep()
	before := w.model.snapshot()
	switch way := w.chance.weighted(55, 20, 15, 5, 5); {
	case way >= 2 && w.model.brokenPackage: // it would not start
		w.happen(1)
	case way == 0:
		w.happen(1)
	case way == 1:
		w.happen(2 + w.chance.IntN(3))
	case way == 2:
		w.stop()
		w.happenWhileDown(1 + w.chance.IntN(4))
		w.startAndSettle(before)
		return
	case way == 3:
		w.stop()
		w.startAndSettle(before)
		return
	default:
		if calm := w.happen(1 + w.chance.IntN(2)); !calm && w.model.allBuild() {
			w.kill()
			w.startAndSettle(before)
			return
		}
	}
	w.settle(before)
}

// happen runs some actions in direct succession, whose order makes no difference to
// the operator. calm reports whether the operator must not be killed meanwhile.
func (w *walk) happen(times int) (calm bool) {
	var done []*action
	for range times {
		a := w.chance.next(w.model, done)
		w.do(a)
		done = append(done, a)
		calm = calm || a.calm
	}
	return calm
}

// happenWhileDown runs some actions while the operator is down. After each, the
// cluster has to match the model, which verifies the model itself.
func (w *walk) happenWhileDown(times int) {
	for range times {
		w.do(w.chance.next(w.model, nil))
		w.must(w.await("the cluster to be what was done", func() error { return w.compare(w.model) }))
	}
}

// allBuild reports whether all Bundles can be built. If not, the outcome for targets
// depends on what the operator observed before it was killed.
func (m *state) allBuild() bool {
	for name, b := range m.Bundles {
		if !m.builds(name, b.Spec) {
			return false
		}
	}
	return true
}

func (w *walk) stop() {
	if w.chance.percent(50) {
		w.kill()
		return
	}
	w.happened["operator stopped"]++
	w.Logf("step %d: the operator is stopped", w.step)
	w.must(w.operator.Stop())
	w.model.stop()
}

func (w *walk) kill() {
	w.happened["operator killed"]++
	w.Logf("step %d: the operator is killed", w.step)
	w.must(w.operator.Kill())
	w.model.stop()
}

func (w *walk) startAndSettle(before *state) {
	w.Logf("step %d: the operator is started", w.step)
	since, err := w.start()
	w.must(err)
	w.model.running = true
	w.model.Settle()
	var wanted []model.Target
	for name, b := range w.model.Bundles {
		wanted = append(wanted, w.model.Wanted(name, b.Revision)...)
	}
	w.must(w.awaitVerified(since, wanted))
	w.settle(before)
}

// settle waits until the cluster matches the model, judges all events in between,
// and checks that nothing is written afterwards.
func (w *walk) settle(before *state) {
	w.Helper()
	w.model.Settle()
	began := time.Now()
	err := w.await("the cluster to be in sync", func() error { return w.compare(w.model) })
	if err != nil {
		w.Logf("step %d: %v", w.step, err)
		w.judge(before) // which may know the reason
	}
	w.must(err)
	inOrder := env.Audit.Mark()
	w.must(w.awaitStill())
	w.must(w.compare(w.model))
	w.judge(before)
	if !w.model.brokenPackage {
		w.must(w.compareRendered())
	}
	wrote, err := writes(inOrder)
	w.must(err)
	for _, q := range wrote {
		// Where managedFields were cleared, the operator may apply its entries.
		if !strings.HasSuffix(q.Resource, "bundles/status") && len(w.model.cleared) == 0 {
			w.must(fmt.Errorf("when all was in sync, the operator wrote %v", wrote))
		}
	}
	w.beQuiet()
	w.Logf("step %d: in order after %s", w.step, time.Since(began).Round(10*time.Millisecond))
}

// beQuiet checks that nothing is written any more (T11, C3).
func (w *walk) beQuiet() {
	calm := env.Audit.Mark()
	time.Sleep(*quiet)
	wrote, err := writes(calm)
	w.must(err)
	if len(wrote) > 0 {
		w.must(fmt.Errorf("after all had been in order for a while, the operator wrote %v", wrote))
	}
	if w.operator.Ended() {
		w.must(fmt.Errorf("the operator has ended by itself"))
	}
	w.must(w.compare(w.model))
	for _, e := range w.watcher.take() {
		w.must(fmt.Errorf("%s has changed, although no client was active", e.at))
	}
}

// judge judges all events since the last step.
func (w *walk) judge(before *state) {
	j := &judge{before: before, after: w.model, theirs: w.theirs}
	for _, e := range w.watcher.take() {
		if err := j.look(e); err != nil {
			w.must(fmt.Errorf("on the way, %s: %w", e.at, err))
		}
	}
}
