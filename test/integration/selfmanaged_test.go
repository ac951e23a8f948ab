package integration

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/webhook/serving"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// The names in the chart's rights for the self-managed certificate, and the name of
// the Service that the API server calls.
const (
	selfManagedName = "trust-manager"
	selfManagedHost = selfManagedName + "." + rig.TrustNamespace + ".svc"
	ownEntry        = "trust.cert-manager.io"
)

// selfManaged is an operator that issues the webhook's certificate by itself.
type selfManaged struct {
	t               *testing.T
	operator        *rig.Operator
	port, readiness string
}

// cleanSelfManaged deletes the objects of earlier tests now, and of this test at its end.
func cleanSelfManaged(t *testing.T) {
	t.Helper()
	remove := func() {
		for _, object := range []client.Object{ownConfiguration(), ownSecret(), ownService()} {
			if err := client.IgnoreNotFound(api.Delete(context.Background(), object)); err != nil {
				t.Error(err)
			}
		}
	}
	remove()
	t.Cleanup(remove)
}

func startSelfManaged(t *testing.T, start func(*testing.T, ...string) *rig.Operator) *selfManaged {
	t.Helper()
	s := &selfManaged{t: t, port: freePort(t), readiness: freePort(t)}
	s.operator = start(t, "--webhook-self-managed", selfManagedName, "--webhook-port", s.port, "--webhook-host", "127.0.0.1",
		"--readiness-probe-port", s.readiness)
	return s
}

func ownSecret() *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: rig.TrustNamespace, Name: serving.SecretName(selfManagedName)}}
}

func ownConfiguration() *admissionregistrationv1.ValidatingWebhookConfiguration {
	return &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: selfManagedName}}
}

// ownService returns the Service by which the rig's API server reaches a process on this
// machine.
func ownService() *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: rig.TrustNamespace, Name: selfManagedName},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "127.0.0.1"},
	}
}

// register makes the API server call this operator like the chart does: by a Service
// and without a caBundle. Another entry matches no existing object.
func (s *selfManaged) register(bundle []byte) {
	s.t.Helper()
	port, err := strconv.ParseInt(s.port, 10, 32)
	if err != nil {
		s.t.Fatal(err)
	}
	path, port32 := webhookPath, int32(port)
	fail, none := admissionregistrationv1.Fail, admissionregistrationv1.SideEffectClassNone
	entry := func(name, resource string, bundle []byte) admissionregistrationv1.ValidatingWebhook {
		return admissionregistrationv1.ValidatingWebhook{
			Name: name,
			ClientConfig: admissionregistrationv1.WebhookClientConfig{CABundle: bundle, Service: &admissionregistrationv1.ServiceReference{
				Namespace: rig.TrustNamespace, Name: selfManagedName, Path: &path, Port: &port32,
			}},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update},
				Rule: admissionregistrationv1.Rule{
					APIGroups: []string{v1alpha1.GroupVersion.Group}, APIVersions: []string{v1alpha1.GroupVersion.Version}, Resources: []string{resource},
				},
			}},
			FailurePolicy: &fail, SideEffects: &none, AdmissionReviewVersions: []string{"v1"},
		}
	}
	configuration := ownConfiguration()
	configuration.Webhooks = []admissionregistrationv1.ValidatingWebhook{entry("other.trust-manager.io", "others", nil), entry(ownEntry, "bundles", bundle)}
	create(s.t, ownService(), configuration)
	s.t.Cleanup(func() {
		// The test's own context has ended.
		if err := api.Delete(context.Background(), ownConfiguration()); err != nil {
			s.t.Error(err)
		}
		(&webhook{t: s.t}).awaitAsked(false)
	})
}

// caBundle returns the current caBundle.
func caBundle(ctx context.Context) ([]byte, error) {
	configuration := ownConfiguration()
	err := api.Get(ctx, client.ObjectKeyFromObject(configuration), configuration)
	for _, entry := range configuration.Webhooks {
		if entry.Name == ownEntry {
			return entry.ClientConfig.CABundle, err
		}
	}
	return nil, err
}

// ready returns an error unless the operator is ready.
func (s *selfManaged) ready() error {
	response, err := http.Get("http://127.0.0.1:" + s.readiness + "/readyz")
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	if body, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", response.Status, body)
	}
	return nil
}

// shown connects like the API server, trusting the current caBundle, and returns the
// certificate.
func (s *selfManaged) shown(ctx context.Context) (*x509.Certificate, error) {
	bundle, err := caBundle(ctx)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	dialer := &tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: selfManagedHost, MinVersion: tls.VersionTLS12}}
	connection, err := dialer.DialContext(ctx, "tcp", "127.0.0.1:"+s.port)
	if err != nil {
		return nil, err
	}
	defer connection.Close() //nolint:errcheck // only read
	return connection.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}

// shows returns an error unless the webhook serves the certificate of a Secret.
func (s *selfManaged) shows(secret *corev1.Secret) error {
	shown, err := s.shown(s.t.Context())
	if err == nil && !bytes.Equal(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: shown.Raw}), secret.Data["tls.crt"]) {
		err = errors.New("another certificate is shown")
	}
	return err
}

// ownWrites selects the writes of the certificate's objects.
func ownWrites(q rig.Request) bool {
	return q.IsWrite() && (q.Resource == "secrets" || q.Resource == "validatingwebhookconfigurations")
}

// wantNoKeys checks that an operator has logged nothing of a Secret's private keys.
func wantNoKeys(t *testing.T, o *rig.Operator, secret *corev1.Secret) {
	t.Helper()
	for _, key := range []string{"ca.key", "tls.key"} {
		for line := range strings.Lines(string(secret.Data[key])) {
			if strings.Contains(o.Log(), strings.TrimSpace(line)) {
				t.Errorf("the log shows a line of %s", key)
			}
		}
	}
}

