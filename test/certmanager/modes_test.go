package certmanager

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/test/framework/poll"
)

// R3: `helm upgrade` leads from each way of making the webhook's certificate to the next,
// on the live release, and each time to a webhook that is asked. On the way to Helm's
// own certificate the Secret that cert-manager leaves behind has to go first, as the
// guide says: Helm takes over nothing that is not its own.
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

// makerOf tells by the issuer of a certificate in which mode it was made.
func makerOf(issuer string) string {
	switch issuer {
	case host: // the Issuer signs a certificate with its own key
		return "certManager"
	case name + "-ca":
		return "helm"
	case "trust-manager webhook CA":
		return "selfManaged"
	}
	return "nobody that is known: " + issuer
}
