package apis_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
)

// v1alpha1Bundle returns a Bundle with the metadata that the API server sets.
func v1alpha1Bundle(spec v1alpha1.BundleSpec) *v1alpha1.Bundle {
	return &v1alpha1.Bundle{
		ObjectMeta: metav1.ObjectMeta{Name: "roots", UID: "0b9c", Generation: 7},
		Spec:       spec,
	}
}

func TestBundleSpec(t *testing.T) {
	t.Parallel()
	from := v1alpha1Bundle(v1alpha1.BundleSpec{
		Sources: []v1alpha1.BundleSource{
			{Secret: &v1alpha1.SourceObject{Name: "b", Key: "tls.crt"}},
			{UseDefaultCAs: new(true)},
			{InLine: new("text")},
			{ConfigMap: &v1alpha1.SourceObject{Name: "a", Key: "ca.crt"}},
		},
		Target: &v1alpha1.BundleTarget{
			ConfigMap: &v1alpha1.TargetObject{Key: "bundle.pem", Metadata: v1alpha1.TargetMetadata{
				Labels:      map[string]string{"l": "1"},
				Annotations: map[string]string{"a": "2"},
			}},
			NamespaceSelector: &v1alpha1.LabelSelector{MatchLabels: map[string]string{"team": "x"}},
		},
		Filters: &v1alpha1.BundleFilters{Expired: v1alpha1.FilterReject, NotCA: v1alpha1.FilterDrop, NotSelfSigned: v1alpha1.FilterKeep},
	})
	want := bundle.Spec{
		ID:         bundle.ID{Kind: bundle.APIBundle, Name: "roots"},
		Generation: 7,
		Marks:      apis.Bundle{}.Marks(),
		Owner: metav1.OwnerReference{
			APIVersion: "trust.cert-manager.io/v1alpha1", Kind: "Bundle", Name: "roots", UID: "0b9c",
			Controller: new(true), BlockOwnerDeletion: new(true),
		},
		Sources: []bundle.Source{
			{Field: "spec.sources[0].secret", Object: &bundle.ObjectSource{Kind: bundle.Secret, Name: "b", Key: "tls.crt"}},
			{Field: "spec.sources[1].useDefaultCAs", DefaultCAs: true},
			{Field: "spec.sources[2].inLine", Text: "text"},
			{Field: "spec.sources[3].configMap", Object: &bundle.ObjectSource{Kind: bundle.ConfigMap, Name: "a", Key: "ca.crt"}},
		},
		Filter: bundle.Filter{Expired: bundle.Reject, NonCA: bundle.Drop, NotSelfSigned: bundle.Keep},
		Targets: []bundle.Target{{
			Field: "spec.target.configMap", Kind: bundle.ConfigMap,
			Files:  []bundle.File{{Field: "spec.target.configMap", Format: bundle.PEM, Key: "bundle.pem"}},
			Labels: map[string]string{"l": "1"}, Annotations: map[string]string{"a": "2"},
		}},
	}
	got, problems := apis.Bundle{}.Spec(from)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want.NamespacesField = "spec.target.namespaceSelector"
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(bundle.Spec{}, "Namespaces")); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	if selector := got.Namespaces.String(); selector != "team=x" {
		t.Errorf("namespaces %q, want team=x", selector)
	}
}

// A5: useDefaultCAs: false is not a source, and does not shift the others.
func TestBundleSpecDefaultCAs(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		value bool
		want  []string
	}{
		"true":  {true, []string{"spec.sources[0].useDefaultCAs", "spec.sources[1].inLine"}},
		"false": {false, []string{"spec.sources[1].inLine"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, problems := apis.Bundle{}.Spec(v1alpha1Bundle(v1alpha1.BundleSpec{
				Sources: []v1alpha1.BundleSource{{UseDefaultCAs: &tc.value}, {InLine: new("text")}},
			}))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			var fields []string
			for _, source := range got.Sources {
				fields = append(fields, source.Field)
			}
			if diff := cmp.Diff(tc.want, fields); diff != "" {
				t.Errorf("sources (-want +got):\n%s", diff)
			}
			if used := slices.ContainsFunc(got.Sources, func(s bundle.Source) bool { return s.DefaultCAs }); used != tc.value {
				t.Errorf("default CAs used: %t", used)
			}
		})
	}
}

