package integration

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

func isInvalid(err error) bool { return apierrors.IsInvalid(err) }

// R3, V5: the webhook's rejections of requests to the API server: for each rule an
// accepted Bundle and a rejected one, with the field.
func TestWebhookRefusals(t *testing.T) {
	startRegisteredWebhook(t)
	s := newScene(t)
	type change = func(*v1alpha1.BundleTarget)
	annotations := func(size int) change {
		return func(target *v1alpha1.BundleTarget) {
			half := strings.Repeat("x", size/2-1)
			target.ConfigMap.Metadata.Annotations = map[string]string{"a": half, "b": half}
		}
	}
	pkcs12 := func(key, password string) change {
		return func(target *v1alpha1.BundleTarget) {
			target.AdditionalFormats = &v1alpha1.AdditionalFormats{PKCS12: &v1alpha1.PKCS12{Key: key, Password: &password}}
		}
	}
	jks := func(key string) change {
		return func(target *v1alpha1.BundleTarget) {
			target.AdditionalFormats = &v1alpha1.AdditionalFormats{JKS: &v1alpha1.JKS{Key: key}}
		}
	}
	secret := func(key string) change {
		return func(target *v1alpha1.BundleTarget) { target.Secret = &v1alpha1.TargetObject{Key: key} }
	}
	configMap := func(key string) change { return func(target *v1alpha1.BundleTarget) { target.ConfigMap.Key = key } }
	for name, rule := range map[string]struct {
		valid, invalid change
		at             string
	}{
		"V5 annotations in all":              {annotations(262054), annotations(262056), "spec.target.configMap.metadata.annotations"},
		"a ConfigMap has the key":            {configMap("a-b_c.d"), configMap("a/b"), "spec.target.configMap.key"},
		"a Secret has the key":               {secret("a.b"), secret(".."), "spec.target.secret.key"},
		"an object has the key of a JKS":     {jks("a.jks"), jks("a jks"), "spec.target.additionalFormats.jks.key"},
		"an object has the key of a PKCS#12": {pkcs12("a.p12", ""), pkcs12("ä.p12", ""), "spec.target.additionalFormats.pkcs12.key"},
		"a PKCS#12 has the password":         {pkcs12("a", "pä\uffee"), pkcs12("a", "\U0001f600"), "spec.target.additionalFormats.pkcs12.password"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := func(change change) *v1alpha1.Bundle {
				return s.newBundle(inLine(newAuthority("CA")), func(b *v1alpha1.Bundle) { change(b.Spec.Target) })
			}
			if err := api.Create(t.Context(), asked(rule.valid), client.DryRunAll); err != nil {
				t.Errorf("the valid one is refused: %v", err)
			}
			err := api.Create(t.Context(), asked(rule.invalid), client.DryRunAll)
			wantInvalidAt(t, err, rule.at)
		})
	}
	// A Bundle at the limit can be written.
	namespaces, ca := s.namespaces(1), newAuthority("CA")
	awaitTargets(t, s.bundle(inLine(ca), func(b *v1alpha1.Bundle) { annotations(262054)(b.Spec.Target) }), namespaces, ca)
}

// wantInvalidAt checks that a request was rejected as invalid, for this field.
func wantInvalidAt(t *testing.T, err error, at string) {
	t.Helper()
	var status apierrors.APIStatus
	if !isInvalid(err) || !errors.As(err, &status) {
		t.Errorf("the error is %v, want a refusal as invalid", err)
		return
	}
	var fields []string
	for _, cause := range status.Status().Details.Causes {
		fields = append(fields, cause.Field)
	}
	if diff := cmp.Diff([]string{at}, fields); diff != "" {
		t.Errorf("fields of the refusal (-want +got):\n%s%v", diff, err)
	}
}

