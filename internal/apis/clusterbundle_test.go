package apis_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/api/trustmanager/v1alpha2"
	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
)

func clusterBundle(spec v1alpha2.ClusterBundleSpec) *v1alpha2.ClusterBundle {
	return &v1alpha2.ClusterBundle{ObjectMeta: metav1.ObjectMeta{Name: "roots", UID: "0b9c", Generation: 7}, Spec: spec}
}

// E1, E2: what a ClusterBundle with every field is converted to. Default CAs come first, and
// inline CAs last.
func TestClusterBundleSpec(t *testing.T) {
	t.Parallel()
	object := &v1alpha2.TargetObject{
		Data: []v1alpha2.TargetFile{
			{Key: "a.pem"},
			{Key: "b.pem", Format: v1alpha2.FormatPEM},
			{Key: "c.p12", Format: v1alpha2.FormatPKCS12},
			{Key: "d.p12", Format: v1alpha2.FormatPKCS12, Password: new("p"), Profile: v1alpha1.PKCS12ProfileModern2023},
			{Key: "e.jks", Format: v1alpha2.FormatJKS},
			{Key: "f.jks", Format: v1alpha2.FormatPKCS12, Password: new("q")},
			{Key: "g.pem", Format: v1alpha2.FormatHashedDirectory},
		},
		Metadata: &v1alpha2.TargetMetadata{Labels: map[string]string{"l": "1"}, Annotations: map[string]string{"a": "2"}},
	}
	from := clusterBundle(v1alpha2.ClusterBundleSpec{
		SourceRefs: []v1alpha2.SourceRef{
			{Kind: v1alpha2.SourceSecret, Name: "b", Key: "tls.crt"},
			{Kind: v1alpha2.SourceConfigMap, Name: "a", Key: "*.crt", Optional: true},
		},
		DefaultCAs: &v1alpha2.DefaultCAs{Provider: v1alpha2.DefaultCAProviderSystem},
		InLineCAs:  new("text"),
		Filters:    &v1alpha1.BundleFilters{Expired: v1alpha1.FilterReject},
		Target: &v1alpha2.ClusterBundleTarget{
			Secret: object, Overwrite: true, DeletionPolicy: v1alpha1.DeletionPolicyOrphan,
			NamespaceSelector: v1alpha1.LabelSelector{MatchLabels: map[string]string{"team": "x"}},
		},
	})
	from.Annotations = map[string]string{v1alpha2.JKSKeyAnnotationKey: "f.jks"}
	file := func(at, key string, format bundle.Format, password, profile string) bundle.File {
		return bundle.File{Field: "spec.target.secret.data[" + at + "]", Key: key, Format: format, Password: password, Profile: profile}
	}
	want := bundle.Spec{
		ID:         bundle.ID{Kind: bundle.APIClusterBundle, Name: "roots"},
		Generation: 7,
		Marks:      apis.ClusterBundle{}.Marks(),
		Owner: metav1.OwnerReference{
			APIVersion: "trust-manager.io/v1alpha2", Kind: "ClusterBundle", Name: "roots", UID: "0b9c",
			Controller: new(true), BlockOwnerDeletion: new(true),
		},
		Sources: []bundle.Source{
			{Field: "spec.defaultCAs", DefaultCAs: true},
			{Field: "spec.sourceRefs[0]", Object: &bundle.ObjectSource{Kind: bundle.Secret, Name: "b", Key: "tls.crt"}},
			{Field: "spec.sourceRefs[1]", Object: &bundle.ObjectSource{Kind: bundle.ConfigMap, Name: "a", Pattern: "*.crt", Optional: true}},
			{Field: "spec.inLineCAs", Text: "text"},
		},
		Filter:    bundle.Filter{Expired: bundle.Reject},
		Overwrite: true, Orphan: true,
		NamespacesField: "spec.target.namespaceSelector",
		Targets: []bundle.Target{{
			Field: "spec.target.secret", Kind: bundle.Secret, Labels: map[string]string{"l": "1"}, Annotations: map[string]string{"a": "2"},
			Files: []bundle.File{
				file("0", "a.pem", bundle.PEM, "", ""),
				file("1", "b.pem", bundle.PEM, "", ""),
				file("2", "c.p12", bundle.PKCS12, "", "LegacyDES"),
				file("3", "d.p12", bundle.PKCS12, "p", "Modern2023"),
				file("4", "e.jks", bundle.JKS, "changeit", ""),
				file("5", "f.jks", bundle.JKS, "q", ""),
				file("6", "g.pem", bundle.PEM, "", ""),
				file("6", "", bundle.HashedDirectory, "", ""),
			},
		}},
	}
	got, problems := apis.ClusterBundle{}.Spec(from)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(bundle.Spec{}, "Namespaces")); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	if selector := got.Namespaces.String(); selector != "team=x" {
		t.Errorf("namespaces %q, want team=x", selector)
	}
}

// E1: what little a ClusterBundle may have. An empty selector selects all namespaces, and is the
// only way to do so.
func TestSmallClusterBundles(t *testing.T) {
	t.Parallel()
	spec, problems := apis.ClusterBundle{}.Spec(clusterBundle(v1alpha2.ClusterBundleSpec{
		DefaultCAs: &v1alpha2.DefaultCAs{Provider: v1alpha2.DefaultCAProviderDisabled},
		Rotation:   &v1alpha1.BundleRotation{Retain: metav1.Duration{Duration: 1}},
	}))
	if len(problems)+len(spec.Sources)+len(spec.Targets)+int(spec.Rotation.Retain) > 0 {
		t.Errorf("without sources and a target: %+v, %v", spec, problems)
	}
	spec, problems = apis.ClusterBundle{}.Spec(clusterBundle(v1alpha2.ClusterBundleSpec{
		InLineCAs: new("text"),
		Target:    &v1alpha2.ClusterBundleTarget{ConfigMap: &v1alpha2.TargetObject{Data: []v1alpha2.TargetFile{{Key: "k"}}}},
	}))
	if len(problems) > 0 || !spec.Namespaces.Empty() || spec.NamespacesField != "" {
		t.Errorf("an empty selector: %+v, %v", spec, problems)
	}
}

// Objects of another API kind have no spec, and no report.
func TestWrongKind(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		adapter apis.Adapter
		wrong   apis.Adapter
	}{{apis.Bundle{}, apis.ClusterBundle{}}, {apis.ClusterBundle{}, apis.Bundle{}}} {
		wrong := tc.wrong.New()
		if _, problems := tc.adapter.Spec(wrong); len(problems) != 1 {
			t.Errorf("%T: problems %v", tc.adapter, problems)
		}
		if report := tc.adapter.Report(wrong); report.Inventory != nil {
			t.Errorf("%T: report %+v", tc.adapter, report)
		}
		if tc.adapter.HasSameSpec(wrong, wrong) || !tc.adapter.HasSameSpec(tc.adapter.New(), tc.adapter.New()) {
			t.Errorf("%T: equal specs", tc.adapter)
		}
	}
}
