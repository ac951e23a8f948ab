package integration

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/cli"
	"trust-manager.io/test/framework/rig"
)

// L1: what `kubectl trust render` prints for the objects of the API server is what the operator has
// written, byte for byte.
func TestRenderIsWhatIsWritten(t *testing.T) { eachAPIKind(t, testRenderIsWhatIsWritten) }

func testRenderIsWhatIsWritten(t *testing.T, s *scene) {
	namespaces := s.namespaces(2)
	one, two, three := newAuthority("One"), newAuthority("Two"), newAuthority("Three")
	source := s.source(one, two)
	password, text := "secret", three.Certificate+one.Certificate
	bundle := s.bundle(from(source), func(b *v1alpha1.Bundle) {
		b.Spec.Sources = append(b.Spec.Sources, v1alpha1.BundleSource{InLine: &text})
		b.Spec.Exclude = []v1alpha1.Exclusion{{Subject: "CN=Two"}}
		b.Spec.Target.Secret = &v1alpha1.TargetObject{Key: targetKey, Metadata: v1alpha1.TargetMetadata{Annotations: map[string]string{"a": "b"}}}
		b.Spec.Target.AdditionalFormats = &v1alpha1.AdditionalFormats{
			JKS:    &v1alpha1.JKS{Key: "ca.jks", Password: &password},
			PKCS12: &v1alpha1.PKCS12{Key: "ca.p12", Password: &password, Profile: v1alpha1.PKCS12ProfileModern2023},
		}
	})
	awaitSynced(t, bundle, len(namespaces))

	kind := apis.All().Of(marksOf(bundle.Name).Kind).GroupVersionKind()
	manifests := []*unstructured.Unstructured{
		stored(t, kind, "", bundle.Name), stored(t, gvkOf("ConfigMap"), rig.TrustNamespace, source.Name),
	}
	for _, namespace := range namespaces {
		manifests = append(manifests, stored(t, gvkOf("Namespace"), "", namespace))
	}
	rendered := rendered(t, manifests)
	if want := 2 * len(namespaces); len(rendered) != want {
		t.Errorf("%d objects, want %d", len(rendered), want)
	}
	for _, got := range rendered {
		want := stored(t, got.GroupVersionKind(), got.GetNamespace(), got.GetName())
		for _, field := range []string{"creationTimestamp", "managedFields", "resourceVersion", "uid"} {
			unstructured.RemoveNestedField(want.Object, "metadata", field)
			unstructured.RemoveNestedField(got.Object, "metadata", field)
		}
		if diff := cmp.Diff(want.Object, got.Object); diff != "" {
			t.Errorf("%s %s (-written +rendered):\n%s", got.GetKind(), got.GetNamespace(), diff)
		}
	}
}

func gvkOf(kind string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Version: "v1", Kind: kind}
}

// stored returns an object as the API server stores it.
func stored(t *testing.T, kind schema.GroupVersionKind, namespace, name string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(kind)
	if err := env.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, object); err != nil {
		t.Fatal(err)
	}
	return object
}

// rendered returns what `kubectl trust render` prints for the objects.
func rendered(t *testing.T, manifests []*unstructured.Unstructured) []unstructured.Unstructured {
	t.Helper()
	file := filepath.Join(t.TempDir(), "all.json")
	list, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": manifests})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, list, 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: &out, ErrOut: &errs}
	args := []string{"render", "-f", file, "-o", "json", "--trust-namespace", rig.TrustNamespace}
	if status := cli.Run(t.Context(), args, streams, clock.RealClock{}); status != 0 {
		t.Fatalf("exit status %d: %s", status, &errs)
	}
	var printed struct {
		metav1.TypeMeta
		Items []unstructured.Unstructured
	}
	if err := json.Unmarshal(out.Bytes(), &printed); err != nil {
		t.Fatal(err)
	}
	return printed.Items
}
