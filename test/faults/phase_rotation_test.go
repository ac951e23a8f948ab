package faults

import (
	"context"
	"math/rand/v2"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/rig"
)

const (
	// excluding is how many of a hundred changes of a bundle that rotates are of what it
	// excludes.
	excluding = 30
	// turning is the most time between two of its changes.
	turning = 600 * time.Millisecond
)

// rotate has CAs of one more bundle leave and come back, and be excluded now and then,
// while operators are killed, and then while requests meet faults (K3, K5).
func (w *world) rotate(size sizes) error {
	b := &bundle{name: prefix + "rotation", kind: configMap, sources: []string{configMap}, rotation: newRotation("rotation")}
	w.judge.rotations[b.name] = b.rotation
	w.bundles = append(w.bundles, b)
	if err := w.make(b); err != nil {
		return err
	}
	if err := w.settle("a Bundle that rotates", size.quiet); err != nil {
		return err
	}
	err := w.amid("rotation", time.Second, func(r *rand.Rand) error {
		for range size.rotations {
			if err := w.turn(r, b); err != nil {
				return err
			}
			if r.IntN(4) == 0 {
				w.fleet.kill(r)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := w.settle("rotation and operators killed", size.quiet); err != nil {
		return err
	}
	w.judge.allow(faultLag)
	return w.amid("rotation in a storm", time.Second, func(r *rand.Rand) error {
		w.proxy.Inject(faultShare, rig.AllFaults...)
		for range size.rotations {
			if err := w.turn(r, b); err != nil {
				return err
			}
		}
		return nil
	})
}

// turn changes the bundle, and waits a little.
func (w *world) turn(r *rand.Rand, b *bundle) error {
	if _, err := w.fresh(r, b); err != nil {
		return err
	}
	w.report.count("CAs that leave, come back or are excluded")
	wait(w.ctx, upTo(r, turning))
	return nil
}

// exclude has a bundle exclude some more of the CAs that it draws from, or no more.
func (w *world) exclude(r *rand.Rand, b *bundle) (*revision, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var few []string
	for _, one := range b.rotation.free() {
		if r.IntN(2) == 0 {
			few = append(few, one)
		}
	}
	b.rotation.exclude(few)
	err := w.persist("exclusions of "+b.name, func(ctx context.Context) error {
		var now v1alpha1.Bundle
		if err := w.api.Get(ctx, client.ObjectKey{Name: b.name}, &now); err != nil {
			return err
		}
		now.Spec.Exclude = b.rotation.exclusions()
		return w.api.Update(ctx, &now)
	})
	if err != nil {
		return nil, err
	}
	b.rotation.settled()
	return w.judge.registry.current(b.name), nil
}