// A Bundle that is older than the webhook can be edited as long as its spec stays the
// same, and be corrected and deleted.
func TestWebhookLetsOldBundlesBe(t *testing.T) {
	s := newScene(t)
	w := startWebhook(t)
	never := s.newBundle(inLine(newAuthority("CA")), func(b *v1alpha1.Bundle) {
		b.Spec.Target.ConfigMap.Key = "a/b"
		b.Finalizers = []string{"example.com/finalizer"}
	})
	create(t, never)
	w.mount(w.issue())
	w.register()
	change(t, never, func(b *v1alpha1.Bundle) { b.Labels = map[string]string{"a": "b"} })
	changed := never.DeepCopy()
	changed.Spec.Sources = inLine(newAuthority("Other"))
	wantInvalidAt(t, api.Patch(t.Context(), changed, client.MergeFrom(never)), "spec.target.configMap.key")
	remove(t, never)
	change(t, never, func(b *v1alpha1.Bundle) { b.Finalizers = nil })
	awaitGone(t, never)

	never = s.newBundle(inLine(newAuthority("CA")))
	s.temporary(never)
	change(t, never, func(b *v1alpha1.Bundle) { b.Spec.Target.ConfigMap.Key = "a.b" })
}

// Warnings reach the user, are based on the current sources, and contain nothing of a
// certificate.
func TestWebhookWarnings(t *testing.T) {
	startRegisteredWebhook(t)
	s := newScene(t)
	user := newWarningsClient(t)
	const day = 24 * time.Hour
	good := newRoot(false, 365*day)
	intermediate := newRoot(true, 365*day)
	old, ending := newRoot(false, -day), newRoot(false, 20*day)
	configMap := s.sourceOf(good + intermediate + intermediate)
	chain := s.secret()
	change(t, chain, func(o *corev1.Secret) { o.Data = map[string][]byte{"tls.crt": []byte(good)} })
	spoiled := s.sourceOf("-----BEGIN CERTIFICATE-----\n")
	text := func(text string) v1alpha1.BundleSource { return v1alpha1.BundleSource{InLine: &text} }
	named := func(object client.Object, key string) v1alpha1.BundleSource {
		source := from(object)[0]
		if source.Secret != nil {
			source.Secret.Key = key
		} else {
			source.ConfigMap.Key = key
		}
		return source
	}
	where := func(object client.Object, kind string) string {
		return kind + " " + rig.TrustNamespace + "/" + object.GetName()
	}
	jks := func(b *v1alpha1.Bundle) {
		b.Spec.Target.AdditionalFormats = &v1alpha1.AdditionalFormats{JKS: &v1alpha1.JKS{Key: "j"}}
	}
	for name, tc := range map[string]struct {
		source v1alpha1.BundleSource
		change func(*v1alpha1.Bundle)
		want   []string // starts
	}{
		"a root":             {text(good), func(*v1alpha1.Bundle) {}, nil},
		"an expired one":     {text(good + old), func(*v1alpha1.Bundle) {}, []string{"spec.sources[0].inLine: block 2: expired"}},
		"one that will soon": {text(ending), func(*v1alpha1.Bundle) {}, []string{"spec.sources[0].inLine: block 1: expires within 30 days"}},
		"no CA":              {text(newLeaf()), func(*v1alpha1.Bundle) {}, []string{"spec.sources[0].inLine: block 1: not a CA"}},
		"intermediates in a ConfigMap": {named(configMap, sourceKey), func(*v1alpha1.Bundle) {}, []string{
			"spec.sources[0].configMap: " + where(configMap, "ConfigMap") + `, key "ca.crt", block 2: an intermediate`,
		}},
		"tls.crt of a Secret": {named(chain, "tls.crt"), func(*v1alpha1.Bundle) {}, []string{"spec.sources[0].secret.key: tls.crt"}},
		"a JKS":               {text(good), jks, []string{"spec.target.additionalFormats.jks: JKS is deprecated"}},
		"a private key":       {text(newAuthority("CA").Key), func(*v1alpha1.Bundle) {}, []string{"spec.sources[0].inLine: block 1: only CERTIFICATE blocks"}},
		"a damaged ConfigMap": {named(spoiled, sourceKey), func(*v1alpha1.Bundle) {}, []string{
			"spec.sources[0].configMap: " + where(spoiled, "ConfigMap") + `, key "ca.crt", block 1: the block is cut off`,
		}},
		"a missing object": {named(&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "missing"}}, "k"), func(*v1alpha1.Bundle) {}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			asked := s.newBundle([]v1alpha1.BundleSource{tc.source}, tc.change)
			// The operator's cache may lag behind.
			poll.Eventually(t, "the warnings", func() error {
				user.take()
				if err := user.Create(t.Context(), asked.DeepCopy(), client.DryRunAll); err != nil {
					t.Fatal(err)
				}
				return startWith(user.take(), tc.want)
			})
		})
	}

	t.Run("only when the spec changes", func(t *testing.T) {
		stored := s.newBundle([]v1alpha1.BundleSource{text(old)})
		s.temporary(stored)
		user.take()
		for want, edit := range map[int]func(*v1alpha1.Bundle){
			0: func(b *v1alpha1.Bundle) { b.Annotations = map[string]string{"a": "b"} },
			1: func(b *v1alpha1.Bundle) { b.Spec.Target.ConfigMap.Key = "other" },
		} {
			edited := stored.DeepCopy()
			edit(edited)
			if err := user.Patch(t.Context(), edited, client.MergeFrom(stored), client.DryRunAll); err != nil {
				t.Fatal(err)
			}
			if told := user.take(); len(told) != want {
				t.Errorf("warnings %q, want %d", told, want)
			}
		}
	})
}

