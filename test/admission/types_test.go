package admission_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
)

// A1 to A11: each field accepts a value of its type, and of no other.
func TestTypes(t *testing.T) {
	checkPairs(t, map[string]pair{
		"A1 sources are a list": {
			valid:   `sources: [{inLine: x}]`,
			invalid: `sources: {inLine: x}`,
			at:      "spec.sources", says: "must be of type array",
		},
		"A2 a source is an object": {
			valid:   `sources: [{inLine: x}]`,
			invalid: `sources: [{inLine: x}, x]`,
			at:      "spec.sources[1]", says: "must be of type object",
		},
		"A3 includeAllKeys is a bool": {
			valid:   `sources: [{configMap: {name: o, includeAllKeys: true}}]`,
			invalid: `sources: [{configMap: {name: o, includeAllKeys: "true"}}]`,
			at:      "spec.sources[0].configMap.includeAllKeys", says: "must be of type boolean",
		},
		"A4 inLine is a string": {
			valid:   `sources: [{inLine: "1"}]`,
			invalid: `sources: [{inLine: 1}]`,
			at:      "spec.sources[0].inLine", says: "must be of type string",
		},
		"A5 useDefaultCAs is a bool": {
			valid:   `sources: [{useDefaultCAs: true}]`,
			invalid: `sources: [{useDefaultCAs: "true"}]`,
			at:      "spec.sources[0].useDefaultCAs", says: "must be of type boolean",
		},
		"A6 a target is an object": {
			valid:   withTarget(`configMap: {key: k}`),
			invalid: "sources: [{inLine: x}]\ntarget: [configMap]",
			at:      "spec.target", says: "must be of type object",
		},
		"A7 a key is a string": {
			valid:   withTarget(`configMap: {key: "1"}`),
			invalid: withTarget(`configMap: {key: 1}`),
			at:      "spec.target.configMap.key", says: "must be of type string",
		},
		"A7 the value of a label is a string": {
			valid:   withTarget(`configMap: {key: k, metadata: {labels: {a: "1"}}}`),
			invalid: withTarget(`configMap: {key: k, metadata: {labels: {a: 1}}}`),
			at:      "spec.target.configMap.metadata.labels.a", says: "must be of type string",
		},
		"A8 additional formats are an object": {
			valid:   withTarget(`configMap: {key: k}, additionalFormats: {jks: {key: j}}`),
			invalid: withTarget(`configMap: {key: k}, additionalFormats: [jks]`),
			at:      "spec.target.additionalFormats", says: "must be of type object",
		},
		"A9 a password is a string": {
			valid:   withTarget(`configMap: {key: k}, additionalFormats: {jks: {key: j, password: "1234"}}`),
			invalid: withTarget(`configMap: {key: k}, additionalFormats: {jks: {key: j, password: 1234}}`),
			at:      "spec.target.additionalFormats.jks.password", says: "must be of type string",
		},
		"A11 values are a list": {
			valid:   withTarget(`configMap: {key: k}, namespaceSelector: {matchExpressions: [{key: a, operator: In, values: [b]}]}`),
			invalid: withTarget(`configMap: {key: k}, namespaceSelector: {matchExpressions: [{key: a, operator: In, values: b}]}`),
			at:      "spec.target.namespaceSelector.matchExpressions[0].values", says: "must be of type array",
		},
	})
}

// V1 to V6: null equals an absent value, for every rule that counts values.
func TestNull(t *testing.T) {
	checkPairs(t, map[string]pair{
		"V1 null sources": {
			valid:   `sources: [{inLine: x}]`,
			invalid: `sources: null`,
			at:      "spec.sources", says: "Required value",
		},
		"V1 null for useDefaultCAs": {
			valid:   `sources: [{inLine: x}, {useDefaultCAs: false}]`,
			invalid: `sources: [{useDefaultCAs: false}, {useDefaultCAs: null}]`,
			at:      "spec.sources[1]", says: "exactly one of",
		},
		"V2 a null kind": {
			valid:   `sources: [{inLine: x, configMap: null, useDefaultCAs: null}]`,
			invalid: `sources: [{inLine: null}]`,
			at:      "spec.sources[0]", says: "exactly one of",
		},
		"V2 a null selector": {
			valid:   `sources: [{configMap: {name: o, selector: null, key: k}}]`,
			invalid: `sources: [{configMap: {selector: null, key: k}}]`,
			at:      "spec.sources[0].configMap", says: "exactly one of name and selector",
		},
		"V2 a null key": {
			valid:   `sources: [{configMap: {name: o, key: null, includeAllKeys: true}}]`,
			invalid: `sources: [{configMap: {name: o, key: null}}]`,
			at:      "spec.sources[0].configMap", says: "exactly one of key and includeAllKeys",
		},
		"V3 a null kind of target": {
			valid:   withTarget(`configMap: {key: k}, secret: null`),
			invalid: withTarget(`configMap: null`),
			at:      "spec.target", says: "at least one of configMap, secret and clusterTrustBundle",
		},
		"V3 a null format": {
			valid:   withTarget(`configMap: {key: k}, additionalFormats: null`),
			invalid: withTarget(`configMap: {key: k}, additionalFormats: {jks: null}`),
			at:      "spec.target.additionalFormats", says: "at least one of jks, pkcs12 and hashedDirectory",
		},
		"V6 null values": {
			valid:   withTarget(`configMap: {key: k}, namespaceSelector: {matchExpressions: [{key: a, operator: Exists, values: null}]}`),
			invalid: withTarget(`configMap: {key: k}, namespaceSelector: {matchExpressions: [{key: a, operator: In, values: null}]}`),
			at:      "spec.target.namespaceSelector", says: "In and NotIn need values",
		},
	})
}

