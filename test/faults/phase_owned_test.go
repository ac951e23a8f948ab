package faults

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
