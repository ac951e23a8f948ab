package serving

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// cluster is an API server with replicas of the operator on it, which look when
// they are told to.
type cluster struct {
	t     *testing.T
	api   client.WithWatch
	clock *clocktesting.FakeClock
	log   bytes.Buffer
	// before is called before each request of a replica, and may refuse it.
	before func(verb string, object client.Object) error
	writes int
	// covered are pairs of a certificate and a caBundle that go together.
	covered map[string]bool
}

func newCluster(t *testing.T, objects ...client.Object) *cluster {
	t.Helper()
	return &cluster{
		t: t, api: fake.NewClientBuilder().WithObjects(objects...).Build(), clock: clocktesting.NewFakeClock(start),
		before: func(string, client.Object) error { return nil }, covered: map[string]bool{},
	}
}

// replica makes one more replica, which has not looked yet.
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

// look has a replica look until nothing is left to do at this time.
func (c *cluster) look(k *Keeper) {
	c.t.Helper()
	for range 10 {
		before := c.writes
		_, err := k.look(c.t.Context())
		if err != nil && !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
			c.t.Fatal(err)
		}
		if err == nil && c.writes == before {
			return
		}
	}
	c.t.Fatal("it does not come to rest")
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

// wantCovered checks that the API server accepts what a replica shows, if it shows
// something.
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
	c.covered[known] = isVouchedFor(pair, authorities, names, c.clock.Now())
	if !c.covered[known] {
		c.t.Fatalf("%s: at %s a replica shows what the caBundle with %d CAs does not cover\n%s", name, c.clock.Now(), len(authorities), &c.log)
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

// A replica that is overtaken, at whichever of its requests, by another one that
// makes all anew, does not put an older caBundle in the place of the newer one.
func TestOvertaken(t *testing.T) {
	t.Parallel()
	for request := range 5 {
		t.Run(fmt.Sprintf("request %d", request), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, configurationWith(nil))
			c.look(c.replica())
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
					c.look(fast)
				}
				return nil
			}
			if _, err := slow.look(t.Context()); err != nil && !apierrors.IsConflict(err) {
				t.Fatal(err)
			}
			c.wantCovered("fast", fast)
			c.wantCovered("slow", slow)
			c.look(slow)
			c.look(fast)
			c.wantCovered("fast", fast)
			c.wantCovered("slow", slow)
		})
	}
}

// Years pass, with replicas that look at any time, one between two requests of
// another, that restart, and whose Secret is deleted: whatever is shown is covered,
// and CAs do not pile up.
func TestYears(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 0))
			c := newCluster(t, configurationWith(nil))
			replicas := []*Keeper{c.replica(), c.replica(), c.replica()}
			var busy []*Keeper
			lookAt := func(k *Keeper) {
				if slices.Contains(busy, k) {
					return
				}
				busy = append(busy, k)
				defer func() { busy = busy[:len(busy)-1] }()
				if _, err := k.look(t.Context()); err != nil && !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
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
					lookAt(replicas[random.IntN(len(replicas))])
				}
				return nil
			}
			most := 0
			for c.clock.Now().Before(start.AddDate(2, 0, 0)) {
				switch random.IntN(40) {
				case 0:
					if err := client.IgnoreNotFound(c.api.Delete(t.Context(), c.secret())); err != nil {
						t.Fatal(err)
					}
				case 1:
					k := c.replica()
					lookAt(k)
					replicas[random.IntN(len(replicas))] = k
				default:
					c.clock.Step(time.Duration(random.Int64N(int64(10 * day))))
				}
				for range 2 { // each is told of what another has written
					for _, i := range random.Perm(len(replicas)) {
						lookAt(replicas[i])
						check()
					}
				}
				authorities, _ := parseCertificates(c.bundle())
				most = max(most, len(authorities))
			}
			if most < 2 || most > maxAuthorities {
				t.Errorf("at most %d CAs at the same time", most)
			}
		})
	}
}

