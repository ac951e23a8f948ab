package target_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
	"trust-manager.io/test/framework/ca"
)

// T11, K1 to K6: the digests of a Bundle without any field that was added later are those
// of the first version. If this test fails, an upgrade of the operator writes every target
// of every user.
func TestDigestOfAnOldBundleIsPinned(t *testing.T) {
	t.Parallel()
	text, password := ca.Unchanged, "changeit"
	from := &v1alpha1.Bundle{
		ObjectMeta: metav1.ObjectMeta{Name: "roots", UID: "u", Generation: 1},
		Spec: v1alpha1.BundleSpec{
			Sources: []v1alpha1.BundleSource{{InLine: &text}},
			Target: &v1alpha1.BundleTarget{
				ConfigMap:         &v1alpha1.TargetObject{Key: "ca.pem", Metadata: v1alpha1.TargetMetadata{Labels: map[string]string{"team": "x"}}},
				Secret:            &v1alpha1.TargetObject{Key: "ca.crt"},
				AdditionalFormats: &v1alpha1.AdditionalFormats{JKS: &v1alpha1.JKS{Key: "ca.jks", Password: &password}, PKCS12: &v1alpha1.PKCS12{Key: "ca.p12"}},
			},
		},
	}
	spec, problems := apis.Bundle{}.Spec(from)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	content, err := new(bundle.Builder).Build([]bundle.Input{{Texts: []bundle.Text{{PEM: text}}}}, bundle.Filter{}, metav1.Now().Time)
	if err != nil {
		t.Fatal(err)
	}
	revision, err := target.NewRevision(spec, content, nil)
	if err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[bundle.Kind]string{
		bundle.ConfigMap: "e0a35d605e0a006a613551a70f6743db6f13aa82ee33b54a87b3465f64038275",
		bundle.Secret:    "603d3a7869e3c45c0ab71938514ad403d288a383b7554ce8359a2191b2425d86",
	} {
		if got := revision.Shapes[kind].Digest; got != want {
			t.Errorf("the digest of %s targets is %s, want %s", kind, got, want)
		}
	}
}
