package apis

import (
	"maps"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/api/trustmanager/v1alpha2"
)

// WithCertificate returns the manifest of a definition that has one more certificate, in PEM, as
// inline text.
func WithCertificate(object client.Object, pem string) client.Object {
	manifest := manifestOf(object)
	switch manifest := manifest.(type) {
	case *v1alpha1.Bundle:
		manifest.Spec.Sources = append(manifest.Spec.Sources, v1alpha1.BundleSource{InLine: &pem})
	case *v1alpha2.ClusterBundle:
		if before := manifest.Spec.InLineCAs; before != nil {
			pem = strings.TrimSuffix(*before, "\n") + "\n" + pem
		}
		manifest.Spec.InLineCAs = &pem
	}
	return manifest
}

// WithExclusion returns the manifest of a definition that excludes one more certificate, by its
// hexadecimal SHA-256.
func WithExclusion(object client.Object, sha256, comment string) client.Object {
	manifest := manifestOf(object)
	exclusion := v1alpha1.Exclusion{SHA256: sha256, Comment: comment}
	switch manifest := manifest.(type) {
	case *v1alpha1.Bundle:
		manifest.Spec.Exclude = append(manifest.Spec.Exclude, exclusion)
	case *v1alpha2.ClusterBundle:
		manifest.Spec.Exclude = append(manifest.Spec.Exclude, exclusion)
	}
	return manifest
}

// manifestOf returns a copy of a definition without its status and what the API server has set.
func manifestOf(object client.Object) client.Object {
	annotations := maps.Clone(object.GetAnnotations())
	delete(annotations, lastApplied)
	meta := metav1.ObjectMeta{Name: object.GetName(), Labels: maps.Clone(object.GetLabels()), Annotations: annotations}
	switch object := object.(type) {
	case *v1alpha1.Bundle:
		manifest := &v1alpha1.Bundle{ObjectMeta: meta, Spec: *object.Spec.DeepCopy()}
		manifest.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.BundleKind))
		return manifest
	case *v1alpha2.ClusterBundle:
		manifest := &v1alpha2.ClusterBundle{ObjectMeta: meta, Spec: *object.Spec.DeepCopy()}
		manifest.SetGroupVersionKind(v1alpha2.GroupVersion.WithKind(v1alpha2.ClusterBundleKind))
		return manifest
	}
	return object
}
