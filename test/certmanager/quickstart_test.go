package certmanager

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/poll"
)

// quickStart holds the objects that the quick start creates for cert-manager.
const quickStart = `
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata:
  name: trust-manager-selfsigned-issuer
spec:
  selfSigned: {}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata:
  name: trust-manager-example-ca
  namespace: cert-manager
spec:
  isCA: true
  commonName: trust-manager-example-ca
  secretName: trust-manager-example-ca-secret
  privateKey:
    algorithm: ECDSA
    size: 256
  issuerRef:
    name: trust-manager-selfsigned-issuer
    kind: ClusterIssuer
    group: cert-manager.io
`

// The CA that cert-manager issues in the quick start becomes the last certificate of
// the bundle that names its Secret.
func TestQuickStartAuthority(t *testing.T) {
	inCertManagerMode(t)
	first := ca.New("first").Certificate
	b := bundle("example-bundle", "trust-bundle.pem",
		v1alpha1.BundleSource{InLine: &first},
		v1alpha1.BundleSource{Secret: &v1alpha1.SourceObject{Name: "trust-manager-example-ca-secret", Key: "tls.crt"}})
	if err := api.Create(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { remove(t, b) })
	for document := range strings.SplitSeq(quickStart, "---\n") {
		o := object("", "", "")
		if err := yaml.Unmarshal([]byte(document), &o.Object); err != nil {
			t.Fatal(err)
		}
		if err := api.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { remove(t, o) })
	}
	poll.Eventually(t, "the CA as the last certificate", func() error {
		issued, err := secret(t.Context(), "trust-manager-example-ca-secret")
		if err != nil {
			return err
		}
		var target corev1.ConfigMap
		if err := api.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: b.Name}, &target); err != nil {
			return err
		}
		if want := first + string(issued.Data["tls.crt"]); target.Data["trust-bundle.pem"] != want {
			return fmt.Errorf("the target holds %d bytes, want the %d of both certificates", len(target.Data["trust-bundle.pem"]), len(want))
		}
		if !parse(t, issued.Data["tls.crt"]).IsCA {
			return errors.New("the issued certificate is not a CA certificate")
		}
		return nil
	})
}

func parse(t *testing.T, text []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatal("no PEM block")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}