// V1 to V8 apply to updates of a Bundle, too.
func TestRulesHoldForChanges(t *testing.T) {
	b := created(t, "change", withTarget(`configMap: {key: k}`))
	for name, tc := range map[string]struct {
		change   func(*v1alpha1.BundleSpec)
		at, says string
	}{
		"V1": {func(s *v1alpha1.BundleSpec) { s.Sources = nil }, "spec.sources", ""},
		"V2": {func(s *v1alpha1.BundleSpec) { s.Sources[0] = v1alpha1.BundleSource{} }, "spec.sources[0]", "exactly one of"},
		"V3": {func(s *v1alpha1.BundleSpec) { s.Target.ConfigMap = nil }, "spec.target", "at least one of"},
		"V4": {func(s *v1alpha1.BundleSpec) {
			s.Target.AdditionalFormats = &v1alpha1.AdditionalFormats{JKS: &v1alpha1.JKS{Key: "k"}}
		}, "spec.target.additionalFormats.jks.key", "must differ"},
		"V5": {func(s *v1alpha1.BundleSpec) {
			s.Target.ConfigMap.Metadata.Labels = map[string]string{v1alpha1.BundleLabelKey: "x"}
		}, "spec.target.configMap.metadata.labels", "belong to the operator"},
		"V6": {func(s *v1alpha1.BundleSpec) {
			s.Target.NamespaceSelector = &v1alpha1.LabelSelector{MatchLabels: map[string]string{"a b": "c"}}
		}, "spec.target.namespaceSelector", "a key of matchLabels"},
		"V7": {func(s *v1alpha1.BundleSpec) {
			s.Sources = []v1alpha1.BundleSource{{ConfigMap: &v1alpha1.SourceObject{Name: "change", Key: "k"}}}
		}, "spec", "must not read the ConfigMap target"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := b.DeepCopy()
			tc.change(&changed.Spec)
			checkRefusal(t, apiClient.Update(requestContext(t), changed, client.DryRunAll), tc.at, tc.says)
		})
	}
	t.Run("V8", func(t *testing.T) {
		long := created(t, strings.Repeat("n", 64), `sources: [{inLine: x}]`)
		long.Spec.Target = &v1alpha1.BundleTarget{ConfigMap: &v1alpha1.TargetObject{Key: "k"}}
		checkRefusal(t, apiClient.Update(requestContext(t), long, client.DryRunAll), wholeObject, "at most 63 characters")
	})
	t.Run("none is broken", func(t *testing.T) {
		changed := b.DeepCopy()
		changed.Spec.Target.ConfigMap.Key = "other"
		if err := apiClient.Update(requestContext(t), changed, client.DryRunAll); err != nil {
			t.Errorf("refused, want accepted: %v", err)
		}
	})
}

// A1: the list of sources is atomic: a manager that applies it takes over the
// whole list.
func TestSourcesAreAtomic(t *testing.T) {
	b := created(t, "atomic", `sources: [{inLine: x}, {inLine: other}]`)
	apply := &unstructured.Unstructured{Object: map[string]any{
		"metadata": map[string]any{"name": b.Name},
		"spec":     map[string]any{"sources": []any{map[string]any{"inLine": "z"}}},
	}}
	apply.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.BundleKind))
	err := apiClient.Apply(requestContext(t), client.ApplyConfigurationFromUnstructured(apply), client.FieldOwner("another"), client.ForceOwnership)
	if err != nil {
		t.Fatal(err)
	}
	if err := apiClient.Get(requestContext(t), client.ObjectKeyFromObject(b), b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]v1alpha1.BundleSource{{InLine: new("z")}}, b.Spec.Sources); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
}

// V5 without the webhook: CEL counts the characters of one annotation; only the
// webhook checks the total size in bytes.
func TestAnnotationsThatPass(t *testing.T) {
	for name, annotations := range map[string]string{
		"characters of two bytes": `a: "` + strings.Repeat("ö", 200000) + `"`,
		"two of them":             `a: ` + text(200000) + `, b: ` + text(200000),
	} {
		t.Run(name, func(t *testing.T) {
			expectAccepted(t, bundle(t, "", withTarget(`configMap: {key: k, metadata: {annotations: {`+annotations+`}}}`)))
		})
	}
}
