package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/model"
)

// fresh changes one random source of a bundle, or its exclusions, and returns the
// revision that is desired afterwards.
func (w *world) fresh(r *rand.Rand, b *bundle) (*model.Revision, error) {
	if b.pool != nil && r.IntN(100) < excluding {
		return w.exclude(r, b)
	}
	part := r.IntN(len(b.sources))
	return w.change(b, part, b.certificates(r, part))
}

// traffic makes changes until the context ends: to sources, to labels of namespaces,
// and foreign changes to targets. It ignores errors, since the API server is meant to
// fail; but the test cannot continue unless it knows the outcome of a change to a source
// or a label.
func (w *world) traffic(ctx context.Context, r *rand.Rand, every time.Duration) error {
	flips := map[string]bool{}
	for ctx.Err() == nil {
		at := w.anyTarget(r, w.history.Namespaces())
		switch number := r.IntN(100); {
		case number < 45:
			if _, err := w.fresh(r, pick(r, w.bundles)); err != nil {
				return err
			}
			w.report.count("changes of sources and Bundles")
		case number < 55:
			name := pick(r, flipping)
			if err := w.wantIn(name, flips[name]); err != nil {
				return err
			}
			flips[name] = !flips[name]
			w.report.count("labels of namespaces changed")
		case number < 70:
			w.done("targets deleted by others", w.remove(at))
		case number < 75:
			w.done("objects of strangers with the operator's label, up to the largest", w.stranger(r))
		case number < 85:
			w.done("targets tampered with", w.tamper(r))
		default:
			w.done("foreign keys, labels and annotations added to targets", w.meddle(at, planting(r, at)))
		}
		select {
		case <-ctx.Done():
		case <-time.After(upTo(r, 2*every)):
		}
	}
	// The next traffic assumes that the flipping namespaces are selected.
	for _, name := range flipping {
		if err := w.wantIn(name, true); err != nil {
			return err
		}
	}
	return nil
}

// done counts a change to a target, which may not exist at the moment.
func (w *world) done(what string, err error) {
	if err == nil {
		w.report.count(what)
	}
}

// anyTarget returns a random target in some namespaces, which may not exist.
func (w *world) anyTarget(r *rand.Rand, namespaces []string) model.Target {
	return pick(r, w.bundles).at(pick(r, namespaces))
}

// tamper changes the operator's entries in a target, but not in a namespace that may be
// deselected: after that the entries are foreign, and stay.
func (w *world) tamper(r *rand.Rand) error {
	at := w.anyTarget(r, stable)
	return w.meddle(at, tampering(r, at))
}

// tampering returns changes to the operator's entries.
func tampering(r *rand.Rand, at model.Target) map[string]any {
	half := strings.Repeat("half a certificate ", 1+r.IntN(20))
	number := r.IntN(4)
	if at.Kind == model.ClusterTrustBundle && (number == 0 || number == 3) {
		return map[string]any{"spec": map[string]any{"trustBundle": ca.New("a stranger's").Certificate}}
	}
	switch number {
	case 0:
		return map[string]any{"data": map[string]any{pemKey: nil}}
	case 1:
		return map[string]any{"metadata": map[string]any{"labels": map[string]any{"trust.cert-manager.io/bundle": nil}}}
	case 2:
		return map[string]any{"metadata": map[string]any{"ownerReferences": nil}}
	}
	if at.Kind == model.Secret {
		return map[string]any{"stringData": map[string]any{pemKey: half}}
	}
	return map[string]any{"data": map[string]any{pemKey: half}}
}

// planting returns foreign entries to add: a key of data, a label or an annotation, or
// all of them.
func planting(r *rand.Rand, at model.Target) map[string]any {
	value, long := fmt.Sprintf("value-%d", r.IntN(1e6)), ""
	if r.IntN(8) == 0 { // up to the size limit, with the mark and the bundle
		long = strings.Repeat("x", r.IntN(200<<10))
	}
	planted := map[string]any{}
	what := r.IntN(4)
	if at.Kind == model.ClusterTrustBundle { // it has no keys
		what = 1 + what%2
	}
	if what == 0 || what == 3 {
		section := "data"
		if at.Kind == model.Secret {
			section = "stringData"
		}
		planted[section] = map[string]any{theirsData: value + long}
	}
	meta := map[string]any{}
	if what == 1 || what == 3 {
		meta["labels"] = map[string]any{theirs + "label": value}
	}
	if what == 2 || what == 3 {
		meta["annotations"] = map[string]any{noteKey: value + long}
	}
	planted["metadata"] = meta
	return planted
}

// strangers is the number of foreign objects in each namespace.
const strangers = 8

// stranger creates, changes or deletes an object that has the operator's label but is
// not a target: with names, labels, annotations, owners and data of any size.
func (w *world) stranger(r *rand.Rand) error {
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: pick(r, stable), Name: fmt.Sprintf("stranger-%d", r.IntN(strangers))}}
	ctx, cancel := context.WithTimeout(w.ctx, tryTime)
	defer cancel()
	if err := w.api.Delete(ctx, object); client.IgnoreNotFound(err) != nil || r.IntN(4) == 0 {
		return err
	}
	object.Labels = map[string]string{v1alpha1.BundleLabelKey: pick(r, []string{object.Name, w.bundles[0].name})}
	object.Annotations = map[string]string{v1alpha1.SharedAnnotationKey: pick(r, []string{"true", "", strings.Repeat("x", r.IntN(200<<10))})}
	object.Data = map[string]string{"mine": strings.Repeat("x", r.IntN(600<<10))}
	for i := range r.IntN(3000) {
		object.Labels[fmt.Sprintf("%sl%d", theirs, i)] = ""
	}
	for i := range r.IntN(3) * 1000 {
		object.OwnerReferences = append(object.OwnerReferences, metav1.OwnerReference{
			APIVersion: "v1", Kind: "ConfigMap", Name: fmt.Sprint("owner-", i), UID: types.UID(fmt.Sprint("owner-", i)),
		})
	}
	return w.api.Create(ctx, object)
}

// amid runs do during traffic, which has ended when amid returns.
func (w *world) amid(stream string, every time.Duration, do func(r *rand.Rand) error) error {
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	var (
		group  sync.WaitGroup
		failed error
	)
	group.Go(func() { failed = w.traffic(ctx, w.random("traffic of "+stream), every) })
	err := do(w.random(stream))
	cancel()
	group.Wait()
	if err != nil {
		return err
	}
	return failed
}
