package serving

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Only the operator's entry of the configuration is changed, and nothing is written if
// everything is in sync.
func TestCABundleIsRepaired(t *testing.T) {
	t.Parallel()
	c := newCluster(t, configurationWith(nil))
	k := c.replica()
	c.reconcile(k)
	want := c.bundle()
	for _, edited := range [][]byte{nil, []byte("x"), fresh(t, start).caBundle(), append(slices.Clone(want), want...)} {
		configuration := c.configuration()
		entryOf(configuration).ClientConfig.CABundle = edited
		if err := c.api.Update(t.Context(), configuration); err != nil {
			t.Fatal(err)
		}
		c.reconcile(k)
		if !bytes.Equal(c.bundle(), want) {
			t.Error("the edit of the caBundle is not reverted")
		}
	}
	if other := c.configuration().Webhooks[0]; string(other.ClientConfig.CABundle) != "other" || len(c.configuration().Webhooks) != 2 {
		t.Errorf("another webhook was changed: %+v", other)
	}
	writes := c.writes
	c.reconcile(k)
	c.reconcile(c.replica())
	if c.writes != writes {
		t.Errorf("%d writes although nothing had changed", c.writes-writes)
	}
}

// A CA that is removed from the Secret is no longer trusted after the next reconciliation.
func TestRemovedCA(t *testing.T) {
	t.Parallel()
	c := newCluster(t, configurationWith(nil))
	k := c.replica()
	c.reconcile(k)
	if err := c.api.Delete(t.Context(), c.secret()); err != nil {
		t.Fatal(err)
	}
	c.reconcile(k)
	c.clock.Step(propagationTime)
	c.reconcile(k)
	secret := c.secret()
	authorities := mustParse(t, secret.Data[authoritiesKey])
	if len(authorities) != 2 {
		t.Fatalf("%d CAs, want the new one and the old one", len(authorities))
	}
	secret.Data[authoritiesKey] = encodeCertificates(authorities[:1])
	if err := c.api.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	c.reconcile(k)
	if remaining := mustParse(t, c.bundle()); len(remaining) != 1 || !remaining[0].Equal(authorities[0]) {
		t.Errorf("%d CAs are trusted, want only the new one", len(remaining))
	}
	c.wantCovered("after that", k)
}

// If another client reverts each write, the writes are rate limited, and the served
// certificate stays.
func TestFight(t *testing.T) {
	t.Parallel()
	c := newCluster(t, configurationWith(nil))
	k := c.replica()
	c.reconcile(k)
	served := k.served.Load()
	var err error
	for i := 0; i < 10*writeBurst && err == nil; i++ {
		secret := c.secret()
		secret.Data = encoded(t, fresh(t, start))
		delete(secret.Data, authorityKeyKey)
		if err := c.api.Update(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		_, err = k.reconcile(t.Context())
	}
	if !errors.Is(err, errRateLimited) || c.writes > writeBurst {
		t.Errorf("%d writes, and then %v", c.writes, err)
	}
	if k.served.Load() != served {
		t.Error("another certificate is served too early")
	}
	c.clock.Step(20 * time.Second)
	c.reconcile(k)
}

// A failed request is logged once and retried with backoff. No certificate is served until
// it succeeds, and no log or error contains key material.
func TestTroubles(t *testing.T) {
	t.Parallel()
	secrets := schema.GroupResource{Resource: "secrets"}
	for name, tc := range map[string]struct {
		objects []client.Object
		before  func(verb string, object client.Object) error
		want    string
	}{
		"no configuration": {nil, nil, "there is no ValidatingWebhookConfiguration trust-manager"},
		"no entry": {
			[]client.Object{&admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "trust-manager"}}}, nil, "with a webhook trust.cert-manager.io",
		},
		"no right to read": {[]client.Object{configurationWith(nil)}, func(verb string, _ client.Object) error {
			return apierrors.NewForbidden(secrets, "trust-manager-webhook-tls", errors.New(verb))
		}, "forbidden"},
		"no right to write": {[]client.Object{configurationWith(nil)}, func(verb string, _ client.Object) error {
			if verb == "create" {
				return apierrors.NewForbidden(secrets, "trust-manager-webhook-tls", errors.New(verb))
			}
			return nil
		}, "writing the Secret"},
		"no right to patch": {[]client.Object{configurationWith(nil)}, func(verb string, _ client.Object) error {
			if verb == "patch" {
				return apierrors.NewForbidden(secrets, "trust-manager-webhook-tls", errors.New(verb))
			}
			return nil
		}, "writing the caBundle"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, tc.objects...)
			if tc.before != nil {
				c.before = tc.before
			}
			k := c.replica()
			for range 3 {
				_, err := k.reconcile(t.Context())
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Fatalf("error %v, want one that contains %q", err, tc.want)
				}
				k.logError(t.Context(), err)
			}
			if count := strings.Count(c.log.String(), tc.want); count != 1 {
				t.Errorf("logged %d times, want once:\n%s", count, &c.log)
			}
			if _, err := k.GetCertificate(nil); err == nil {
				t.Error("a certificate is served")
			}
			c.before = func(string, client.Object) error { return nil }
			if len(tc.objects) == 0 {
				if err := c.api.Create(t.Context(), configurationWith(nil)); err != nil {
					t.Fatal(err)
				}
			} else if entryOf(c.configuration()) == nil {
				return
			}
			c.reconcile(k)
			if _, err := k.GetCertificate(nil); err != nil {
				t.Error(err)
			}
			wantNoKey(t, c.log.String(), c.secret())
		})
	}
}

// The loop reconciles after a change and when a deadline is due, signals once that it is
// ready, and returns when its context is canceled.
func TestRun(t *testing.T) {
	t.Parallel()
	c := newCluster(t, configurationWith(nil))
	reads := make(chan struct{}, 100)
	c.before = func(verb string, object client.Object) error {
		if _, isSecret := object.(*corev1.Secret); isSecret && verb == "get" {
			reads <- struct{}{}
		}
		return nil
	}
	k := c.replica()
	var changed func()
	k.options.Watch = func(_ context.Context, notify func()) error { changed = notify; return nil }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); k.run(ctx) }()
	await := func(what string, channel <-chan struct{}) {
		t.Helper()
		select {
		case <-channel:
		case <-time.After(10 * time.Second):
			t.Fatalf("timed out waiting for %s", what)
		}
	}
	await("readiness", k.ready)
	await("the first reconciliation", reads)
	changed()
	changed()
	await("a reconciliation after a change", reads)
	for !c.clock.HasWaiters() {
		time.Sleep(time.Millisecond)
	}
	c.clock.Step(maxWait)
	await("a reconciliation after some time", reads)
	cancel()
	await("the end", done)
}

// wantNoKey checks that a text contains no part of the keys in a Secret.
func wantNoKey(t *testing.T, text string, secret *corev1.Secret) {
	t.Helper()
	for _, key := range []string{authorityKeyKey, privateKeyKey} {
		block, _ := pem.Decode(secret.Data[key])
		for _, part := range []string{base64.StdEncoding.EncodeToString(block.Bytes)[40:60], fmt.Sprintf("%x", block.Bytes)[80:100], "PRIVATE"} {
			if strings.Contains(text, part) {
				t.Errorf("the text contains %s", key)
			}
		}
	}
}
