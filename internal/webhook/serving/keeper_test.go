package serving

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/go-logr/logr"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// cluster is an API server with replicas of the operator. The tests trigger their
// reconciliations.
type cluster struct {
	t     *testing.T
	api   client.WithWatch
	clock *clocktesting.FakeClock
	log   bytes.Buffer
	// before is called before each request of a replica, and may return an error for it.
	before func(verb string, object client.Object) error
	writes int
	// covered contains certificates and the caBundles that cover them.
	covered map[string]bool
}

func newCluster(t *testing.T, objects ...client.Object) *cluster {
	t.Helper()
	return &cluster{
		t: t, api: fake.NewClientBuilder().WithObjects(objects...).Build(), clock: clocktesting.NewFakeClock(start),
		before: func(string, client.Object) error { return nil }, covered: map[string]bool{},
	}
}

// replica returns a new replica, which has not reconciled yet.
func (c *cluster) replica() *Keeper {
	request := func(verb string, object client.Object, do func() error) error {
		if verb != "get" {
			c.writes++
		}
		if err := c.before(verb, object); err != nil {
			return err
		}
		return do()
	}
	through := interceptor.NewClient(c.api, interceptor.Funcs{
		Get: func(ctx context.Context, api client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			return request("get", object, func() error { return api.Get(ctx, key, object, options...) })
		},
		Create: func(ctx context.Context, api client.WithWatch, object client.Object, options ...client.CreateOption) error {
			return request("create", object, func() error { return api.Create(ctx, object, options...) })
		},
		Update: func(ctx context.Context, api client.WithWatch, object client.Object, options ...client.UpdateOption) error {
			return request("update", object, func() error { return api.Update(ctx, object, options...) })
		},
		Patch: func(ctx context.Context, api client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			return request("patch", object, func() error { return api.Patch(ctx, object, patch, options...) })
		},
	})
	return NewKeeper(Options{
		Name: "trust-manager", Namespace: "cert-manager", Client: through, Clock: c.clock,
		Watch: func(context.Context, func()) error { return nil },
		Log:   logr.FromSlogHandler(slog.NewTextHandler(&c.log, nil)),
	})
}

// reconcile reconciles a replica until nothing is left to do at this time.
func (c *cluster) reconcile(k *Keeper) {
	c.t.Helper()
	for range 10 {
		before := c.writes
		_, err := k.reconcile(c.t.Context())
		if err != nil && !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
			c.t.Fatal(err)
		}
		if err == nil && c.writes == before {
			return
		}
	}
	c.t.Fatal("it does not settle")
}

func (c *cluster) secret() *corev1.Secret {
	c.t.Helper()
	secret := &corev1.Secret{}
	if err := c.api.Get(c.t.Context(), client.ObjectKey{Namespace: "cert-manager", Name: "trust-manager-webhook-tls"}, secret); err != nil {
		c.t.Fatal(err)
	}
	return secret
}

func (c *cluster) configuration() *admissionregistrationv1.ValidatingWebhookConfiguration {
	c.t.Helper()
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if err := c.api.Get(c.t.Context(), client.ObjectKey{Name: "trust-manager"}, configuration); err != nil {
		c.t.Fatal(err)
	}
	return configuration
}

func (c *cluster) bundle() []byte { return entryOf(c.configuration()).ClientConfig.CABundle }

// wantCovered checks that the API server accepts the certificate that a replica serves, if
// any.
func (c *cluster) wantCovered(name string, k *Keeper) {
	c.t.Helper()
	pair := k.served.Load()
	if pair == nil {
		return
	}
	bundle := c.bundle()
	known := string(pair.Leaf.Raw) + string(bundle)
	if c.covered[known] && isValid(pair.Leaf, c.clock.Now()) {
		return
	}
	authorities, _ := parseCertificates(bundle)
	c.covered[known] = isTrusted(pair, authorities, names, c.clock.Now())
	if !c.covered[known] {
		c.t.Fatalf("%s: at %s a replica serves a certificate that the caBundle with %d CAs does not cover\n%s", name, c.clock.Now(), len(authorities), &c.log)
	}
}

func configurationWith(bundle []byte) *admissionregistrationv1.ValidatingWebhookConfiguration {
	return &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "trust-manager"},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{
			{Name: "other.example.com", ClientConfig: admissionregistrationv1.WebhookClientConfig{CABundle: []byte("other")}},
			{Name: WebhookName, ClientConfig: admissionregistrationv1.WebhookClientConfig{CABundle: bundle}},
		},
	}
}

// If another replica re-creates everything before any request of a replica, that replica
// does not replace the newer caBundle with an older one.
func TestOvertaken(t *testing.T) {
	t.Parallel()
	for request := range 5 {
		t.Run(fmt.Sprintf("request %d", request), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, configurationWith(nil))
			c.reconcile(c.replica())
			configuration := c.configuration()
			entryOf(configuration).ClientConfig.CABundle = nil
			if err := c.api.Update(t.Context(), configuration); err != nil {
				t.Fatal(err)
			}
			slow, fast := c.replica(), c.replica()
			requests := 0
			c.before = func(string, client.Object) error {
				if requests++; requests == request+1 {
					c.before = func(string, client.Object) error { return nil }
					if err := c.api.Delete(t.Context(), c.secret()); err != nil {
						t.Fatal(err)
					}
					c.reconcile(fast)
				}
				return nil
			}
			if _, err := slow.reconcile(t.Context()); err != nil && !apierrors.IsConflict(err) {
				t.Fatal(err)
			}
			c.wantCovered("fast", fast)
			c.wantCovered("slow", slow)
			c.reconcile(slow)
			c.reconcile(fast)
			c.wantCovered("fast", fast)
			c.wantCovered("slow", slow)
		})
	}
}