// Without faults, a change of CA takes its course: both CAs are trusted, then the
// new one is shown, and after the life of a certificate the old one is gone.
func TestRotation(t *testing.T) {
	t.Parallel()
	c := newCluster(t, configurationWith(nil))
	k := c.replica()
	c.look(k)
	first := c.bundle()
	c.clock.SetTime(start.Add(200 * day))
	c.look(k)
	c.clock.Step(settle)
	c.look(k)
	if shown := k.served.Load(); !bytes.Equal(c.bundle(), first) || !shown.Leaf.NotBefore.Equal(start.Add(200*day-skew)) {
		t.Fatal("the certificate was not renewed by the same CA")
	}
	before := k.served.Load()
	c.clock.SetTime(start.Add(authorityLife*2/3 - skew))
	c.look(k)
	if both := c.bundle(); !bytes.HasSuffix(both, first) || len(both) <= len(first) || k.served.Load() != before {
		t.Fatal("the new CA is not before the old one, or its certificate is shown already")
	}
	c.clock.Step(settle)
	c.look(k)
	second := c.bundle()[:len(c.bundle())-len(first)]
	if !isVouchedFor(k.served.Load(), mustParse(t, second), names, c.clock.Now()) {
		t.Error("the certificate of the new CA is not shown")
	}
	c.clock.Step(61 * day)
	c.look(k)
	if !bytes.HasSuffix(c.bundle(), first) {
		t.Error("the old CA is gone too early")
	}
	c.clock.Step(29 * day)
	c.look(k)
	if !bytes.Equal(c.bundle(), second) {
		t.Error("the old CA is still trusted")
	}
}

// What others have put into the Secret is replaced, and trusted on for a while;
// labels and the type stay.
func TestAdoption(t *testing.T) {
	t.Parallel()
	theirs := encoded(t, fresh(t, start))
	for name, tc := range map[string]struct {
		data  map[string][]byte
		kept  string
		other corev1.SecretType
	}{
		"of another origin":               {map[string][]byte{certificateKey: theirs[certificateKey], privateKeyKey: theirs[privateKeyKey], authoritiesKey: theirs[authoritiesKey]}, authoritiesKey, corev1.SecretTypeTLS},
		"of another origin, without a CA": {map[string][]byte{certificateKey: theirs[certificateKey], privateKeyKey: theirs[privateKeyKey]}, certificateKey, corev1.SecretTypeTLS},
		"damaged":                         {map[string][]byte{authoritiesKey: theirs[authoritiesKey], authorityKeyKey: []byte("x")}, authoritiesKey, corev1.SecretTypeOpaque},
		"something else":                  {map[string][]byte{"a": []byte("b")}, "", corev1.SecretTypeOpaque},
		"empty":                           {nil, "", corev1.SecretTypeOpaque},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Namespace: "cert-manager", Name: "trust-manager-webhook-tls", Labels: map[string]string{"a": "b"}}, Type: tc.other, Data: tc.data,
			}
			c := newCluster(t, secret, configurationWith([]byte("x")))
			k := c.replica()
			c.look(k)
			after := c.secret()
			if after.Labels["a"] != "b" || after.Type != tc.other || len(after.Data) != 4 {
				t.Errorf("labels %v, type %s, %d keys", after.Labels, after.Type, len(after.Data))
			}
			if !bytes.HasSuffix(c.bundle(), theirs[tc.kept]) || tc.kept == "" && len(mustParse(t, c.bundle())) != 1 {
				t.Errorf("the caBundle has %d certificates, and not theirs in the end", len(mustParse(t, c.bundle())))
			}
			c.wantCovered(name, k)
			if k.served.Load() == nil {
				t.Error("nothing is shown")
			}
		})
	}
}

// Only the one entry of the configuration is touched, and nothing is written where
// all is in order.
func TestBundleIsPutRight(t *testing.T) {
	t.Parallel()
	c := newCluster(t, configurationWith(nil))
	k := c.replica()
	c.look(k)
	want := c.bundle()
	for _, edited := range [][]byte{nil, []byte("x"), fresh(t, start).bundle(), append(slices.Clone(want), want...)} {
		configuration := c.configuration()
		entryOf(configuration).ClientConfig.CABundle = edited
		if err := c.api.Update(t.Context(), configuration); err != nil {
			t.Fatal(err)
		}
		c.look(k)
		if !bytes.Equal(c.bundle(), want) {
			t.Error("the caBundle stays as it was edited")
		}
	}
	if other := c.configuration().Webhooks[0]; string(other.ClientConfig.CABundle) != "other" || len(c.configuration().Webhooks) != 2 {
		t.Errorf("another webhook is touched: %+v", other)
	}
	writes := c.writes
	c.look(k)
	c.look(c.replica())
	if c.writes != writes {
		t.Errorf("%d writes where nothing was to be done", c.writes-writes)
	}
}

