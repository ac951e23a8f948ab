package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/test/framework/model"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// The namespaces in which ConfigMaps are obstructed.
const (
	quotaPlace     = prefix + "quota"
	policyPlace    = prefix + "policy"
	webhookPlace   = prefix + "webhook"
	immutablePlace = prefix + "immutable"
	foreignPlace   = prefix + "foreign"
	earlierPlace   = prefix + "earlier"
)

// obstruct obstructs some targets. Only those fail: all others receive each change, and
// the statuses report the failures. Then it removes the obstacles: refused targets
// converge by themselves, immutable or foreign ones once the object is deleted, and one
// with content from before once its owner has consented.
func (w *world) obstruct(size sizes) error {
	r := w.random("obstacles")
	for range size.obstacles {
		for _, do := range []func() error{w.withQuota, w.withPolicy, w.withWebhook, w.withImmutable, w.withForeign, w.withEarlier} {
			if err := do(); err != nil {
				return err
			}
		}
		if err := w.changeBeside(r); err != nil {
			return err
		}
		if err := w.clear(); err != nil {
			return err
		}
	}
	return nil
}

// except excludes the targets of a kind in a namespace from the expectations, for all
// bundles or only some.
func (w *world) except(kind, namespace string, only ...*bundle) {
	if only == nil {
		only = w.bundles
	}
	w.history.Update(time.Now(), func(m *model.World) {
		for _, b := range only {
			if b.kind == kind {
				w.obstructed = append(w.obstructed, b.at(namespace))
				m.Refused[b.at(namespace)] = true
			}
		}
	})
}

// withQuota sets a quota that allows only the existing ConfigMaps.
func (w *world) withQuota() error {
	if err := w.removeNamespace(quotaPlace); err != nil {
		return err
	}
	if err := w.makeNamespace(quotaPlace, false); err != nil {
		return err
	}
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: quotaPlace, Name: "none"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourceConfigMaps: resource.MustParse("0")}},
	}
	if err := w.api.Create(w.ctx, quota); err != nil {
		return err
	}
	err := poll.Until(w.ctx, "the quota to take effect", func() error {
		if err := w.api.Get(w.ctx, client.ObjectKeyFromObject(quota), quota); err != nil {
			return err
		}
		if len(quota.Status.Hard) == 0 {
			return fmt.Errorf("its status is empty")
		}
		probe := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: quotaPlace, Name: "probe"}}
		if err := w.api.Create(w.ctx, probe, client.DryRunAll); !apierrors.IsForbidden(err) {
			return fmt.Errorf("a ConfigMap is taken: %w", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	w.except(model.ConfigMap, quotaPlace)
	w.report.count("quotas against ConfigMaps")
	return w.wantIn(quotaPlace, true)
}

// withWebhook registers an admission webhook that denies the operator's writes.
func (w *world) withWebhook() error {
	if err := w.makeNamespace(webhookPlace, true, rig.FaultyLabel); err != nil {
		return err
	}
	env.Admission.Refuse(webhookPlace)
	w.except(model.ConfigMap, webhookPlace)
	w.except(model.Secret, webhookPlace)
	w.report.count("webhooks that refuse writes")
	return nil
}

// changeBeside changes everything, and waits until all targets that are not obstructed
// have the change.
func (w *world) changeBeside(r *rand.Rand) error {
	for range 2 {
		for _, b := range w.bundles {
			if _, err := w.fresh(r, b); err != nil {
				return err
			}
		}
		if err := poll.UntilWithin(w.ctx, convergence, "all others to take the changes", w.compare); err != nil {
			w.judge.violations.add(converges, "while some targets cannot be written: %v", err)
			return err
		}
	}
	present := w.observer.present()
	for _, at := range w.obstructed {
		if w.history.Held(at, present[at]) == w.history.Current(at.Bundle) {
			return fmt.Errorf("%s has taken the change, although it was not to be possible", at)
		}
	}
	return nil
}

// clear removes all obstacles.
func (w *world) clear() error {
	if err := w.api.Delete(w.ctx, &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: quotaPlace, Name: "none"}}); err != nil {
		return err
	}
	if err := w.withoutPolicy(); err != nil {
		return err
	}
	env.Admission.Admit(webhookPlace)
	for _, namespace := range []string{immutablePlace, foreignPlace} {
		at := w.bundles[0].at(namespace)
		if err := w.persist("deletion of "+at.String(), func(context.Context) error { return w.remove(at) }); err != nil {
			return err
		}
	}
	if err := w.consent(); err != nil {
		return err
	}
	w.obstructed = nil
	w.history.Update(time.Now(), func(m *model.World) { clear(m.Refused) })
	return nil
}
