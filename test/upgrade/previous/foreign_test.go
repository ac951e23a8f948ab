package previous

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
)

// foreignManager is the field manager of everything that is not the operator's.
const foreignManager = "another-manager"

// foreignData is a data key of another field manager.
var foreignData = map[string]string{"foreign": "data"}

// foreignShapes have a target, in the first namespace, that another field manager has
// written to: before the operator created it, or afterwards.
func foreignShapes(w *world) []*shape {
	return []*shape{
		w.foreign("co-owned-key", nil, func(w *world, name string) {
			w.applyForeign(w.targetCopy(name, func(from, to *corev1.ConfigMap) { to.Data = from.Data }))
		}),
		w.foreign("co-owned-metadata", nil, func(w *world, name string) {
			w.applyForeign(w.targetCopy(name, func(from, to *corev1.ConfigMap) { to.Labels, to.Annotations = from.Labels, from.Annotations }))
		}),
		w.foreign("foreign-key", isShared, func(w *world, name string) {
			w.applyForeign(w.targetCopy(name, func(_, to *corev1.ConfigMap) { to.Data = foreignData }))
		}),
		w.foreign("foreign-metadata", nil, func(w *world, name string) {
			w.applyForeign(w.targetCopy(name, func(_, to *corev1.ConfigMap) { to.Labels, to.Annotations = foreignData, foreignData }))
		}),
		w.foreign("immutable", nil, func(w *world, name string) {
			w.patchTarget(name, `{"immutable":true}`)
		}),
		w.foreign("untracked", nil, func(w *world, name string) {
			w.patchTarget(name, `{"metadata":{"managedFields":[{}]}}`)
		}),
		w.adopting("adopted", isShared, func(o *corev1.ConfigMap) {
			o.Data = map[string]string{pemKey: authority("Old"), "foreign": "data"}
			o.Labels = foreignData
		}),
		w.adopting("adopted-same-key", nil, func(o *corev1.ConfigMap) { o.Data = map[string]string{pemKey: authority("Old")} }),
		w.adopting("copied-backup", nil, func(o *corev1.ConfigMap) {
			o.Data = map[string]string{pemKey: authority("Old")}
			o.Labels = map[string]string{v1alpha1.BundleLabelKey: "copied-backup"}
			o.Annotations = map[string]string{v1alpha1.BundleHashAnnotationKey: "0123456789abcdef"}
		}),
		typedSecret(),
		releasedSecret(),
	}
}

func isShared(s *shape) { s.shared = true }

// foreign returns a Bundle to whose target another field manager writes after the first
// rollout.
func (w *world) foreign(name string, shared option, write func(*world, string)) *shape {
	s := newShape(name, inLine("CA"), func(s *shape) { s.then = func(w *world) { write(w, name) } })
	if shared != nil {
		shared(s)
	}
	return s
}

// adopting returns a Bundle for which another field manager has created an object of the
// target's name before.
func (w *world) adopting(name string, shared option, change func(*corev1.ConfigMap)) *shape {
	s := newShape(name, inLine("CA"), func(s *shape) {
		s.before = func(w *world) {
			object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespaces[0], Name: name}}
			change(object)
			w.apply(object)
		}
	})
	if shared != nil {
		shared(s)
	}
	return s
}

// typedSecret has a Secret target that exists before, with a type of its own.
func typedSecret() *shape {
	const name = "typed-secret"
	return newShape(name, inLine("CA"), bothKinds, func(s *shape) {
		s.shared = true
		s.before = func(w *world) {
			w.apply(&corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Namespace: w.namespaces[0], Name: name},
				Type:       "example.com/typed",
				StringData: foreignData,
			})
		}
	})
}

// releasedSecret has no Secret targets any more; one of the released objects remains, since
// it holds foreign data.
func releasedSecret() *shape {
	const name = "released-secret"
	s := newShape(name, inLine("CA"), bothKinds)
	s.then = func(w *world) {
		w.applyForeign(&corev1.Secret{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: secret},
			ObjectMeta: metav1.ObjectMeta{Namespace: w.namespaces[0], Name: name},
			Data:       map[string][]byte{"foreign": []byte("data")},
		})
		w.changeBundle(name, func(b *v1alpha1.Bundle) { b.Spec.Target.Secret = nil })
		s.bundle.Spec.Target.Secret = nil
		w.awaitReleased(name)
	}
	return s
}

// targetCopy returns the parts of a target in the first namespace that fill copies.
func (w *world) targetCopy(name string, fill func(from, to *corev1.ConfigMap)) *corev1.ConfigMap {
	w.t.Helper()
	var target corev1.ConfigMap
	if err := w.api.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespaces[0], Name: name}, &target); err != nil {
		w.t.Fatal(err)
	}
	part := &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: configMap},
		ObjectMeta: metav1.ObjectMeta{Namespace: target.Namespace, Name: target.Name},
	}
	fill(&target, part)
	return part
}

// patchTarget changes the target in the first namespace.
func (w *world) patchTarget(name, patch string) {
	w.t.Helper()
	target := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespaces[0], Name: name}}
	if err := w.api.Patch(w.t.Context(), target, client.RawPatch(types.MergePatchType, []byte(patch)), client.FieldOwner(foreignManager)); err != nil {
		w.t.Fatal(err)
	}
}