// A6, A11: the selected namespaces of each kind of target.
func TestBundleSpecNamespaces(t *testing.T) {
	t.Parallel()
	target := func(selector *v1alpha1.LabelSelector) *v1alpha1.BundleTarget {
		return &v1alpha1.BundleTarget{ConfigMap: &v1alpha1.TargetObject{Key: "k"}, NamespaceSelector: selector}
	}
	cases := map[string]struct {
		target  *v1alpha1.BundleTarget
		targets int
		matches map[string]bool // by the value of the label env
	}{
		"A6: no target":      {nil, 0, map[string]bool{"": true}},
		"A11: no selector":   {target(nil), 1, map[string]bool{"": true, "prod": true}},
		"A11: empty":         {target(&v1alpha1.LabelSelector{}), 1, map[string]bool{"": true, "prod": true}},
		"A11: a label":       {target(&v1alpha1.LabelSelector{MatchLabels: map[string]string{"env": "prod"}}), 1, map[string]bool{"": false, "prod": true}},
		"A11: an expression": {target(notProd()), 1, map[string]bool{"": true, "prod": false}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, problems := apis.Bundle{}.Spec(v1alpha1Bundle(v1alpha1.BundleSpec{Target: tc.target}))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			if len(got.Targets) != tc.targets {
				t.Errorf("%d targets, want %d", len(got.Targets), tc.targets)
			}
			for value, want := range tc.matches {
				if selected := got.Namespaces.Matches(labels.Set{"env": value}); selected != want {
					t.Errorf("a namespace with env=%q is selected: %t, want %t", value, selected, want)
				}
			}
		})
	}
}

func notProd() *v1alpha1.LabelSelector {
	return &v1alpha1.LabelSelector{MatchExpressions: []v1alpha1.LabelSelectorRequirement{
		{Key: "env", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"prod"}},
	}}
}

