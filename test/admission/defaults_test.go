package admission_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
)

// A9, A10: the API server sets defaults, and overwrites nothing.
func TestDefaults(t *testing.T) {
	tests := map[string]struct {
		formats string
		want    v1alpha1.AdditionalFormats
	}{
		"passwords are filled in, a profile is not": {
			formats: `jks: {key: j}, pkcs12: {key: p}`,
			want: v1alpha1.AdditionalFormats{
				JKS:    &v1alpha1.JKS{Key: "j", Password: new(v1alpha1.DefaultJKSPassword)},
				PKCS12: &v1alpha1.PKCS12{Key: "p", Password: new(v1alpha1.DefaultPKCS12Password)},
			},
		},
		"passwords and profile stay as they are": {
			formats: `jks: {key: j, password: a}, pkcs12: {key: p, password: b, profile: Modern2023}`,
			want: v1alpha1.AdditionalFormats{
				JKS:    &v1alpha1.JKS{Key: "j", Password: new("a")},
				PKCS12: &v1alpha1.PKCS12{Key: "p", Password: new("b"), Profile: v1alpha1.PKCS12ProfileModern2023},
			},
		},
		"an empty password stays empty": {
			formats: `pkcs12: {key: p, password: ""}`,
			want:    v1alpha1.AdditionalFormats{PKCS12: &v1alpha1.PKCS12{Key: "p", Password: new("")}},
		},
		"a format that is not asked for stays away": {
			formats: `jks: {key: j}`,
			want:    v1alpha1.AdditionalFormats{JKS: &v1alpha1.JKS{Key: "j", Password: new("changeit")}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			b := bundle(t, "", withTarget("configMap: {key: k}, additionalFormats: {"+tc.formats+"}"))
			if err := apiClient.Create(requestContext(t), b, client.DryRunAll); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tc.want, typed(t, b).Spec.Target.AdditionalFormats); diff != "" {
				t.Errorf("additionalFormats (-want +got):\n%s", diff)
			}
		})
	}
}

// typed decodes a response of the API server into the Go type, and fails on a
// field that the type does not have.
func typed(t *testing.T, b *unstructured.Unstructured) *v1alpha1.Bundle {
	t.Helper()
	out := &v1alpha1.Bundle{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(b.Object, out, true); err != nil {
		t.Fatal(err)
	}
	return out
}
