package e2e

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/poll"
)

const (
	// bundleName is that of the one Bundle, and so of its targets.
	bundleName = "e2e-bundle"
	bundleKey  = "trust-bundle.pem"
)

func ptr[T any](value T) *T { return &value }

func bundle(name string, sources ...v1alpha1.BundleSource) *v1alpha1.Bundle {
	return &v1alpha1.Bundle{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.BundleSpec{
			Sources: sources,
			Target:  &v1alpha1.BundleTarget{ConfigMap: &v1alpha1.TargetObject{Key: bundleKey}},
		},
	}
}

func create(t *testing.T, object client.Object) {
	t.Helper()
	if err := api.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, namespace, name string, object client.Object) {
	t.Helper()
	if err := api.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, object); err != nil {
		t.Fatal(err)
	}
}

// addSource adds a source to the Bundle.
func addSource(t *testing.T, source v1alpha1.BundleSource) error {
	t.Helper()
	object := &v1alpha1.Bundle{}
	get(t, "", bundleName, object)
	before := object.DeepCopy()
	object.Spec.Sources = append(object.Spec.Sources, source)
	return api.Patch(t.Context(), object, client.MergeFrom(before))
}

// await polls until check returns no error.
func await(t *testing.T, what string, check func() error) {
	t.Helper()
	if err := poll.UntilWithin(t.Context(), patience, what, check); err != nil {
		t.Fatalf("%v\n%s", err, state(t))
	}
}

// awaitTarget waits until the target in a namespace ends with a certificate.
func awaitTarget(t *testing.T, namespace, certificate string) {
	t.Helper()
	await(t, "the target in "+namespace, func() error {
		target := &corev1.ConfigMap{}
		if err := api.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: bundleName}, target); err != nil {
			return err
		}
		if !strings.HasSuffix(target.Data[bundleKey], certificate) {
			return fmt.Errorf("it does not end with the certificate, at resource version %s", target.ResourceVersion)
		}
		return nil
	})
}

// state returns the objects and logs that explain most failures.
func state(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	for _, args := range [][]string{
		{"get", "pods", "--all-namespaces", "--output", "wide"},
		{"get", "events", "--all-namespaces", "--sort-by", ".lastTimestamp"},
		{"--namespace", releaseNamespace, "logs", "--selector", "app=" + release, "--tail", "20", "--prefix"},
	} {
		out, err := node.Kubectl(t.Context(), args...)
		if err != nil {
			out = err.Error() + "\n"
		}
		text.WriteString(out)
	}
	return text.String()
}
