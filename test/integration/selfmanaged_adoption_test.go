package integration

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/internal/webhook/serving"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// The operator adopts a Secret of another origin, as after a change of the certificate's
// maker: it serves its own certificate at once, and that of older replicas stays trusted.
func TestSelfManagedAdoption(t *testing.T) {
	issuer := ca.New("issuer")
	pair := issuer.Issue(ca.ForHosts("127.0.0.1"))
	theirs := func(kind corev1.SecretType, data map[string]string) *corev1.Secret {
		secret := ownSecret()
		secret.Type, secret.StringData = kind, data
		secret.Labels = map[string]string{"of": "others"}
		return secret
	}
	for name, secret := range map[string]*corev1.Secret{
		"an issuer's": theirs(corev1.SecretTypeTLS, map[string]string{"tls.crt": pair.Certificate, "tls.key": pair.Key, "ca.crt": issuer.Certificate}),
		"damaged":     theirs(corev1.SecretTypeOpaque, map[string]string{"tls.crt": "x", "ca.key": "x", "ca.crt": issuer.Certificate + "x"}),
	} {
		t.Run(name, func(t *testing.T) {
			cleanSelfManaged(t)
			create(t, secret)
			s := startSelfManaged(t, startOperator)
			s.register([]byte(issuer.Certificate))
			poll.Eventually(t, "readiness", s.ready)
			(&webhook{t: t}).awaitAsked(true)
			after := read(t, ownSecret())
			if err := s.shows(after); err != nil {
				t.Error(err)
			}
			if after.UID != secret.UID || after.Type != secret.Type || after.Labels["of"] != "others" || len(after.Data) != 4 {
				t.Errorf("UID %s, type %s, labels %v, %d keys", after.UID, after.Type, after.Labels, len(after.Data))
			}
			if bundle, err := caBundle(t.Context()); err != nil || !bytes.HasSuffix(bundle, []byte(issuer.Certificate)) {
				t.Errorf("the CA from before is not trusted any more (%v)", err)
			}
		})
	}
}

// The chart's rights for the self-managed certificate are sufficient, and cover no more
// than the two objects.
func TestSelfManagedRights(t *testing.T) {
	cleanSelfManaged(t)
	noOperator(t)
	config := rest.CopyConfig(env.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: "nobody-else"}
	subjects := []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: config.Impersonate.UserName}}
	reference := func(kind string) rbacv1.RoleRef {
		return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: selfManagedName + ":webhook"}
	}
	bindings := []client.Object{
		&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: rig.TrustNamespace, Name: "nobody-else"}, Subjects: subjects, RoleRef: reference("Role")},
		&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "nobody-else"}, Subjects: subjects, RoleRef: reference("ClusterRole")},
	}
	create(t, bindings...)
	t.Cleanup(func() {
		for _, binding := range bindings {
			if err := api.Delete(context.Background(), binding); err != nil {
				t.Error(err)
			}
		}
	})
	limited, err := client.New(config, client.Options{Scheme: api.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	poll.Eventually(t, "the rights", func() error {
		return client.IgnoreNotFound(limited.Get(t.Context(), client.ObjectKeyFromObject(ownSecret()), ownSecret()))
	})
	keeper := serving.NewKeeper(serving.Options{
		Name: selfManagedName, Namespace: rig.TrustNamespace, Client: client.WithFieldOwner(limited, "trust-manager"), Manager: "trust-manager", Clock: clock.RealClock{}, Log: testr.New(t),
		Watch: serving.Watch(config, cache.Options{Scheme: api.Scheme()}, selfManagedName, rig.TrustNamespace),
	})
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	ready := keeper.Start(ctx)
	(&selfManaged{t: t, port: "1"}).registerUnasked()
	select {
	case <-ready:
	case <-time.After(30 * time.Second):
		t.Fatal("it does not get ready")
	}
	remove(t, ownSecret())
	poll.Eventually(t, "the Secret to be back", func() error {
		return api.Get(t.Context(), client.ObjectKeyFromObject(ownSecret()), ownSecret())
	})
	change(t, ownConfiguration(), func(o *admissionregistrationv1.ValidatingWebhookConfiguration) {
		o.Webhooks[0].ClientConfig.CABundle = nil
	})
	poll.Eventually(t, "the caBundle to be back", func() error {
		if bundle, err := caBundle(t.Context()); len(bundle) == 0 {
			return errors.Join(errNotYet, err)
		}
		return nil
	})
	for what, err := range map[string]error{
		"to read another Secret":    limited.Get(t.Context(), client.ObjectKey{Namespace: rig.TrustNamespace, Name: "other"}, &corev1.Secret{}),
		"to list all Secrets":       limited.List(t.Context(), &corev1.SecretList{}, client.InNamespace(rig.TrustNamespace)),
		"to delete the Secret":      limited.Delete(t.Context(), ownSecret()),
		"to list configurations":    limited.List(t.Context(), &admissionregistrationv1.ValidatingWebhookConfigurationList{}),
		"to delete a configuration": limited.Delete(t.Context(), ownConfiguration()),
	} {
		if !apierrors.IsForbidden(err) {
			t.Errorf("it may be allowed %s: %v", what, err)
		}
	}
}

// registerUnasked creates a configuration that matches no object.
func (s *selfManaged) registerUnasked() {
	s.t.Helper()
	none := admissionregistrationv1.SideEffectClassNone
	configuration := ownConfiguration()
	configuration.Webhooks = []admissionregistrationv1.ValidatingWebhook{{
		Name: ownEntry, SideEffects: &none, AdmissionReviewVersions: []string{"v1"},
		ClientConfig: admissionregistrationv1.WebhookClientConfig{
			Service: &admissionregistrationv1.ServiceReference{Namespace: rig.TrustNamespace, Name: selfManagedName},
		},
	}}
	create(s.t, configuration)
}
