package integration

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// release is the chart's release, whose webhook has a certificate of one of several
// makers. Without a node, the test runs the operator that issues the certificate as a
// process, acts as cert-manager, and checks only the Secret where the operator would
// mount it.
type release struct {
	t        *testing.T
	apply    string
	operator *selfManaged
}

// helm runs Helm on the release.
func (r *release) helm(ctx context.Context, args ...string) error {
	_, err := env.Helm.Run(ctx, append(args, "--namespace", rig.TrustNamespace, "--kubeconfig", env.Kubeconfig())...)
	return err
}

// have switches the release to a mode. The rig has the other objects of the chart.
func (r *release) have(mode string) error {
	return r.helm(r.t.Context(), "upgrade", "--install", "trust-manager", env.Helm.Chart, r.apply, "--history-max=0", "--set",
		"app.webhook.tls.mode="+mode+",replicaCount=0,crds.enabled=false,global.rbac.create=false,serviceAccount.create=false,app.metrics.service.enabled=false,defaultPackage.enabled=false")
}

func (r *release) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// settle lets the maker of a mode issue the certificate, and returns the one that the
// webhook serves then.
func (r *release) settle(mode string) *x509.Certificate {
	r.t.Helper()
	if r.operator != nil && mode != "selfManaged" {
		stop(r.t, r.operator.operator)
		r.operator = nil
	}
	secret := mountedSecret()
	switch mode {
	case "certManager":
		r.certManager(secret)
	case "selfManaged":
		if r.operator == nil {
			r.operator = startSelfManaged(r.t, startOperator)
		}
		poll.Eventually(r.t, "readiness", r.operator.ready)
		secret = ownSecret()
	}
	secret = read(r.t, secret)
	block, _ := pem.Decode(secret.Data["tls.crt"])
	shown, err := x509.ParseCertificate(block.Bytes)
	r.must(err)
	r.wantTrusted("what is shown in mode "+mode, shown)
	return shown
}

// certManager issues a certificate into the Secret, unless it has one already, and
// injects the CA, like cert-manager.
func (r *release) certManager(secret *corev1.Secret) {
	r.t.Helper()
	issuer := ca.New("issuer")
	pair := issuer.Issue(ca.ForHosts("127.0.0.1", selfManagedHost))
	secret.Type = corev1.SecretTypeTLS
	secret.Data = map[string][]byte{"ca.crt": []byte(issuer.Certificate), "tls.crt": []byte(pair.Certificate), "tls.key": []byte(pair.Key)}
	if err := api.Create(r.t.Context(), secret, client.FieldOwner("cert-manager")); !apierrors.IsAlreadyExists(err) {
		r.must(err)
	}
	configuration := read(r.t, ownConfiguration())
	if configuration.Annotations["cert-manager.io/inject-ca-from"] != rig.TrustNamespace+"/"+selfManagedName {
		r.t.Fatalf("annotations %v", configuration.Annotations)
	}
	configuration.Webhooks[0].ClientConfig.CABundle = read(r.t, secret).Data["ca.crt"]
	r.must(api.Update(r.t.Context(), configuration, client.FieldOwner("cert-manager-cainjector")))
}

// wantTrusted checks that the API server currently trusts a certificate.
func (r *release) wantTrusted(what string, shown *x509.Certificate) {
	r.t.Helper()
	bundle, err := caBundle(r.t.Context())
	r.must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	if _, err := shown.Verify(x509.VerifyOptions{Roots: roots, DNSName: selfManagedHost}); err != nil {
		r.t.Errorf("%s is not trusted: %v", what, err)
	}
}

// R3: an upgrade alone switches the maker of the webhook's certificate, with Helm's
// server-side and client-side apply. The certificate of older replicas stays trusted
// until the new maker has taken over, if that is the operator or Helm. Later upgrades
// do not change the caBundle, and a rollback works.
func TestSwitchOfMaker(t *testing.T) {
	certManagerKinds(t)
	for _, apply := range []string{"--server-side=true", "--server-side=false"} {
		t.Run(apply, func(t *testing.T) {
			noOperator(t)
			cleanSelfManaged(t)
			r := &release{t: t, apply: apply}
			t.Cleanup(r.uninstall)
			r.must(r.have("helm"))
			before := r.settle("helm")
			for _, mode := range []string{"certManager", "selfManaged", "helm", "selfManaged", "certManager", "selfManaged"} {
				if mode == "helm" { // cert-manager leaves its Secret behind, and Helm adopts no foreign Secret
					if err := r.have(mode); err == nil || !strings.Contains(err.Error(), "ownership") {
						t.Fatalf("with a Secret of cert-manager's: %v", err)
					}
					remove(t, mountedSecret())
				}
				r.must(r.have(mode))
				if mode != "certManager" {
					time.Sleep(time.Second) // in which an old operator would repair the caBundle
					r.wantTrusted("before "+mode+" has taken over, what was shown", before)
				}
				after := r.settle(mode)
				if mode != "certManager" {
					r.wantTrusted("after "+mode+" has taken over, what was shown", before)
				}
				before = r.upgradeAgain(mode, after)
			}
			remove(t, mountedSecret())
			r.must(r.helm(t.Context(), "rollback", "trust-manager", "1", apply))
			r.settle("helm")
		})
	}
}

// mountedSecret returns the Secret of a certificate that the operator does not issue.
func mountedSecret() *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: rig.TrustNamespace, Name: selfManagedName + "-tls"}}
}

// upgradeAgain upgrades without a switch: unless Helm is the maker, the caBundle stays.
func (r *release) upgradeAgain(mode string, shown *x509.Certificate) *x509.Certificate {
	r.t.Helper()
	bundle, err := caBundle(r.t.Context())
	r.must(err)
	r.must(r.have(mode))
	r.wantTrusted("after one more upgrade, what was shown", shown)
	after, err := caBundle(r.t.Context())
	r.must(err)
	if !bytes.Equal(after, bundle) {
		r.t.Errorf("%s: an upgrade without a switch changes the caBundle", mode)
	}
	return r.settle(mode)
}

func (r *release) uninstall() {
	if err := r.helm(context.Background(), "uninstall", "trust-manager"); err != nil {
		r.t.Error(err)
	}
	if err := client.IgnoreNotFound(api.Delete(context.Background(), mountedSecret())); err != nil {
		r.t.Error(err)
	}
}

// certManagerKinds makes the API server accept the chart's objects of cert-manager. The
// tests with the real cert-manager cover their effect.
func certManagerKinds(t *testing.T) {
	t.Helper()
	for _, kind := range []string{"Issuer", "Certificate"} {
		plural := strings.ToLower(kind) + "s"
		kinds := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
			"metadata": map[string]any{"name": plural + ".cert-manager.io"},
			"spec": map[string]any{
				"group": "cert-manager.io", "scope": "Namespaced", "names": map[string]any{"kind": kind, "plural": plural},
				"versions": []any{map[string]any{
					"name": "v1", "served": true, "storage": true,
					"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
				}},
			},
		}}
		if err := api.Create(t.Context(), kinds); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := api.Delete(context.Background(), kinds); err != nil {
				t.Error(err)
			}
		})
		list := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "cert-manager.io/v1", "kind": kind + "List"}}
		poll.Eventually(t, kind+" to be served", func() error { return api.List(t.Context(), list) })
	}
}
