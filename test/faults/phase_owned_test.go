package faults

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/model"
	"trust-manager.io/test/framework/poll"
)

// withImmutable makes a target immutable.
func (w *world) withImmutable() error {
	if err := w.makeNamespace(immutablePlace, true); err != nil {
		return err
	}
	b := w.bundles[0]
	at := b.at(immutablePlace)
	err := poll.Until(w.ctx, "a target to make immutable", func() error {
		time.Sleep(pause)
		return w.meddle(at, map[string]any{"immutable": true})
	})
	if err != nil {
		return err
	}
	w.except(model.ConfigMap, immutablePlace, b)
	w.report.count("targets made immutable")
	return nil
}

// withForeign creates an object with a foreign controller under the name of a target.
func (w *world) withForeign() error {
	if err := w.removeNamespace(foreignPlace); err != nil {
		return err
	}
	if err := w.makeNamespace(foreignPlace, false); err != nil {
		return err
	}
	owner := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: foreignPlace, Name: "owner"}}
	if err := w.api.Create(w.ctx, owner); err != nil {
		return err
	}
	b, yes := w.bundles[0], true
	owned := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: foreignPlace, Name: b.name,
			Annotations: map[string]string{markKey: fmt.Sprint(w.marks.Add(1))},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "v1", Kind: model.ConfigMap, Name: owner.Name, UID: owner.UID, Controller: &yes,
			}},
		},
		Data: map[string]string{theirsData: "owned by somebody else"},
	}
	if err := w.api.Create(w.ctx, owned); err != nil {
		return err
	}
	w.except(model.ConfigMap, foreignPlace, b)
	w.report.count("targets with a foreign controller")
	return w.wantIn(foreignPlace, true)
}

// withEarlier creates an object with other content under the name and key of a target,
// before the namespace is wanted.
func (w *world) withEarlier() error {
	if err := w.removeNamespace(earlierPlace); err != nil {
		return err
	}
	if err := w.makeNamespace(earlierPlace, false); err != nil {
		return err
	}
	b := w.bundles[0]
	earlier := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: earlierPlace, Name: b.name, Annotations: map[string]string{markKey: fmt.Sprint(w.marks.Add(1))},
		},
		Data: map[string]string{pemKey: "their own", theirsData: "from before"},
	}
	if err := w.api.Create(w.ctx, earlier); err != nil {
		return err
	}
	w.except(model.ConfigMap, earlierPlace, b)
	w.history.Update(time.Now(), func(m *model.World) { m.Adopted[b.at(earlierPlace)] = true })
	w.report.count("targets with content from before")
	return w.wantIn(earlierPlace, true)
}

// consent checks that nothing has been changed in the object of withEarlier, and lets the
// operator change it.
func (w *world) consent() error {
	at := w.bundles[0].at(earlierPlace)
	before := &corev1.ConfigMap{}
	if err := w.persist(at.String(), func(ctx context.Context) error {
		return w.api.Get(ctx, client.ObjectKey{Namespace: at.Namespace, Name: at.Bundle}, before)
	}); err != nil {
		return err
	}
	if len(before.Data) != 2 || before.Data[pemKey] != "their own" || len(before.Labels) > 0 || len(before.Annotations) != 1 {
		w.judge.violations.add(kept, "%s was changed without consent: it has %q", at, before.Data[pemKey])
	}
	return w.meddle(at, map[string]any{"metadata": map[string]any{"annotations": map[string]any{v1alpha1.AdoptAnnotationKey: "true"}}})
}