// A CA that is taken out of the Secret is trusted no more, from the next look on.
func TestDistrust(t *testing.T) {
	t.Parallel()
	c := newCluster(t, configurationWith(nil))
	k := c.replica()
	c.look(k)
	if err := c.api.Delete(t.Context(), c.secret()); err != nil {
		t.Fatal(err)
	}
	c.look(k)
	c.clock.Step(settle)
	c.look(k)
	secret := c.secret()
	authorities := mustParse(t, secret.Data[authoritiesKey])
	if len(authorities) != 2 {
		t.Fatalf("%d CAs, want the new one and the old one", len(authorities))
	}
	secret.Data[authoritiesKey] = encodeCertificates(authorities[:1])
	if err := c.api.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	c.look(k)
	if left := mustParse(t, c.bundle()); len(left) != 1 || !left[0].Equal(authorities[0]) {
		t.Errorf("%d CAs are trusted, want the new one", len(left))
	}
	c.wantCovered("after that", k)
}

// Who undoes each write is not answered without end, and what is shown stays.
func TestFight(t *testing.T) {
	t.Parallel()
	c := newCluster(t, configurationWith(nil))
	k := c.replica()
	c.look(k)
	shown := k.served.Load()
	var err error
	for i := 0; i < 10*writesAtOnce && err == nil; i++ {
		secret := c.secret()
		secret.Data = encoded(t, fresh(t, start))
		delete(secret.Data, authorityKeyKey)
		if err := c.api.Update(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		_, err = k.look(t.Context())
	}
	if !errors.Is(err, errTooOften) || c.writes > writesAtOnce {
		t.Errorf("%d writes, and then %v", c.writes, err)
	}
	if k.served.Load() != shown {
		t.Error("another certificate is shown before its time")
	}
	c.clock.Step(20 * time.Second)
	c.look(k)
}

// A request that fails is told once and tried again with growing pauses; there is
// no certificate before, and nothing of a key in the log or an error.
func TestTroubles(t *testing.T) {
	t.Parallel()
	secrets := schema.GroupResource{Resource: "secrets"}
	for name, tc := range map[string]struct {
		objects []client.Object
		before  func(verb string, object client.Object) error
		says    string
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
				_, err := k.look(t.Context())
				if err == nil || !strings.Contains(err.Error(), tc.says) {
					t.Fatalf("error %v, want one that says %q", err, tc.says)
				}
				k.tellTrouble(t.Context(), err)
			}
			if count := strings.Count(c.log.String(), tc.says); count != 1 {
				t.Errorf("said %d times, want once:\n%s", count, &c.log)
			}
			if _, err := k.GetCertificate(nil); err == nil {
				t.Error("a certificate is shown")
			}
			c.before = func(string, client.Object) error { return nil }
			if len(tc.objects) == 0 {
				if err := c.api.Create(t.Context(), configurationWith(nil)); err != nil {
					t.Fatal(err)
				}
			} else if entryOf(c.configuration()) == nil {
				return
			}
			c.look(k)
			if _, err := k.GetCertificate(nil); err != nil {
				t.Error(err)
			}
			wantNoKey(t, c.log.String(), c.secret())
		})
	}
}

// The loop looks when told and when time has come, says once that it is ready, and
// ends with its context.
func TestRun(t *testing.T) {
	t.Parallel()
	c := newCluster(t, configurationWith(nil))
	looks := make(chan struct{}, 100)
	c.before = func(verb string, object client.Object) error {
		if _, is := object.(*corev1.Secret); is && verb == "get" {
			looks <- struct{}{}
		}
		return nil
	}
	k := c.replica()
	var changed func()
	k.options.Watch = func(_ context.Context, tell func()) error { changed = tell; return nil }
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); k.run(ctx) }()
	await := func(what string, channel <-chan struct{}) {
		t.Helper()
		select {
		case <-channel:
		case <-time.After(10 * time.Second):
			t.Fatalf("waited in vain for %s", what)
		}
	}
	await("readiness", k.ready)
	await("the first look", looks)
	changed()
	changed()
	await("a look after a change", looks)
	for !c.clock.HasWaiters() {
		time.Sleep(time.Millisecond)
	}
	c.clock.Step(longest)
	await("a look after some time", looks)
	cancel()
	await("the end", ended)
}

// wantNoKey checks that nothing of the keys in a Secret is in a text.
func wantNoKey(t *testing.T, text string, secret *corev1.Secret) {
	t.Helper()
	for _, key := range []string{authorityKeyKey, privateKeyKey} {
		block, _ := pem.Decode(secret.Data[key])
		for _, part := range []string{base64.StdEncoding.EncodeToString(block.Bytes)[40:60], fmt.Sprintf("%x", block.Bytes)[80:100], "PRIVATE"} {
			if strings.Contains(text, part) {
				t.Errorf("the text shows %s", key)
			}
		}
	}
}
