package faults

import (
	"fmt"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/model"
	"trust-manager.io/test/framework/poll"
)

// The bounds that docs/reliability.md names.
const (
	// calmLag is how long after a change the operator may act on the state before it,
	// while its watches work: the deadline of a write, 10 s, and the delays of this
	// machine.
	calmLag = 15 * time.Second
	// watchPause is the longest backoff of a failing watch: that of client-go.
	watchPause = 60 * time.Second
	// faultLag is calmLag while watches fail.
	faultLag = watchPause + calmLag + 15*time.Second // put back by 50 resource versions
	// downLag is faultLag with downtimes of the API server or etcd.
	downLag = faultLag + 30*time.Second
	// retryPause is the longest backoff of a failing target.
	retryPause = 60 * time.Second
	// convergence bounds (c): the longest backoff of a watch, and then that of a target.
	convergence = watchPause + retryPause + calmLag
	// afterwards is the delay of statuses and events, which follow the targets.
	afterwards = 2 * time.Second
)

// touchable is a namespace whose label each settle changes.
const touchable = prefix + "touched"

// settle ends all faults, and waits without further help until the cluster is in the
// desired state. Then it changes everything once more, and checks that nothing is
// written after that has taken effect. It returns an error if that never happens, since
// later results would be meaningless.
func (w *world) settle(after string, quiet time.Duration) error {
	w.proxy.Inject(0)
	if err := w.converge(after); err != nil {
		return err
	}
	if err := w.touch(); err != nil {
		return err
	}
	if err := w.converge("a change of everything, after " + after); err != nil {
		return err
	}
	w.judge.allow(calmLag)
	if quiet == 0 {
		return nil // the short form checks only the end
	}
	return w.beQuiet(after, quiet)
}

// converge waits until the cluster is in the desired state (c).
func (w *world) converge(after string) error {
	began := time.Now()
	err := poll.UntilWithin(w.ctx, convergence, "all to be as it should be", func() error {
		err := w.compare()
		if err != nil {
			time.Sleep(pause)
		}
		return err
	})
	took := time.Since(began)
	w.report.converged(after, took)
	w.t.Logf("after %s: all in order after %s", after, took.Round(10*time.Millisecond))
	if err != nil {
		w.judge.violations.add(converges, "after %s: %v", after, err)
		return fmt.Errorf("after %s: %w", after, err)
	}
	return nil
}

// touch changes an object of every kind that the operator watches. When the changes
// have taken effect, its caches are current.
func (w *world) touch() error {
	r := w.random("touch")
	for _, b := range w.bundles {
		for part := range b.sources {
			if _, err := w.change(b, part, b.certificates(r, part)); err != nil {
				return err
			}
		}
	}
	now := time.Now()
	if !w.history.Existed(touchable, now, now) {
		if err := w.makeNamespace(touchable, false); err != nil {
			return err
		}
	}
	return w.wantIn(touchable, !w.history.Wanted(w.bundles[0].at(touchable), now, now))
}

// compare returns how the cluster differs from the desired state (c).
func (w *world) compare() error {
	present := w.observer.present()
	for _, b := range w.bundles {
		if err := w.history.CompareAll(b.name, present, time.Now()); err != nil {
			return err
		}
	}
	for _, b := range w.bundles {
		var now v1alpha1.Bundle
		if err := w.api.Get(w.ctx, client.ObjectKey{Name: b.name}, &now); err != nil {
			return err
		}
		if _, err := model.CheckCondition(&now, w.history.Reasons(b.name)); err != nil {
			return err
		}
	}
	return nil
}

// beQuiet checks that nothing is written for a while (d).
func (w *world) beQuiet(after string, quiet time.Duration) error {
	w.fleet.settled(true)
	defer w.fleet.settled(false)
	time.Sleep(afterwards)
	mark, events := env.Audit.Mark(), w.observer.total()
	time.Sleep(quiet)
	all, err := env.Audit.Since(mark)
	if err != nil {
		return err
	}
	var wrote []string
	for _, q := range all {
		if q.IsWrite() && q.Resource != "events" { // client-go closes a series of them minutes later
			wrote = append(wrote, q.String())
		}
	}
	if len(wrote) > 0 {
		w.judge.violations.add(rests, "after %s, when all was in sync, the operator wrote %s", after, strings.Join(wrote, ", "))
	}
	if more := w.observer.total() - events; more > 0 {
		w.judge.violations.add(rests, "after %s, when all was in sync, targets changed %d times", after, more)
	}
	if err := w.compare(); err != nil {
		w.judge.violations.add(converges, "after %s, when all had been in order: %v", after, err)
	}
	return nil
}
