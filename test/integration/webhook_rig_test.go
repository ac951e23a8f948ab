package integration

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// webhookPath is the path of the webhook in the contract (R3).
const webhookPath = "/validate-trust-cert-manager-io-v1alpha1-bundle"

// webhook is an operator's webhook, with its clients.
type webhook struct {
	t        *testing.T
	operator *rig.Operator
	issuer   ca.CA
	// folder is that of the certificate, which is mounted like the kubelet does.
	folder string
	port   string
	mounts int
}

// startWebhook runs an operator with a webhook, whose folder has no certificate
// yet. The API server does not know of it.
func startWebhook(t *testing.T, flags ...string) *webhook {
	t.Helper()
	w := &webhook{t: t, issuer: ca.New("issuer"), folder: t.TempDir(), port: freePort(t)}
	w.operator = startOperator(t, append([]string{
		"--webhook-port", w.port, "--webhook-host", "127.0.0.1", "--webhook-certificate-dir", w.folder,
	}, flags...)...)
	return w
}

// startRegisteredWebhook runs an operator whose webhook the API server calls until the
// end of the test.
func startRegisteredWebhook(t *testing.T, flags ...string) *webhook {
	t.Helper()
	w := startWebhook(t, flags...)
	w.mount(w.issue())
	w.register()
	return w
}

// url returns the URL of the webhook.
func (w *webhook) url() string { return "https://127.0.0.1:" + w.port + webhookPath }

// register makes the API server call the webhook for each Bundle that is created or
// changed, and reject the request if the call fails.
func (w *webhook) register() {
	w.t.Helper()
	url, timeout := w.url(), int32(10)
	fail, none := admissionregistrationv1.Fail, admissionregistrationv1.SideEffectClassNone
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "trust-manager"},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name:         "bundles.trust-manager.io",
			ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: &url, CABundle: []byte(w.issuer.Certificate)},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update},
				Rule: admissionregistrationv1.Rule{
					APIGroups: []string{v1alpha1.GroupVersion.Group}, APIVersions: []string{v1alpha1.GroupVersion.Version}, Resources: []string{"bundles"},
				},
			}},
			FailurePolicy:           &fail,
			SideEffects:             &none,
			TimeoutSeconds:          &timeout,
			AdmissionReviewVersions: []string{"v1"},
		}},
	}
	create(w.t, configuration)
	w.t.Cleanup(func() {
		// The test's own context has ended.
		if err := api.Delete(context.Background(), configuration); err != nil {
			w.t.Error(err)
		}
		w.awaitAsked(false)
	})
	w.awaitAsked(true)
}

// awaitAsked waits until the API server calls the webhook, or until it stops.
func (w *webhook) awaitAsked(wanted bool) {
	w.t.Helper()
	never := newScene(w.t).newBundle(inLine(newAuthority("CA")), func(b *v1alpha1.Bundle) { b.Spec.Target.ConfigMap.Key = "a/b" })
	err := poll.Until(context.Background(), fmt.Sprintf("the API server to ask the webhook: %t", wanted), func() error {
		err := api.Create(context.Background(), never.DeepCopy(), client.DryRunAll)
		if (err != nil) != wanted || err != nil && wanted && !isInvalid(err) {
			return fmt.Errorf("the answer is %w", errors.Join(errNotYet, err))
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// mount writes a certificate to the folder like the kubelet mounts a Secret: the files
// are links into a folder that is replaced as a whole.
func (w *webhook) mount(pair ca.Pair) {
	w.t.Helper()
	w.mounts++
	name := fmt.Sprintf("..mount-%d", w.mounts)
	data := filepath.Join(w.folder, "..data")
	before, _ := os.Readlink(data) // it does not exist at first
	err := errors.Join(
		os.Mkdir(filepath.Join(w.folder, name), 0o700),
		writePair(pair, filepath.Join(w.folder, name)),
		os.Symlink(name, data+"_tmp"),
		os.Rename(data+"_tmp", data),
	)
	if before == "" {
		for _, file := range []string{"tls.crt", "tls.key"} {
			err = errors.Join(err, os.Symlink(filepath.Join("..data", file), filepath.Join(w.folder, file)))
		}
	} else {
		err = errors.Join(err, os.RemoveAll(filepath.Join(w.folder, before)))
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// clientConfig returns a configuration that trusts the issuer, with these TLS versions.
func (w *webhook) clientConfig(lowest, highest uint16) *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(w.issuer.X509())
	return &tls.Config{RootCAs: roots, MinVersion: lowest, MaxVersion: highest}
}

// client returns a client that calls the webhook like the API server, over a new
// connection each time.
func (w *webhook) client() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: w.clientConfig(tls.VersionTLS12, 0), DisableKeepAlives: true}}
}

// handshake returns the serial number of the certificate that the webhook serves.
func (w *webhook) handshake(lowest, highest uint16) (serial *big.Int, err error) {
	dialer := &tls.Dialer{Config: w.clientConfig(lowest, highest)}
	connection, err := dialer.DialContext(w.t.Context(), "tcp", "127.0.0.1:"+w.port)
	if err != nil {
		return nil, err
	}
	defer connection.Close() //nolint:errcheck // only read
	return connection.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber, nil
}

// awaitShown waits until the webhook serves a certificate.
func (w *webhook) awaitShown(pair ca.Pair) {
	w.t.Helper()
	poll.Eventually(w.t, "the certificate to be shown", func() error {
		serial, err := w.handshake(tls.VersionTLS12, 0)
		if err == nil && serial.Cmp(pair.X509().SerialNumber) != 0 {
			err = errors.New("another one is")
		}
		return err
	})
}

// issue returns a certificate for the webhook.
func (w *webhook) issue() ca.Pair { return w.issuer.Issue(ca.ForHosts("127.0.0.1")) }

func writePair(pair ca.Pair, folder string) error {
	return errors.Join(
		os.WriteFile(filepath.Join(folder, "tls.crt"), []byte(pair.Certificate), 0o600),
		os.WriteFile(filepath.Join(folder, "tls.key"), []byte(pair.Key), 0o600),
	)
}

// warningsClient is an administrator's client that records warnings.
type warningsClient struct {
	client.Client
	mu   sync.Mutex
	told []string
}

func newWarningsClient(t *testing.T) *warningsClient {
	t.Helper()
	w := &warningsClient{}
	config := rest.CopyConfig(env.Config)
	config.WarningHandler = w
	var err error
	if w.Client, err = client.New(config, client.Options{Scheme: api.Scheme()}); err != nil {
		t.Fatal(err)
	}
	return w
}

// HandleWarningHeader implements rest.WarningHandler.
func (w *warningsClient) HandleWarningHeader(_ int, _ string, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, text)
}

// take returns the warnings since the last call.
func (w *warningsClient) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	told := slices.Clone(w.told)
	w.told = nil
	return told
}
