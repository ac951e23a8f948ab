package upgrade

import (
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/poll"
)

// standin is a chart with the names and the immutable fields on which an in-place
// upgrade from cert-manager's trust-manager depends, and nothing else. Its
// Deployment has no pods.
const standin = "testdata/standin"

// T5: Helm alone upgrades a release of cert-manager's chart to this one, with the
// same objects under the same names, including cert-manager's Certificate. The
// operator adopts the existing targets in place, and a rollback does not change
// them.
func TestUpgradeFromStandIn(t *testing.T) {
	const bundleName, namespaces = "taken-over", 3
	startCertManager(t)
	t.Cleanup(func() { removeAll(t, bundleName) })
	install(t, standin)
	label := "taken-over"
	content := ca.New("first").Certificate + ca.New("second").Certificate
	bundle := newBundle(bundleName, &label, content)
	if err := api.Create(t.Context(), bundle); err != nil {
		t.Fatal(err)
	}
	for _, namespace := range makeNamespaces(t, label, namespaces) {
		leave(t, bundle, namespace, content)
	}
	w := watchTargets(t, bundleName, namespaces, complete(content))
	before := identities(t)

	install(t, packaged(t, after), values()...)
	wantRunning(t, after)
	awaitSynced(t, bundleName, namespaces)
	for place, uid := range identities(t) {
		if before[place] != uid {
			t.Errorf("%s was re-created", place)
		}
	}
	if events := w.check(t); events != 2*namespaces {
		t.Errorf("%d events of %d targets, want one write per target", events, namespaces)
	}
	at := versions(t, bundleName)

	helm(t, "rollback", name, "1", "--wait", "--timeout", "90s")
	poll.Eventually(t, "the pods to be deleted", noPods(t))
	time.Sleep(time.Second) // for delayed effects
	if now := versions(t, bundleName); len(changed(at, now)) > 0 {
		t.Errorf("the rollback has changed %q", changed(at, now))
	}
	w.check(t)
	wantServed(t, bundleName)
	if err := api.Update(t.Context(), read(t, bundleName)); err == nil || !strings.Contains(err.Error(), "no endpoints available") && !strings.Contains(err.Error(), "failed calling webhook") {
		t.Errorf("want the call of the stand-in's webhook, which has no pods, to fail: %v", err)
	}
}

// leave creates a target as cert-manager's operator leaves it: by server-side
// apply, with another hash, and without the final newline.
func leave(t *testing.T, bundle *v1alpha1.Bundle, namespace, content string) {
	t.Helper()
	target := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{
			"name": bundle.Name, "namespace": namespace,
			"labels":      map[string]any{v1alpha1.BundleLabelKey: bundle.Name},
			"annotations": map[string]any{v1alpha1.BundleHashAnnotationKey: "0123456789abcdef"},
			"ownerReferences": []any{map[string]any{
				"apiVersion": v1alpha1.GroupVersion.String(), "kind": v1alpha1.BundleKind, "name": bundle.Name, "uid": string(bundle.UID),
				"controller": true, "blockOwnerDeletion": true,
			}},
		},
		"data": map[string]any{key: strings.TrimSuffix(content, "\n")},
	}}
	if err := api.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(target), client.FieldOwner("trust-manager")); err != nil {
		t.Fatal(err)
	}
}

// identities returns the UIDs of the release's objects that an upgrade must not
// re-create, since users or other objects refer to them.
func identities(t *testing.T) map[string]types.UID {
	t.Helper()
	foreign := func(kind string) client.Object {
		o := &unstructured.Unstructured{}
		o.SetAPIVersion("cert-manager.io/v1")
		o.SetKind(kind)
		return o
	}
	definition := &unstructured.Unstructured{}
	definition.SetGroupVersionKind(definitionKind)
	all := map[string]types.UID{}
	for _, entry := range []struct {
		key    client.ObjectKey
		object client.Object
	}{
		{client.ObjectKey{Namespace: namespace, Name: name}, &appsv1.Deployment{}},
		{client.ObjectKey{Namespace: namespace, Name: name}, &corev1.Service{}},
		{client.ObjectKey{Namespace: namespace, Name: name + "-metrics"}, &corev1.Service{}},
		{client.ObjectKey{Namespace: namespace, Name: name}, &corev1.ServiceAccount{}},
		{client.ObjectKey{Namespace: namespace, Name: name}, foreign("Issuer")},
		{client.ObjectKey{Namespace: namespace, Name: name}, foreign("Certificate")},
		{client.ObjectKey{Name: name}, &admissionregistrationv1.ValidatingWebhookConfiguration{}},
		{client.ObjectKey{Name: definitionName}, definition},
	} {
		if err := api.Get(t.Context(), entry.key, entry.object); err != nil {
			t.Fatal(err)
		}
		kind, err := api.GroupVersionKindFor(entry.object)
		if err != nil {
			t.Fatal(err)
		}
		all[kind.Kind+" "+entry.key.Name] = entry.object.GetUID()
	}
	return all
}

// read returns a Bundle with an additional annotation.
func read(t *testing.T, bundle string) *v1alpha1.Bundle {
	t.Helper()
	object := &v1alpha1.Bundle{}
	if err := api.Get(t.Context(), client.ObjectKey{Name: bundle}, object); err != nil {
		t.Fatal(err)
	}
	object.Annotations = map[string]string{"some": "annotation"}
	return object
}
