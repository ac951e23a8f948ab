package certmanager

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/test/framework/poll"
)

// underApproverPolicy lets approver-policy decide on CertificateRequests instead of
// cert-manager's own approver, until the end of the test.
func underApproverPolicy(t *testing.T) {
	t.Helper()
	restart := func(flags ...string) {
		t.Helper()
		err := site.certManager.stop()
		if err == nil {
			site.certManager, err = site.neighbour("cert-manager", flags...)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	restart("--without-approver")
	t.Cleanup(func() { restart() })
	policy, err := site.neighbour("approver-policy")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := policy.stop(); err != nil {
			t.Error(err)
		}
	})
}

// The chart's CertificateRequestPolicy and RBAC allow the webhook's certificate under
// approver-policy, with and without a custom duration, and no other certificate of the
// same issuer.
func TestApproverPolicy(t *testing.T) {
	inCertManagerMode(t) // first, so that each certificate below is one more
	underApproverPolicy(t)
	for _, duration := range []string{"1000h", ""} {
		install(t, map[string]string{
			"app.webhook.tls.approverPolicy.enabled":                     "true",
			"app.webhook.tls.certificate.duration":                       duration,
			"app.webhook.tls.certificate.secretTemplate.labels.duration": "d" + duration,
		})
		want := 90 * 24 * time.Hour // cert-manager's default
		if duration != "" {
			var err error
			if want, err = time.ParseDuration(duration); err != nil {
				t.Fatal(err)
			}
		}
		renew(t, name) // cert-manager does not do so for another duration alone
		poll.Eventually(t, "a served certificate of "+want.String(), func() error {
			now, err := shown(t.Context())
			if err != nil {
				return err
			}
			if life := now.NotAfter.Sub(now.NotBefore); life != want {
				return fmt.Errorf("it lives for %s", life)
			}
			return asked(t.Context())
		})
		issued, err := secret(t.Context(), name+"-tls")
		if err != nil {
			t.Fatal(err)
		}
		if got := issued.Labels["duration"]; got != "d"+duration {
			t.Errorf("the label of secretTemplate is %q", got)
		}
	}
	t.Run("others", func(t *testing.T) { wantDenied(t) })
}

// wantDenied checks that variants of the webhook's certificate are not approved.
func wantDenied(t *testing.T) {
	webhook := object("cert-manager.io/v1", "Certificate", name)
	if err := api.Get(t.Context(), client.ObjectKeyFromObject(webhook), webhook); err != nil {
		t.Fatal(err)
	}
	spec, _, err := unstructured.NestedMap(webhook.Object, "spec")
	if err != nil {
		t.Fatal(err)
	}
	variants := map[string]map[string]any{
		"other-name":      {"dnsNames": []any{"kubernetes.default.svc"}},
		"more-names":      {"dnsNames": []any{host, "kubernetes.default.svc"}},
		"no-name":         {"dnsNames": []any{}},
		"other-subject":   {"commonName": "system:masters"},
		"an-organization": {"subject": map[string]any{"organizations": []any{"system:masters"}}},
		"an-address":      {"ipAddresses": []any{"10.0.0.1"}},
		"a-ca":            {"isCA": true},
		"a-client":        {"usages": []any{"client auth"}},
	}
	for variant, changes := range variants {
		o := object("cert-manager.io/v1", "Certificate", variant)
		changed := maps.Clone(spec)
		maps.Copy(changed, changes)
		changed["secretName"] = variant
		o.Object["spec"] = changed
		if err := api.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { remove(t, o) })
	}
	for variant := range variants {
		poll.Eventually(t, "the denial of "+variant, func() error { return denied(t, variant) })
	}
}

// denied returns an error unless the request for a certificate is denied.
func denied(t *testing.T, certificate string) error {
	request := object("cert-manager.io/v1", "CertificateRequest", certificate+"-1")
	if err := api.Get(t.Context(), client.ObjectKeyFromObject(request), request); err != nil {
		return err
	}
	conditions, _, err := unstructured.NestedSlice(request.Object, "status", "conditions")
	if err != nil {
		return err
	}
	for _, condition := range conditions {
		c := condition.(map[string]any)
		if c["type"] == "Approved" {
			t.Errorf("%s was approved: %v", certificate, c["message"])
			return nil
		}
		if c["type"] == "Denied" && c["status"] == "True" {
			if message, _ := c["message"].(string); !strings.Contains(message, "trust-manager-policy") {
				return fmt.Errorf("denied for another reason: %s", message)
			}
			return nil
		}
	}
	return errors.New("no decision yet")
}
