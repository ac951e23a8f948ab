package chart

import (
	"slices"
	"strings"
	"testing"

	"trust-manager.io/test/framework/helm"
)

// install.yaml has everything in the order in which `kubectl apply` needs it, in a namespace of
// its own, and nothing that only Helm or newer versions of Kubernetes understand.
func TestInstallManifest(t *testing.T) {
	text, err := chart.Manifest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	objects, err := helm.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, object := range objects {
		kinds = append(kinds, object.GetKind())
		namespace := object.GetNamespace()
		if namespace != "" && namespace != "trust-manager" && object.GetName() != "trust-manager:events" { // events are in the namespace default
			t.Errorf("%s %s is in the namespace %s", object.GetKind(), object.GetName(), namespace)
		}
		if object.GetLabels()["app.kubernetes.io/managed-by"] == "Helm" || object.GetAnnotations()["helm.sh/resource-policy"] != "" {
			t.Errorf("%s %s is marked as managed by Helm", object.GetKind(), object.GetName())
		}
		if object.GetKind() == "Secret" || strings.HasPrefix(object.GetAPIVersion(), "cert-manager.io/") {
			t.Errorf("unexpected %s %s", object.GetKind(), object.GetName())
		}
	}
	if kinds[0] != "Namespace" || slices.Index(kinds, "CustomResourceDefinition") > slices.Index(kinds, "Deployment") {
		t.Errorf("the order is %q", kinds)
	}
	if last := kinds[len(kinds)-1]; last != "ValidatingWebhookConfiguration" {
		t.Errorf("the last object is a %s; want the webhook, behind everything that it needs", last)
	}
	deployment := manifests(objects).get(t, "Deployment", "trust-manager")
	container := at(t, deployment, "spec", "template", "spec", "containers", 0)
	for _, want := range []string{"--webhook-self-managed=trust-manager", "--trust-namespace=trust-manager"} {
		if !strings.Contains(container, want) {
			t.Errorf("the operator runs without %s: %s", want, container)
		}
	}
	// Kubernetes 1.28 and 1.29 have no sleep.
	if strings.Contains(container, "preStop") {
		t.Errorf("it contains a preStop hook: %s", container)
	}
}