func startWith(texts, starts []string) error {
	if len(texts) != len(starts) {
		return fmt.Errorf("%q, want %q", texts, starts)
	}
	for i := range texts {
		if !strings.HasPrefix(texts[i], starts[i]) || strings.Contains(texts[i], "Very Secret Name") || len(texts[i]) > 255 {
			return fmt.Errorf("%q, want one that starts with %q, and has at most 255 bytes and no subject", texts[i], starts[i])
		}
	}
	return nil
}

// newRoot returns a CA certificate that expires after left, self-signed or not.
func newRoot(intermediate bool, left time.Duration) string {
	changes := []func(*x509.Certificate){ca.Valid(time.Now().AddDate(-1, 0, 0), time.Now().Add(left))}
	if intermediate {
		changes = append(changes, ca.IssuedBy("Very Secret Name of the issuer"))
	}
	return ca.New("Very Secret Name", changes...).Certificate
}

func newLeaf() string {
	return ca.New("Very Secret Name", ca.NotCA, ca.IssuedBy("Very Secret Name of the issuer")).Certificate
}

// R1: a certificate is replaced under load, like the kubelet does and file by file, and
// no request fails.
func TestWebhookCertificateRotation(t *testing.T) {
	w := startRegisteredWebhook(t)
	s := newScene(t)
	end := make(chan struct{})
	var (
		load     sync.WaitGroup
		requests atomic.Int32
	)
	work := func(call func() error) {
		load.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				if err := call(); err != nil {
					t.Errorf("a request fails during the exchange: %v", err)
					return
				}
				requests.Add(1)
			}
		})
	}
	asked, plain := s.newBundle(inLine(newAuthority("CA"))), w.client()
	for range 2 {
		work(func() error { return api.Create(t.Context(), asked.DeepCopy(), client.DryRunAll) })
		// The API server reuses its connections; this client opens new ones.
		work(func() error {
			response, err := plain.Post(w.url(), "application/json", strings.NewReader("{}"))
			if err == nil {
				err = response.Body.Close()
			}
			return err
		})
	}
	awaitLoad := func() {
		t.Helper()
		before := requests.Load()
		poll.Eventually(t, "50 requests", func() error {
			if requests.Load() < before+50 && !t.Failed() {
				return errNotYet
			}
			return nil
		})
	}
	for range 3 {
		awaitLoad()
		next := w.issue()
		w.mount(next)
		w.awaitShown(next)
	}
	next := w.issue()
	if err := writePair(next, w.folder); err != nil { // through the links, one file after the other
		t.Fatal(err)
	}
	w.awaitShown(next)
	broken := w.issue()
	broken.Key = next.Key
	w.mount(broken)
	poll.Eventually(t, "word of the broken pair", func() error {
		if !strings.Contains(w.operator.Log(), "private key does not match public key") {
			return errNotYet
		}
		return nil
	})
	w.awaitShown(next) // the old one stays
	awaitLoad()
	close(end)
	load.Wait()
	t.Logf("%d requests during 4 exchanges and a broken one", requests.Load())
}

