package integration

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/rig"
)

// optional makes sources optional.
func optional(sources []v1alpha1.BundleSource) []v1alpha1.BundleSource {
	for _, one := range sources {
		for _, object := range []*v1alpha1.SourceObject{one.ConfigMap, one.Secret} {
			if object != nil {
				object.Optional = true
			}
		}
	}
	return sources
}

// K1, S13: an optional source may be missing, both the object and its key; it joins the
// bundle when it appears, and leaves it when it is deleted. The status reports that it
// is missing. S8: its content has to be valid.
func TestOptionalSource(t *testing.T) { eachAPIKind(t, testOptionalSource) }

func testOptionalSource(t *testing.T, s *scene) {
	namespaces := s.namespaces(2)
	ca, extra := newAuthority("CA"), newAuthority("Extra")
	late := configMap(rig.TrustNamespace, s.unique())
	bundle := s.bundle(slices.Concat(optional(from(late)), inLine(ca)))
	awaitTargets(t, bundle, namespaces, ca)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSynced, "in 2 namespaces", late.Name, "the object does not exist", "optional")

	late.Data = map[string]string{"other": pemOf(extra)}
	s.temporary(late)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSynced, late.Name, "no such key", "optional")
	fill(t, late, extra)
	awaitTargets(t, bundle, namespaces, extra, ca)
	change(t, late, func(o *corev1.ConfigMap) { o.Data[sourceKey] = "damaged" })
	awaitCondition(t, bundle, v1alpha1.BundleReasonSourceBuildError, late.Name)
	awaitTargets(t, bundle, namespaces, extra, ca)
	change(t, late, func(o *corev1.ConfigMap) { delete(o.Data, sourceKey) })
	awaitTargets(t, bundle, namespaces, ca)
	awaitSynced(t, bundle, 2)
}

// K1, S9: if all sources are optional and missing, nothing is written; selected objects
// without the key are skipped.
func TestNothingButOptionalSources(t *testing.T) { eachAPIKind(t, testNothingButOptionalSources) }

func testNothingButOptionalSources(t *testing.T, s *scene) {
	namespaces := s.namespaces(1)
	ca := newAuthority("CA")
	with, without := s.sourceOf("to come"), s.sourceOf("to come")
	for _, object := range []*corev1.ConfigMap{with, without} {
		change(t, object, func(o *corev1.ConfigMap) { o.Data = map[string]string{"other": "text"} })
		s.selected(object)
	}
	selecting, _ := s.selecting(sourceKey)
	bundle := s.bundle(optional([]v1alpha1.BundleSource{selecting}))
	awaitCondition(t, bundle, v1alpha1.BundleReasonSourceNotFound, "contain no certificates")
	if err := absent(t, bundle, namespaces[0]); err != nil {
		t.Error(err)
	}
	change(t, with, func(o *corev1.ConfigMap) { o.Data[sourceKey] = pemOf(ca) })
	awaitTargets(t, bundle, namespaces, ca)
	awaitSynced(t, bundle, 1)
}