// Each invalid field is reported with its path. The Spec still has the exclusions, which
// apply all the same.
func TestBundleSpecRefuses(t *testing.T) {
	t.Parallel()
	badSelector := &v1alpha1.LabelSelector{MatchExpressions: []v1alpha1.LabelSelectorRequirement{{Key: "k", Operator: "Near"}}}
	cases := map[string]struct {
		spec   v1alpha1.BundleSpec
		reason string
		fields []string
	}{
		"V6: malformed selectors of sources": {
			v1alpha1.BundleSpec{
				Sources: []v1alpha1.BundleSource{
					{ConfigMap: &v1alpha1.SourceObject{Name: "a", Key: "k"}},
					{ConfigMap: &v1alpha1.SourceObject{Selector: badSelector, Key: "k"}},
					{Secret: &v1alpha1.SourceObject{Selector: badSelector, Key: "k"}},
				},
			},
			"SourceBuildError",
			[]string{"spec.sources[1].configMap.selector", "spec.sources[2].secret.selector"},
		},
		"V6: a malformed selector": {
			v1alpha1.BundleSpec{Target: &v1alpha1.BundleTarget{
				ConfigMap: &v1alpha1.TargetObject{Key: "k"}, NamespaceSelector: badSelector,
			}},
			"SourceBuildError",
			[]string{"spec.target.namespaceSelector"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.spec.Exclude = []v1alpha1.Exclusion{{Subject: "CN=a"}}
			got, problems := apis.Bundle{}.Spec(v1alpha1Bundle(tc.spec))
			if got.ID.Name != "roots" || len(got.Filter.Exclude) != 1 {
				t.Errorf("without the ID or the exclusions: %+v", got)
			}
			if len(problems) == 0 || problems.Reason() != tc.reason {
				t.Errorf("reason %q, want %q", problems.Reason(), tc.reason)
			}
			var fields []string
			for _, problem := range problems {
				fields = append(fields, problem.Origin.Field)
			}
			if diff := cmp.Diff(tc.fields, fields); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
}

// A5, V1: if no entry is a source, the Spec has none and Build then fails. The API server
// rejects such Bundles, but older ones may be stored.
func TestBundleSpecWithoutSources(t *testing.T) {
	t.Parallel()
	for name, sources := range map[string][]v1alpha1.BundleSource{
		"none":           nil,
		"an empty one":   {{}},
		"only false":     {{UseDefaultCAs: new(false)}},
		"false and none": {{UseDefaultCAs: new(false)}, {}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, problems := apis.Bundle{}.Spec(v1alpha1Bundle(v1alpha1.BundleSpec{Sources: sources}))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			if len(got.Sources) != 0 {
				t.Errorf("sources %v", got.Sources)
			}
			var builder bundle.Builder
			if _, err := builder.Build(nil, bundle.Filter{}, time.Time{}); !errors.As(err, &problems) || problems.Reason() != "SourceNotFound" {
				t.Errorf("error %v", err)
			}
		})
	}
}

// T4: the Bundle is the controller of its targets, and they block its deletion.
// The conversion reads a Bundle of the cache, and does not modify it.
func TestBundleSpecChangesNothing(t *testing.T) {
	t.Parallel()
	from := v1alpha1Bundle(v1alpha1.BundleSpec{
		Sources: []v1alpha1.BundleSource{{InLine: new("text")}},
		Target: &v1alpha1.BundleTarget{
			ConfigMap: &v1alpha1.TargetObject{Key: "k", Metadata: v1alpha1.TargetMetadata{Labels: map[string]string{"l": "1"}}},
		},
	})
	before := from.DeepCopy()
	got, problems := apis.Bundle{}.Spec(from)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if diff := cmp.Diff(before, from); diff != "" {
		t.Errorf("the Bundle has changed (-before +after):\n%s", diff)
	}
	if !*got.Owner.Controller || !*got.Owner.BlockOwnerDeletion {
		t.Errorf("owner %v", got.Owner)
	}
}

// A3: sources by selector, and of all keys.
func TestBundleSpecObjects(t *testing.T) {
	t.Parallel()
	from := v1alpha1Bundle(v1alpha1.BundleSpec{Sources: []v1alpha1.BundleSource{
		{ConfigMap: &v1alpha1.SourceObject{Selector: &v1alpha1.LabelSelector{MatchLabels: map[string]string{"ca": "yes"}}, Key: "ca.crt"}},
		{Secret: &v1alpha1.SourceObject{Selector: &v1alpha1.LabelSelector{}, IncludeAllKeys: true, Optional: true}},
		{ConfigMap: &v1alpha1.SourceObject{Name: "a", IncludeAllKeys: true}},
	}})
	got, problems := apis.Bundle{}.Spec(from)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var described []string
	for _, source := range got.Sources {
		selector := "none"
		if source.Object.Selector != nil {
			selector = "{" + source.Object.Selector.String() + "}"
		}
		described = append(described, fmt.Sprintf("%s: %s name %q selector %s key %q all %t optional %t",
			source.Field, source.Object.Kind, source.Object.Name, selector, source.Object.Key, source.Object.AllKeys, source.Object.Optional))
	}
	want := []string{
		`spec.sources[0].configMap: ConfigMap name "" selector {ca=yes} key "ca.crt" all false optional false`,
		`spec.sources[1].secret: Secret name "" selector {} key "" all true optional true`,
		`spec.sources[2].configMap: ConfigMap name "a" selector none key "" all true optional false`,
	}
	if diff := cmp.Diff(want, described); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
}

// A16, A17: consent to overwriting, and targets that outlive the Bundle.
func TestBundleSpecPolicies(t *testing.T) {
	t.Parallel()
	for policy, orphan := range map[v1alpha1.DeletionPolicy]bool{"": false, v1alpha1.DeletionPolicyDelete: false, v1alpha1.DeletionPolicyOrphan: true} {
		for _, overwrite := range []bool{false, true} {
			target := &v1alpha1.BundleTarget{ConfigMap: &v1alpha1.TargetObject{Key: "k"}, DeletionPolicy: policy, Overwrite: overwrite}
			got, problems := apis.Bundle{}.Spec(v1alpha1Bundle(v1alpha1.BundleSpec{Target: target}))
			if len(problems) > 0 || got.Orphan != orphan || got.Overwrite != overwrite {
				t.Errorf("%q, %t: orphan %t, overwrite %t, problems %v", policy, overwrite, got.Orphan, got.Overwrite, problems)
			}
		}
	}
}

// A7 to A10: targets of both kinds, and key stores with the defaults for an unset
// password and profile.
func TestBundleSpecTargets(t *testing.T) {
	t.Parallel()
	object := &v1alpha1.TargetObject{Key: "k"}
	target := func(formats *v1alpha1.AdditionalFormats) *v1alpha1.BundleTarget {
		return &v1alpha1.BundleTarget{ConfigMap: object, AdditionalFormats: formats}
	}
	pem := func(field string) bundle.File { return bundle.File{Field: field, Format: bundle.PEM, Key: "k"} }
	configMap := func(stores ...bundle.File) bundle.Target {
		const field = "spec.target.configMap"
		return bundle.Target{Field: field, Kind: bundle.ConfigMap, Files: append([]bundle.File{pem(field)}, stores...)}
	}
	secret := bundle.Target{Field: "spec.target.secret", Kind: bundle.Secret, Files: []bundle.File{pem("spec.target.secret")}}
	const jks, pkcs12 = "spec.target.additionalFormats.jks", "spec.target.additionalFormats.pkcs12"
	cases := map[string]struct {
		target  *v1alpha1.BundleTarget
		targets []bundle.Target
	}{
		"A7: a Secret": {&v1alpha1.BundleTarget{Secret: object}, []bundle.Target{secret}},
		"A7: both":     {&v1alpha1.BundleTarget{Secret: object, ConfigMap: object}, []bundle.Target{configMap(), secret}},
		"A9: a JKS without a password": {
			target(&v1alpha1.AdditionalFormats{JKS: &v1alpha1.JKS{Key: "j"}}),
			[]bundle.Target{configMap(bundle.File{Field: jks, Format: bundle.JKS, Key: "j", Password: "changeit"})},
		},
		"A10: a PKCS#12 without anything": {
			target(&v1alpha1.AdditionalFormats{PKCS12: &v1alpha1.PKCS12{Key: "p"}}),
			[]bundle.Target{configMap(bundle.File{Field: pkcs12, Format: bundle.PKCS12, Key: "p", Profile: "LegacyRC2"})},
		},
		"A8, T3b: a hashed directory": {
			target(&v1alpha1.AdditionalFormats{HashedDirectory: &v1alpha1.HashedDirectory{}}),
			[]bundle.Target{configMap(bundle.File{Field: "spec.target.additionalFormats.hashedDirectory", Format: bundle.HashedDirectory})},
		},
		"A8: both, with everything": {
			target(&v1alpha1.AdditionalFormats{
				JKS:    &v1alpha1.JKS{Key: "j", Password: new("a")},
				PKCS12: &v1alpha1.PKCS12{Key: "p", Password: new("b"), Profile: v1alpha1.PKCS12ProfileModern2023},
			}),
			[]bundle.Target{configMap(
				bundle.File{Field: jks, Format: bundle.JKS, Key: "j", Password: "a"},
				bundle.File{Field: pkcs12, Format: bundle.PKCS12, Key: "p", Password: "b", Profile: "Modern2023"},
			)},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, problems := apis.Bundle{}.Spec(v1alpha1Bundle(v1alpha1.BundleSpec{Target: tc.target}))
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			if diff := cmp.Diff(tc.targets, got.Targets); diff != "" {
				t.Errorf("targets (-want +got):\n%s", diff)
			}
			for _, kind := range []bundle.Kind{bundle.ConfigMap, bundle.Secret} {
				want := slices.ContainsFunc(tc.targets, func(t bundle.Target) bool { return t.Kind == kind })
				if got.HasTarget(kind) != want {
					t.Errorf("HasTarget(%s) = %t", kind, !want)
				}
			}
		})
	}
}

// The API server rejects these values; one that gets through must not crash.
func TestExclusionsRefuse(t *testing.T) {
	t.Parallel()
	spec, problems := apis.Bundle{}.Spec(v1alpha1Bundle(v1alpha1.BundleSpec{Exclude: []v1alpha1.Exclusion{
		{SHA256: "00"}, {PublicKeySHA256: strings.Repeat("g", 64)}, {Subject: "CN=a", Comment: "incident 17"},
	}}))
	if got := spec.Filter.Exclude[2].Comment; got != "incident 17" {
		t.Errorf("the comment is %q", got)
	}
	var fields []string
	for _, problem := range problems {
		fields = append(fields, problem.Origin.Field)
	}
	if diff := cmp.Diff([]string{"spec.exclude[0].sha256", "spec.exclude[1].publicKeySHA256"}, fields); diff != "" || len(spec.Filter.Exclude) != 3 {
		t.Errorf("%d exclusions; problems (-want +got):\n%s", len(spec.Filter.Exclude), diff)
	}
}