// R1: with a configured folder, the operator works without the certificate, but is
// ready only with it.
func TestWebhookReadiness(t *testing.T) {
	s := newScene(t)
	readiness := freePort(t)
	w := startWebhook(t, "--readiness-probe-port", readiness)
	namespaces, ca := s.namespaces(1), newAuthority("CA")
	awaitTargets(t, s.bundle(inLine(ca)), namespaces, ca)
	probe := func() error {
		response, err := http.Get("http://127.0.0.1:" + readiness + "/readyz")
		if err != nil {
			return err
		}
		defer response.Body.Close() //nolint:errcheck // only read
		if response.StatusCode != http.StatusOK {
			body, _ := io.ReadAll(response.Body)
			return fmt.Errorf("%s: %s", response.Status, body)
		}
		return nil
	}
	if err := probe(); err == nil || !strings.Contains(err.Error(), "webhook") {
		t.Errorf("without a certificate the probe says %v, want a failure of the webhook", err)
	}
	if log := w.operator.Log(); strings.Count(log, "Waiting for the webhook's certificate") != 1 {
		t.Error("the operator does not say once that it waits for the certificate")
	}
	w.mount(w.issue())
	poll.Eventually(t, "readiness", probe)
}

// R1: without a configured folder and without a certificate in the default one, as
// outside of a cluster, there is no webhook, and the log reports that.
func TestNoWebhookWithoutCertificate(t *testing.T) {
	readiness, port := freePort(t), freePort(t)
	o := startOperator(t, "--webhook-port", port, "--readiness-probe-port", readiness)
	awaitAnswer(t, "http://127.0.0.1:"+readiness+"/readyz", "")
	if count := strings.Count(o.Log(), "Running without the admission webhook"); count != 1 {
		t.Errorf("the log says %d times that there is no webhook, want once", count)
	}
}

// R1: TLS 1.2 is refused if 1.3 is required, and the API server can connect.
func TestWebhookTLSVersion(t *testing.T) {
	w := startRegisteredWebhook(t, "--tls-min-version", "VersionTLS13")
	if _, err := w.handshake(tls.VersionTLS12, tls.VersionTLS12); err == nil {
		t.Error("a handshake of TLS 1.2 succeeds")
	}
	if _, err := w.handshake(tls.VersionTLS13, tls.VersionTLS13); err != nil {
		t.Errorf("a handshake of TLS 1.3 fails: %v", err)
	}
}

// Invalid and oversized bodies are rejected, and change nothing. More abuse is in
// abuse_test.go.
func TestWebhookUnderAbuse(t *testing.T) {
	w := startRegisteredWebhook(t)
	post := func(contentType string, body io.Reader) (string, error) {
		response, err := w.client().Post(w.url(), contentType, body)
		if err != nil {
			return "", err
		}
		defer response.Body.Close() //nolint:errcheck // only read
		answer, err := io.ReadAll(response.Body)
		return string(answer), err
	}
	const review = `{"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", `
	for name, tc := range map[string]struct{ contentType, body, want string }{
		"no body":         {"application/json", "", `"code":400`},
		"no JSON":         {"application/json", "\x00\xff{", "not a JSON object"},
		"YAML":            {"application/json", "kind: AdmissionReview", "not a JSON object"},
		"another object":  {"application/json", `{"kind": "Pod", "apiVersion": "v1"}`, `"code":400`},
		"no request":      {"application/json", review + `"request": null}`, `"code":400`},
		"no Bundle":       {"application/json", review + `"request": {"operation": "CREATE", "object": [1]}}`, `"code":400`},
		"another type":    {"text/plain", review + `"request": {}}`, `"code":400`},
		"deeply nested":   {"application/json", strings.Repeat(`{"a":[`, 1<<16), "too large"},
		"larger than all": {"application/json", strings.Repeat("[", 8<<20), "too large"},
	} {
		if answer, err := post(tc.contentType, strings.NewReader(tc.body)); err != nil || !strings.Contains(answer, tc.want) || strings.Contains(answer, `"allowed":true`) {
			t.Errorf("%s: the answer is %.300q (%v), want %s", name, answer, err, tc.want)
		}
	}
	if w.operator.Ended() {
		t.Error("the operator has ended")
	}
}
