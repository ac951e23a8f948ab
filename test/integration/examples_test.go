package integration

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/rig"
)

// examplesDir is the folder of the examples.
const examplesDir = "../../examples"

// The common names of the certificates in the examples.
const rootA, rootB, rootC, defaultRoot = "Example Root A", "Example Root B", "Example Root C", "Default CA"

// wantInExamples has, for each file in examples/, the certificates that the targets of its
// Bundle hold.
var wantInExamples = map[string][]string{
	"configmap-source.yaml":   {rootA, rootB, rootC},
	"default-cas.yaml":        {defaultRoot},
	"exclude.yaml":            {rootA},
	"filters.yaml":            {rootA},
	"java.yaml":               {rootA, rootB},
	"namespace-selector.yaml": {defaultRoot},
	"pod.yaml":                {defaultRoot},
	"quickstart.yaml":         {rootA},
	"rotation.yaml":           {rootA, rootB},
	"secret-source.yaml":      {defaultRoot, rootA},
	"targets.yaml":            {rootA},
}

// A7, A8, A11, S1, T1 to T4, C1, K2, K3, K5: the API server accepts each example as it is, and
// its Bundle gets targets with the certificates, key stores, labels and annotations that it
// asks for, where it asks for them.
func TestExamples(t *testing.T) {
	operator(t)
	namespace := newScene(t).namespaces(1)[0]
	files, err := os.ReadDir(examplesDir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		names = append(names, file.Name())
	}
	if want := slices.Sorted(maps.Keys(wantInExamples)); !slices.Equal(names, want) {
		t.Fatalf("examples/ has the files %q, and this test covers %q", names, want)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			e := readExample(t, name)
			e.check(t, namespace, wantInExamples[name])
			if e.bundle.Spec.Rotation != nil {
				e.rotate(t, namespace)
			}
		})
	}
}

// example is a file in examples/.
type example struct {
	objects []*unstructured.Unstructured
	// certificates are those in the file, by their common names.
	certificates map[string]authority
	// bundle is the Bundle as the API server has stored it.
	bundle *v1alpha1.Bundle
}

// readExample reads a file, whose comment must state how to apply it.
func readExample(t *testing.T, name string) *example {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(examplesDir, name))
	if err != nil {
		t.Fatal(err)
	}
	if command := "kubectl apply -f examples/" + name; !bytes.HasPrefix(text, []byte("# ")) || !bytes.Contains(text, []byte(command)) {
		t.Errorf("it has no comment at its start with the command %q", command)
	}
	e := &example{certificates: map[string]authority{defaultRoot: defaultCA}}
	for decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), len(text)); ; {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(&object.Object); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		e.objects = append(e.objects, object)
	}
	var lines strings.Builder
	for line := range strings.Lines(string(text)) {
		lines.WriteString(strings.TrimSpace(line) + "\n")
	}
	for rest := []byte(lines.String()); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return e
		}
		one := string(pem.EncodeToMemory(block))
		e.certificates[commonNames(one)[0]] = authorityOf(commonNames(one)[0], one)
	}
}

// apply applies all objects with strict validation, and deletes them when the test ends. No
// kubelet runs, so a Pod is only validated. A Namespace stays.
func (e *example) apply(t *testing.T) {
	t.Helper()
	for _, object := range e.objects {
		// An apply is always strict.
		options := []client.ApplyOption{client.FieldOwner("examples"), client.ForceOwnership}
		if object.GetKind() == "Pod" {
			options = append(options, client.DryRunAll)
		}
		if err := api.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), options...); err != nil {
			t.Fatalf("applying %s %s: %v", object.GetKind(), object.GetName(), err)
		}
		switch object.GetKind() {
		case "Pod", "Namespace":
			continue
		case v1alpha1.BundleKind:
			e.bundle = read(t, &v1alpha1.Bundle{ObjectMeta: metav1.ObjectMeta{Name: object.GetName()}})
		}
		t.Cleanup(func() {
			// The test's own context has ended.
			if err := client.IgnoreNotFound(api.Delete(context.Background(), object)); err != nil {
				t.Errorf("removing %s: %v", object.GetName(), err)
			}
		})
	}
	if e.bundle == nil {
		t.Fatal("it has no Bundle")
	}
}

// check applies the example, and checks the status of its Bundle and its targets: in the
// given namespace, or in that of the example.
func (e *example) check(t *testing.T, namespace string, names []string) {
	t.Helper()
	e.apply(t)
	var content []authority
	for _, name := range names {
		content = append(content, e.authority(t, name))
	}
	awaitCondition(t, e.bundle, v1alpha1.BundleReasonSynced)
	for _, object := range e.objects {
		switch object.GetKind() {
		case "Namespace":
			if err := absent(t, e.bundle, namespace); err != nil {
				t.Error(err)
			}
			namespace = object.GetName()
		case "Pod":
			e.checkPod(t, object)
		}
	}
	if e.bundle.Spec.Target.ConfigMap != nil {
		target{bundle: e.bundle, namespace: namespace, certificates: content}.await(t)
	}
	if e.bundle.Spec.Target.Secret != nil {
		inSecret(e.bundle, namespace, content...).await(t)
	}
}

// rotate removes a CA from the source, as the comment of the example describes: the targets
// still hold it, after the others.
func (e *example) rotate(t *testing.T, namespace string) {
	t.Helper()
	leaving, staying := e.authority(t, rootA), e.authority(t, rootB)
	source := configMap(rig.TrustNamespace, e.bundle.Spec.Sources[0].ConfigMap.Name)
	change(t, source, func(source *corev1.ConfigMap) { source.Data[sourceKey] = pemOf(staying) })
	target{bundle: e.bundle, namespace: namespace, certificates: []authority{staying, leaving}}.await(t)
}

// checkPod checks that a pod mounts the target of the Bundle, over the CAs of the image.
func (e *example) checkPod(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	pod := &corev1.Pod{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, pod); err != nil {
		t.Fatal(err)
	}
	mounted := pod.Spec.Volumes[0].ConfigMap
	if mounted.Name != e.bundle.Name || mounted.Items[0].Key != e.bundle.Spec.Target.ConfigMap.Key || mounted.Items[0].Path != "ca-certificates.crt" {
		t.Errorf("the pod mounts %+v, and the Bundle is %s with the key %q", mounted, e.bundle.Name, e.bundle.Spec.Target.ConfigMap.Key)
	}
	if mount := pod.Spec.Containers[0].VolumeMounts[0]; mount.MountPath != "/etc/ssl/certs" || mount.SubPath != "" {
		t.Errorf("the pod mounts it as %+v, want the whole folder /etc/ssl/certs", mount)
	}
}

// authority returns the certificate with a common name.
func (e *example) authority(t *testing.T, name string) authority {
	t.Helper()
	one, exists := e.certificates[name]
	if !exists {
		t.Fatalf("it has no certificate %q", name)
	}
	return one
}
