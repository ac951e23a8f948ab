package certmanager

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/test/framework/poll"
)

// inCertManagerMode installs the release as cert-manager's users do.
func inCertManagerMode(t *testing.T) {
	t.Helper()
	install(t, map[string]string{"app.webhook.tls.mode": "certManager"})
	poll.Eventually(t, "the API server to ask the webhook", func() error { return asked(t.Context()) })
}

// R3: cert-manager issues the webhook's certificate, and its CA injector makes the API
// server trust it: `helm --wait` returns, a Bundle that only the webhook rejects is
// rejected, and the endpoint of the Service serves that certificate.
func TestWebhookCertificate(t *testing.T) {
	inCertManagerMode(t)
	certificate, err := shown(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	issued, err := secret(t.Context(), name+"-tls")
	if err != nil {
		t.Fatal(err)
	}
	if want := parse(t, issued.Data["tls.crt"]); !certificate.Equal(want) {
		t.Errorf("the certificate shown has the serial number %s, that in the Secret %s", certificate.SerialNumber, want.SerialNumber)
	}
}

// When cert-manager renews the certificate, the running operator serves the new one,
// and no request fails in between.
func TestRenewal(t *testing.T) {
	inCertManagerMode(t)
	before, err := shown(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pods := podNames(t)
	failures := askOnAndOn(t)
	renew(t, name)
	poll.Eventually(t, "the new certificate to be served", func() error {
		now, err := shown(t.Context())
		if err == nil && now.SerialNumber.Cmp(before.SerialNumber) == 0 {
			err = errors.New("the old one is served")
		}
		return err
	})
	calls, failed := failures()
	if len(failed) > 0 {
		t.Errorf("%d of %d requests failed during the renewal, the first by: %v", len(failed), calls, failed[0])
	}
	if calls < 10 {
		t.Errorf("only %d requests were made during the renewal: they show nothing", calls)
	}
	t.Logf("%d requests", calls)
	if now := podNames(t); now != pods {
		t.Errorf("the pods are %s, no longer %s: that was no renewal under a running operator", now, pods)
	}
}

// askOnAndOn creates valid Bundles in dry runs until the returned function is called,
// which returns the number of calls and the failures.
func askOnAndOn(t *testing.T) func() (calls int, failed []error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	var calls int
	var failed []error
	var group sync.WaitGroup
	group.Go(func() {
		for ctx.Err() == nil {
			err := api.Create(ctx, bundle("good", "a"), client.DryRunAll)
			if ctx.Err() != nil {
				return
			}
			if calls++; err != nil {
				failed = append(failed, err)
			}
			time.Sleep(2 * time.Millisecond)
		}
	})
	return func() (int, []error) {
		time.Sleep(time.Second) // late calls are still observed
		cancel()
		group.Wait()
		return calls, failed
	}
}

// renew makes cert-manager renew a certificate now, like its command line tool: by the
// condition Issuing.
func renew(t *testing.T, certificate string) {
	t.Helper()
	old, err := secret(t.Context(), secretOf(t, certificate))
	if err != nil {
		t.Fatal(err)
	}
	poll.Eventually(t, "the renewal of "+certificate+" to be accepted", func() error {
		o := object("cert-manager.io/v1", "Certificate", certificate)
		if err := api.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		conditions, _, err := unstructured.NestedSlice(o.Object, "status", "conditions")
		if err != nil {
			return err
		}
		// It stays, and is False, if an earlier request has failed.
		conditions = slices.DeleteFunc(conditions, func(c any) bool { return c.(map[string]any)["type"] == "Issuing" })
		conditions = append(conditions, map[string]any{
			"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "message": "a test wants it",
			"lastTransitionTime": time.Now().UTC().Format(time.RFC3339), "observedGeneration": o.GetGeneration(),
		})
		if err := unstructured.SetNestedSlice(o.Object, conditions, "status", "conditions"); err != nil {
			return err
		}
		return api.Status().Update(t.Context(), o)
	})
	poll.Eventually(t, "another certificate of "+certificate+" in its Secret", func() error {
		now, err := secret(t.Context(), old.Name)
		if err == nil && string(now.Data["tls.crt"]) == string(old.Data["tls.crt"]) {
			err = errors.New("it is still the old one")
		}
		return err
	})
}

func secretOf(t *testing.T, certificate string) string {
	t.Helper()
	o := object("cert-manager.io/v1", "Certificate", certificate)
	if err := api.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
		t.Fatal(err)
	}
	name, _, err := unstructured.NestedString(o.Object, "spec", "secretName")
	if err != nil {
		t.Fatal(err)
	}
	return name
}
