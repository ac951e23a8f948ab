package faults

import (
	"fmt"
	"math/rand/v2"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/test/framework/model"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// takeOver is longer than a replica takes to become leader after the death of another:
// the lease duration and several retries.
const takeOver = 15 * time.Second

// killOperators kills the operator at random points of rollouts. The fleet restarts it
// at once.
func (w *world) killOperators(size sizes) error {
	return w.amid("kills", time.Second, func(r *rand.Rand) error {
		for range size.kills {
			if err := w.killAmid(r); err != nil {
				return err
			}
		}
		return nil
	})
}

// killAmid starts a rollout, and kills the operator after it has written some targets.
func (w *world) killAmid(r *rand.Rand) error {
	of, err := w.fresh(r, pick(r, w.bundles))
	if err != nil {
		return err
	}
	w.awaitSeen(of, r.IntN(len(stable)), 3*time.Second)
	time.Sleep(upTo(r, 20*time.Millisecond))
	w.fleet.kill(r)
	return nil
}

// awaitSeen waits until count targets hold a revision. Under concurrent changes that
// may never happen, so the wait is bounded.
func (w *world) awaitSeen(of *model.Revision, count int, limit time.Duration) bool {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if w.observer.seenOf(of) >= count {
			return true
		}
	}
	return false
}

// killLeaders kills the leader of two replicas.
func (w *world) killLeaders(size sizes) error {
	if err := w.lead(); err != nil {
		return err
	}
	return w.amid("leaders", time.Second, func(r *rand.Rand) error {
		for range size.leaderKills {
			if err := w.killAmid(r); err != nil {
				return err
			}
			w.report.count("leader killed, so that another takes over (of those)")
			of, err := w.fresh(r, w.bundles[0])
			if err != nil {
				return err
			}
			w.awaitSeen(of, 1+r.IntN(len(stable)), takeOver)
		}
		return nil
	})
}

// lead replaces the operator by two replicas, and waits until one leads.
func (w *world) lead() error {
	if err := w.fleet.run(2, leader...); err != nil {
		return err
	}
	return poll.UntilWithin(w.ctx, patience, "a leader", func() error {
		var lease coordinationv1.Lease
		err := w.api.Get(w.ctx, client.ObjectKey{Namespace: rig.TrustNamespace, Name: "trust-manager-leader-election"}, &lease)
		if err == nil && (lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity == "") {
			err = fmt.Errorf("the lease has no holder")
		}
		return err
	})
}

// hung is a namespace whose admission webhook does not answer.
const hung = prefix + "hung"

// killHangingLeaders kills the leader during one of its writes, which arrives after the
// death of its writer or never. The other replica takes over meanwhile.
func (w *world) killHangingLeaders(size sizes) error {
	if err := w.lead(); err != nil {
		return err
	}
	if err := w.makeNamespace(hung, true, rig.FaultyLabel); err != nil {
		return err
	}
	r := w.random("hung")
	defer env.Admission.Admit(hung)
	for round := range size.hungKills {
		if _, err := w.fresh(r, w.bundles[0]); err != nil {
			return err
		}
		if err := poll.UntilWithin(w.ctx, takeOver, "the targets of "+hung, func() error { return w.compareIn(hung) }); err != nil {
			return err
		}
		env.Admission.Hang(hung)
		if _, err := w.fresh(r, w.bundles[0]); err != nil {
			return err
		}
		if err := poll.UntilWithin(w.ctx, takeOver, "a write to hang", hanging); err != nil {
			return err
		}
		w.fleet.kill(r)
		w.report.count("leader killed with a write in flight (of those)")
		if round%2 == 1 {
			env.Admission.Admit(hung)
		}
		of, err := w.fresh(r, w.bundles[0])
		if err != nil {
			return err
		}
		w.awaitSeen(of, len(stable), takeOver)
		env.Admission.Admit(hung)
	}
	return nil
}

func hanging() error {
	if env.Admission.Waiting() == 0 {
		return fmt.Errorf("none does")
	}
	return nil
}

// compareIn returns how one namespace differs from the desired state.
func (w *world) compareIn(namespace string) error {
	present := w.observer.present()
	for _, b := range w.bundles {
		at := b.at(namespace)
		if err := w.history.Compare(at, present[at], time.Now()); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
	}
	return nil
}
