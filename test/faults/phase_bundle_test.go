package faults

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
)

// remakeBundles deletes Bundles that their targets outlive, in every way, and creates them
// again after some time, while operators are killed. Nothing of that is a change for the
// targets: the model does not even learn of it.
func (w *world) remakeBundles(size sizes) error {
	r := w.random("bundles")
	for range size.bundles {
		for _, b := range w.bundles {
			if !b.outlived {
				continue
			}
			policy := pick(r, []metav1.DeletionPropagation{
				metav1.DeletePropagationBackground, metav1.DeletePropagationForeground, metav1.DeletePropagationOrphan,
			})
			if err := w.remakeBundle(b, policy, upTo(r, 2*time.Second), r.IntN(2) == 0, func() { w.fleet.kill(r) }); err != nil {
				return err
			}
			w.report.count("Bundles made again")
		}
	}
	return nil
}

// remakeBundle deletes a Bundle and creates it again after a pause.
func (w *world) remakeBundle(b *bundle, policy metav1.DeletionPropagation, pause time.Duration, kills bool, kill func()) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var before v1alpha1.Bundle
	err := w.persist("deletion of Bundle "+b.name, func(ctx context.Context) error {
		var now v1alpha1.Bundle
		switch err := w.api.Get(ctx, client.ObjectKey{Name: b.name}, &now); {
		case apierrors.IsNotFound(err) && before.UID != "":
			return nil // an earlier try has done it, although it failed
		case err != nil:
			return err
		}
		before = now
		return w.api.Delete(ctx, now.DeepCopy(), client.PropagationPolicy(policy))
	})
	if err != nil {
		return err
	}
	if kills {
		kill()
	}
	time.Sleep(pause)
	return w.persist("Bundle "+b.name, func(ctx context.Context) error {
		err := w.api.Create(ctx, &v1alpha1.Bundle{ObjectMeta: metav1.ObjectMeta{Name: b.name}, Spec: *before.Spec.DeepCopy()})
		if !apierrors.IsAlreadyExists(err) {
			return err
		}
		var now v1alpha1.Bundle
		if err := w.api.Get(ctx, client.ObjectKey{Name: b.name}, &now); err != nil || now.UID != before.UID {
			return err
		}
		return fmt.Errorf("it is still being deleted")
	})
}