// For two years, replicas reconcile at random times, even between two requests of each
// other, and restart, and the Secret is deleted. Every served certificate is covered, and
// the number of CAs stays bounded.
func TestYears(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 0))
			c := newCluster(t, configurationWith(nil))
			replicas := []*Keeper{c.replica(), c.replica(), c.replica()}
			var busy []*Keeper
			reconcileOne := func(k *Keeper) {
				if slices.Contains(busy, k) {
					return
				}
				busy = append(busy, k)
				defer func() { busy = busy[:len(busy)-1] }()
				if _, err := k.reconcile(t.Context()); err != nil && !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
					t.Fatal(err)
				}
			}
			check := func() {
				for i, k := range replicas {
					c.wantCovered(fmt.Sprintf("replica %d", i), k)
				}
			}
			c.before = func(verb string, _ client.Object) error {
				if verb != "get" {
					check()
				}
				if random.IntN(3) == 0 {
					reconcileOne(replicas[random.IntN(len(replicas))])
				}
				return nil
			}
			maximum := 0
			for c.clock.Now().Before(start.AddDate(2, 0, 0)) {
				switch random.IntN(40) {
				case 0:
					if err := client.IgnoreNotFound(c.api.Delete(t.Context(), c.secret())); err != nil {
						t.Fatal(err)
					}
				case 1:
					k := c.replica()
					reconcileOne(k)
					replicas[random.IntN(len(replicas))] = k
				default:
					c.clock.Step(time.Duration(random.Int64N(int64(10 * day))))
				}
				for range 2 { // each receives the changes of the others
					for _, i := range random.Perm(len(replicas)) {
						reconcileOne(replicas[i])
						check()
					}
				}
				authorities, _ := parseCertificates(c.bundle())
				maximum = max(maximum, len(authorities))
			}
			if maximum < 2 || maximum > maxAuthorities {
				t.Errorf("at most %d CAs at the same time", maximum)
			}
		})
	}
}

// A CA rotation without failures: both CAs are trusted, then the certificate of the new CA
// is served, and after the lifetime of a certificate the old CA is removed.
func TestRotation(t *testing.T) {
	t.Parallel()
	c := newCluster(t, configurationWith(nil))
	k := c.replica()
	c.reconcile(k)
	first := c.bundle()
	c.clock.SetTime(start.Add(200 * day))
	c.reconcile(k)
	c.clock.Step(propagationTime)
	c.reconcile(k)
	if served := k.served.Load(); !bytes.Equal(c.bundle(), first) || !served.Leaf.NotBefore.Equal(start.Add(200*day-skew)) {
		t.Fatal("the certificate was not renewed by the same CA")
	}
	before := k.served.Load()
	c.clock.SetTime(start.Add(authorityLife*2/3 - skew))
	c.reconcile(k)
	if both := c.bundle(); !bytes.HasSuffix(both, first) || len(both) <= len(first) || k.served.Load() != before {
		t.Fatal("the new CA is not before the old one, or its certificate is served already")
	}
	c.clock.Step(propagationTime)
	c.reconcile(k)
	second := c.bundle()[:len(c.bundle())-len(first)]
	if !isTrusted(k.served.Load(), mustParse(t, second), names, c.clock.Now()) {
		t.Error("the certificate of the new CA is not served")
	}
	c.clock.Step(61 * day)
	c.reconcile(k)
	if !bytes.HasSuffix(c.bundle(), first) {
		t.Error("the old CA was removed too early")
	}
	c.clock.Step(29 * day)
	c.reconcile(k)
	if !bytes.Equal(c.bundle(), second) {
		t.Error("the old CA is still trusted")
	}
}

// Foreign data in the Secret is replaced, and its certificates stay trusted for a while.
// Labels and the type stay.
func TestAdoption(t *testing.T) {
	t.Parallel()
	foreign := encoded(t, fresh(t, start))
	for name, tc := range map[string]struct {
		data  map[string][]byte
		kept  string
		other corev1.SecretType
	}{
		"foreign":               {map[string][]byte{certificateKey: foreign[certificateKey], privateKeyKey: foreign[privateKeyKey], authoritiesKey: foreign[authoritiesKey]}, authoritiesKey, corev1.SecretTypeTLS},
		"foreign, without a CA": {map[string][]byte{certificateKey: foreign[certificateKey], privateKeyKey: foreign[privateKeyKey]}, certificateKey, corev1.SecretTypeTLS},
		"damaged":               {map[string][]byte{authoritiesKey: foreign[authoritiesKey], authorityKeyKey: []byte("x")}, authoritiesKey, corev1.SecretTypeOpaque},
		"something else":        {map[string][]byte{"a": []byte("b")}, "", corev1.SecretTypeOpaque},
		"empty":                 {nil, "", corev1.SecretTypeOpaque},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Namespace: "cert-manager", Name: "trust-manager-webhook-tls", Labels: map[string]string{"a": "b"}}, Type: tc.other, Data: tc.data,
			}
			c := newCluster(t, secret, configurationWith([]byte("x")))
			k := c.replica()
			c.reconcile(k)
			after := c.secret()
			if after.Labels["a"] != "b" || after.Type != tc.other || len(after.Data) != 4 {
				t.Errorf("labels %v, type %s, %d keys", after.Labels, after.Type, len(after.Data))
			}
			if !bytes.HasSuffix(c.bundle(), foreign[tc.kept]) || tc.kept == "" && len(mustParse(t, c.bundle())) != 1 {
				t.Errorf("the caBundle has %d certificates, and the last one is not the foreign one", len(mustParse(t, c.bundle())))
			}
			c.wantCovered(name, k)
			if k.served.Load() == nil {
				t.Error("no certificate is served")
			}
		})
	}
}
