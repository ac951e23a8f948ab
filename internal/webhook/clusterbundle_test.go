package webhook

import (
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"

	"trust-manager.io/api/trustmanager/v1alpha2"
	"trust-manager.io/internal/apis"
)

// R3: the path of each API kind.
func TestPath(t *testing.T) {
	t.Parallel()
	for adapter, want := range map[apis.Adapter]string{
		apis.Bundle{}: bundlePath, apis.ClusterBundle{}: "/validate-trust-manager-io-v1alpha2-clusterbundle",
	} {
		if got := Path(adapter); got != want {
			t.Errorf("%T: %s, want %s", adapter, got, want)
		}
	}
}

// clusterBundleOf returns a ClusterBundle with a file and changes.
func clusterBundleOf(text string, changes ...func(*v1alpha2.ClusterBundleSpec)) *v1alpha2.ClusterBundle {
	c := &v1alpha2.ClusterBundle{}
	c.SetGroupVersionKind(apis.ClusterBundle{}.GroupVersionKind())
	c.Name = "example"
	c.Spec.InLineCAs = &text
	c.Spec.Target = &v1alpha2.ClusterBundleTarget{ConfigMap: &v1alpha2.TargetObject{Data: []v1alpha2.TargetFile{{Key: "ca.pem"}}}}
	for _, change := range changes {
		change(&c.Spec)
	}
	return c
}

// R3, E5: a ClusterBundle is refused at its own fields, and warned of like a Bundle. Selecting
// all namespaces is no mistake: there is no other way to say it.
func TestHandleClusterBundle(t *testing.T) {
	t.Parallel()
	second := func(file v1alpha2.TargetFile) func(*v1alpha2.ClusterBundleSpec) {
		return func(s *v1alpha2.ClusterBundleSpec) { s.Target.ConfigMap.Data = append(s.Target.ConfigMap.Data, file) }
	}
	beyond := "\U0001F600" // beyond the Basic Multilingual Plane
	big := map[string]string{"a": strings.Repeat("x", maxAnnotations(apis.ClusterBundle{}.Marks()))}
	for name, tc := range map[string]struct {
		asked    any
		field    string
		warnings []string
	}{
		"good":  {clusterBundleOf(root()), "", nil},
		"a key": {clusterBundleOf(root(), second(v1alpha2.TargetFile{Key: ".."})), "spec.target.configMap.data[1].key", nil},
		"a password": {clusterBundleOf(root(), second(v1alpha2.TargetFile{Key: "s", Format: v1alpha2.FormatPKCS12, Password: &beyond})),
			"spec.target.configMap.data[1].password", nil},
		"annotations": {clusterBundleOf(root(), func(s *v1alpha2.ClusterBundleSpec) {
			s.Target.ConfigMap.Metadata = &v1alpha2.TargetMetadata{Annotations: big}
		}), "spec.target.configMap.metadata.annotations", nil},
		"a leaf": {clusterBundleOf(certificate{leaf: true}.pem()), "", []string{"spec.inLineCAs: block 1"}},
		"JKS":    {clusterBundleOf(root(), second(v1alpha2.TargetFile{Key: "s", Format: v1alpha2.FormatJKS})), "", []string{"spec.target.configMap.data[1]: JKS is deprecated"}},
		"a chain": {clusterBundleOf(root(), func(s *v1alpha2.ClusterBundleSpec) {
			s.SourceRefs = []v1alpha2.SourceRef{{Kind: v1alpha2.SourceSecret, Name: "s", Key: "tls.crt"}}
		}), "", []string{"spec.sourceRefs[0].key: tls.crt"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := post(t, newTestHandler(t, &gatherer{text: root()}), review(t, admissionv1.Create, tc.asked, nil))
			if got.Allowed != (tc.field == "") {
				t.Fatalf("allowed %t: %+v", got.Allowed, got.Result)
			}
			if details := got.Result.Details; details != nil && (len(details.Causes) != 1 || details.Causes[0].Field != tc.field || details.Kind != "ClusterBundle") {
				t.Errorf("details %+v, want a cause at %s", details, tc.field)
			}
			if len(got.Warnings) != len(tc.warnings) {
				t.Fatalf("warnings %q", got.Warnings)
			}
			for i, warning := range tc.warnings {
				if !strings.HasPrefix(got.Warnings[i], warning) {
					t.Errorf("warning %q, want %q", got.Warnings[i], warning)
				}
			}
		})
	}
}
