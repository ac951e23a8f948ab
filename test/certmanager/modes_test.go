package certmanager

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/test/framework/poll"
)

// R3: `helm upgrade` switches a live release from each mode of the webhook's certificate
// to the next, and the API server calls the webhook after each. Before the switch to
// Helm's own certificate the Secret that cert-manager leaves behind must be deleted, as
// the guide describes: Helm does not adopt foreign objects.
func TestModes(t *testing.T) {
	inCertManagerMode(t)
	for _, mode := range []string{"selfManaged", "helm", "certManager", "selfManaged"} {
		if mode == "helm" {
			remove(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name + "-tls"}})
		}
		install(t, map[string]string{"app.webhook.tls.mode": mode})
		poll.Eventually(t, "a certificate by "+mode, func() error {
			certificate, err := shown(t.Context())
			if err != nil {
				return err
			}
			if maker := makerOf(certificate.Issuer.CommonName); maker != mode {
				return fmt.Errorf("it is by %s", maker)
			}
			return asked(t.Context())
		})
	}
}

// makerOf returns the mode in which a certificate was issued, by its issuer.
func makerOf(issuer string) string {
	switch issuer {
	case host: // the Issuer signs a certificate with its own key
		return "certManager"
	case name + "-ca":
		return "helm"
	case "trust-manager webhook CA":
		return "selfManaged"
	}
	return "unknown issuer: " + issuer
}
