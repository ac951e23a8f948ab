package webhook

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
)

var maxAnnotationValue = maxAnnotations(apis.Bundle{}.Marks()) - len("a")

// bundlePath is the path of the webhook of Bundles (R3).
const bundlePath = "/validate-trust-cert-manager-io-v1alpha1-bundle"

// checked converts a Bundle and checks it.
func checked(obj *v1alpha1.Bundle) (bundle.Spec, field.ErrorList) {
	spec, problems := apis.Bundle{}.Spec(obj)
	return spec, check(spec, problems)
}

// Every rule of the webhook, with a spec that just obeys it and one that violates it, which
// is rejected only at its field.
func TestRefusals(t *testing.T) {
	t.Parallel()
	type change = func(*v1alpha1.BundleSpec)
	annotations := func(value string, more ...string) change {
		return func(s *v1alpha1.BundleSpec) {
			s.Target.ConfigMap.Metadata.Annotations = map[string]string{"a": value}
			for _, key := range more {
				s.Target.ConfigMap.Metadata.Annotations[key] = ""
			}
		}
	}
	key := func(key string) change {
		return func(s *v1alpha1.BundleSpec) { s.Target.ConfigMap.Key = key }
	}
	secret := func(object v1alpha1.TargetObject) change {
		return func(s *v1alpha1.BundleSpec) { s.Target = &v1alpha1.BundleTarget{Secret: &object} }
	}
	jks := func(key, password string) change {
		return func(s *v1alpha1.BundleSpec) {
			s.Target.AdditionalFormats = &v1alpha1.AdditionalFormats{JKS: &v1alpha1.JKS{Key: key, Password: &password}}
		}
	}
	pkcs12 := func(key, password string) change {
		return func(s *v1alpha1.BundleSpec) {
			s.Target.AdditionalFormats = &v1alpha1.AdditionalFormats{PKCS12: &v1alpha1.PKCS12{Key: key, Password: &password}}
		}
	}
	namespaces := func(operator metav1.LabelSelectorOperator) change {
		return func(s *v1alpha1.BundleSpec) {
			s.Target.NamespaceSelector = &v1alpha1.LabelSelector{
				MatchExpressions: []v1alpha1.LabelSelectorRequirement{{Key: "k", Operator: operator}},
			}
		}
	}
	const configMapKey, formats = "spec.target.configMap.key", "spec.target.additionalFormats"
	full := strings.Repeat("x", maxAnnotationValue)
	for name, rule := range map[string]struct {
		valid, invalid change
		at, want       string
	}{
		"V5 annotations are counted in bytes": {
			annotations(full), annotations(full[:maxAnnotationValue-1] + "ö"),
			"spec.target.configMap.metadata.annotations", "may not be more than 262054 bytes",
		},
		"V5 annotations are counted together, keys too": {
			annotations(full[1:], "b"), annotations(full, "b"),
			"spec.target.configMap.metadata.annotations", "bytes",
		},
		"V5 annotations of a Secret": {
			secret(v1alpha1.TargetObject{Key: "k", Metadata: v1alpha1.TargetMetadata{Annotations: map[string]string{"a": full}}}),
			secret(v1alpha1.TargetObject{Key: "k", Metadata: v1alpha1.TargetMetadata{Annotations: map[string]string{"ab": full}}}),
			"spec.target.secret.metadata.annotations", "bytes",
		},
		"a key of a ConfigMap has no slash":      {key("a-B_9.pem"), key("a/b"), configMapKey, "alphanumeric"},
		"a key of a ConfigMap has no blank":      {key("a.b"), key("a b"), configMapKey, "alphanumeric"},
		"a key of a ConfigMap has ASCII letters": {key("oe.pem"), key("ö.pem"), configMapKey, "alphanumeric"},
		"a key of a ConfigMap has no line end":   {key("a"), key("a\n"), configMapKey, "alphanumeric"},
		"a key of a ConfigMap is not a parent":   {key(".a"), key(".."), configMapKey, "'..'"},
		"a key of a ConfigMap has no parent":     {key("a.."), key("..a"), configMapKey, "'..'"},
		"a key of a ConfigMap is not a dot":      {key("._"), key("."), configMapKey, "'.'"},
		"a key of a Secret has no slash": {
			secret(v1alpha1.TargetObject{Key: "k"}), secret(v1alpha1.TargetObject{Key: "/"}),
			"spec.target.secret.key", "alphanumeric",
		},
		"a key of a JKS has no slash":    {jks("a.jks", "p"), jks("a/jks", "p"), formats + ".jks.key", "alphanumeric"},
		"a key of a PKCS#12 has no dots": {pkcs12("a.p12", ""), pkcs12("..", ""), formats + ".pkcs12.key", "'..'"},
		"a password of a PKCS#12 has no character outside the Basic Multilingual Plane": {
			pkcs12("k", "pässword \uffee"), pkcs12("k", "\U0001f600"), formats + ".pkcs12.password", "Basic Multilingual Plane",
		},
		"a password of a JKS can have one": {jks("k", "\U0001f600"), jks("k", ""), formats + ".jks.password", "1 to 128"},
		"V6 an invalid selector": {
			namespaces(metav1.LabelSelectorOpExists), namespaces("Equals"), "spec.target.namespaceSelector", "Equals",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, errs := checked(bundleOf("x", rule.valid)); len(errs) > 0 {
				t.Errorf("the valid spec is rejected: %v", errs)
			}
			_, errs := checked(bundleOf("x", rule.invalid))
			var fields []string
			for _, err := range errs {
				fields = append(fields, err.Field)
			}
			if diff := cmp.Diff([]string{rule.at}, fields); diff != "" {
				t.Fatalf("fields of the errors (-want +got):\n%s", diff)
			}
			if text := errs[0].Error(); !strings.Contains(text, rule.want) || len(text) > 1000 {
				t.Errorf("%q does not contain %q, or is too long", text, rule.want)
			}
		})
	}
}

// All errors are reported at once, without passwords.
func TestAllRefusals(t *testing.T) {
	t.Parallel()
	password := "open sesame \U0001f600"
	_, errs := checked(bundleOf("x", func(s *v1alpha1.BundleSpec) {
		s.Target.ConfigMap.Key = "a/b"
		s.Target.Secret = &v1alpha1.TargetObject{Key: "c/d"}
		s.Target.AdditionalFormats = &v1alpha1.AdditionalFormats{
			JKS:    &v1alpha1.JKS{Key: "e/f"},
			PKCS12: &v1alpha1.PKCS12{Key: "g/h", Password: &password},
		}
	}))
	if len(errs) != 5 {
		t.Errorf("%d errors, want 5: %v", len(errs), errs)
	}
	if text := errs.ToAggregate().Error(); strings.Contains(text, "sesame") {
		t.Errorf("the error contains the password: %s", text)
	}
}

// A Bundle without a target is valid.
func TestNoTargetIsFine(t *testing.T) {
	t.Parallel()
	spec, errs := checked(bundleOf("x", func(s *v1alpha1.BundleSpec) { s.Target = nil }))
	if len(errs) > 0 || len(spec.Sources) != 1 {
		t.Errorf("spec %+v, errors %v", spec, errs)
	}
}
