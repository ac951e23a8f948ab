package target

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
)

// unchangedRoot is a certificate of no importance, the same for ever.
const unchangedRoot = `-----BEGIN CERTIFICATE-----
MIIBfDCCASOgAwIBAgIUSZF1dk3f9O4F9ll6CGa/g1Vt6T4wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJVW5jaGFuZ2VkMB4XDTI2MTEyNTIzMTIzM1oXDTQ2MDEyNDIz
MTIzM1owFDESMBAGA1UEAwwJVW5jaGFuZ2VkMFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAE7PWtElM7Dh33xczGK9YP9g88VuipWtZUkr+MVRhFWZtK6RSEXVxyhgUx
qV9C/kVuFTiTvS0dny760YVhVi5Eb6NTMFEwHQYDVR0OBBYEFExef8H6MGDna0zq
S8Ezi2BqnQwYMB8GA1UdIwQYMBaAFExef8H6MGDna0zqS8Ezi2BqnQwYMA8GA1Ud
EwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIgBXRhz5kYqOkxYsWESy9Jy2LP
y9CqNyuyNTcfcpRsPSUCIFNmIPSu6My/b497h7if3EzIsMbpTCmAMcy0KenW1MWY
-----END CERTIFICATE-----
`

// T11, K1 to K6: of a Bundle with none of the fields that came later, the digests are
// those of the first version. Where this test fails, an upgrade of the operator writes
// every target of every user.
func TestDigestOfAnOldBundleIsPinned(t *testing.T) {
	t.Parallel()
	text, password := unchangedRoot, "changeit"
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
	spec, err := bundle.FromV1alpha1(from)
	if err != nil {
		t.Fatal(err)
	}
	content, err := new(bundle.Builder).Build([]bundle.Input{{Texts: []bundle.Text{{PEM: text}}}}, bundle.Filter{}, metav1.Now().Time)
	if err != nil {
		t.Fatal(err)
	}
	revision, err := NewRevision(spec, content, nil)
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