// The operator issues CA and certificate from scratch, is not ready until it has
// observed the configuration, and the API server calls it once the caBundle is set.
// Edits are repaired. In sync nothing is written, not even after a restart.
func TestSelfManagedWebhook(t *testing.T) {
	cleanSelfManaged(t)
	s := startSelfManaged(t, startOperator)
	poll.Eventually(t, "word of the missing configuration", func() error {
		if !strings.Contains(s.operator.Log(), "there is no ValidatingWebhookConfiguration "+selfManagedName) {
			return errNotYet
		}
		return nil
	})
	if err := s.ready(); err == nil || !strings.Contains(err.Error(), "webhook") {
		t.Errorf("without a configuration the probe says %v, want a failure of the webhook", err)
	}
	if _, err := s.shown(t.Context()); err == nil {
		t.Error("something is shown that no caBundle covers")
	}
	s.register(nil)
	poll.Eventually(t, "readiness", s.ready)
	(&webhook{t: t}).awaitAsked(true)
	secret := read(t, ownSecret())
	if secret.Type != corev1.SecretTypeTLS || len(secret.Data) != 4 {
		t.Errorf("Secret of type %s with %d keys", secret.Type, len(secret.Data))
	}
	if err := s.shows(secret); err != nil {
		t.Error(err)
	}
	bundle, err := caBundle(t.Context())
	if err != nil || !bytes.Equal(bundle, secret.Data["ca.crt"]) {
		t.Errorf("the caBundle is not ca.crt (%v)", err)
	}
	wantNoKeys(t, s.operator, secret)

	for name, edit := range map[string][]byte{"empty": nil, "another CA": []byte(ca.New("issuer").Certificate), "twice": append(bytes.Clone(bundle), bundle...)} {
		change(t, ownConfiguration(), func(o *admissionregistrationv1.ValidatingWebhookConfiguration) {
			o.Webhooks[1].ClientConfig.CABundle = edit
		})
		poll.Eventually(t, "the caBundle that was "+name+" to be repaired", func() error {
			if now, err := caBundle(t.Context()); err != nil || !bytes.Equal(now, bundle) {
				return errors.Join(errNotYet, err)
			}
			return nil
		})
	}
	(&webhook{t: t}).awaitAsked(true)
	if other := read(t, ownConfiguration()).Webhooks[0]; len(other.ClientConfig.CABundle) != 0 {
		t.Error("another webhook has been given a caBundle")
	}

	mark := env.Audit.Mark()
	stays(t, 2*time.Second, "the certificate", func() error { return s.shows(secret) })
	stop(t, s.operator)
	s.operator = addOperator(t, "--webhook-self-managed", selfManagedName, "--webhook-port", s.port, "--webhook-host", "127.0.0.1", "--readiness-probe-port", s.readiness)
	poll.Eventually(t, "readiness after a restart", s.ready)
	if err := s.shows(secret); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	if writes := requests(t, mark, ownWrites); len(writes) > 0 {
		t.Errorf("writes where nothing was to be done: %v", writes)
	}
}

// R2: every replica serves. Two that start concurrently agree on one certificate. When
// the Secret is deleted they switch to a new CA; at no time does one serve a certificate
// that the caBundle does not trust, or does a call of the API server fail.
func TestSelfManagedReplicas(t *testing.T) {
	cleanSelfManaged(t)
	mark := env.Audit.Mark()
	replicas := []*selfManaged{startSelfManaged(t, startOperator), startSelfManaged(t, addOperator)}
	replicas[0].register(nil)
	for _, s := range replicas {
		poll.Eventually(t, "readiness", s.ready)
	}
	(&webhook{t: t}).awaitAsked(true)
	first := read(t, ownSecret())
	for _, s := range replicas {
		if err := s.shows(first); err != nil {
			t.Error(err)
		}
	}
	done := func(q rig.Request) bool { return ownWrites(q) && q.Done() }
	if writes := requests(t, mark, done); len(writes) != 3 {
		t.Errorf("%v, want that one replica creates the Secret, and one writes the caBundle and gives its field up", writes)
	}

	asked := newScene(t).newBundle(inLine(newAuthority("CA")))
	ctx, cancel := context.WithCancel(t.Context())
	var load sync.WaitGroup
	always := func(what string, call func() error) {
		load.Go(func() {
			for ; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
				if err := call(); err != nil && ctx.Err() == nil {
					t.Errorf("%s fails during the change: %v", what, err)
					return
				}
			}
		})
	}
	for i, s := range replicas {
		always(fmt.Sprintf("a connection to replica %d", i), func() error { _, err := s.shown(ctx); return err })
	}
	always("a request", func() error { return api.Create(ctx, asked.DeepCopy(), client.DryRunAll) })
	remove(t, ownSecret())
	second := ownSecret()
	poll.Eventually(t, "a new Secret", func() error { return api.Get(t.Context(), client.ObjectKeyFromObject(second), second) })
	if want := second.Data["ca.crt"]; bytes.Equal(want, first.Data["ca.crt"]) || !bytes.HasSuffix(want, first.Data["ca.crt"]) {
		t.Error("it has not both the new CA and the old one")
	}
	for i, s := range replicas {
		err := poll.UntilWithin(t.Context(), 2*time.Minute, fmt.Sprintf("replica %d to show the new certificate", i), func() error { return s.shows(second) })
		if err != nil {
			t.Error(err)
		}
	}
	time.Sleep(time.Second)
	cancel()
	load.Wait()
	for _, s := range replicas {
		wantNoKeys(t, s.operator, first)
		wantNoKeys(t, s.operator, second)
	}
}
