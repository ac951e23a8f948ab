// Package chart proves what the Helm chart renders, by the real Helm. Whether an API
// server takes it, and the operator can work with it, is for other tests.
package chart

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

const (
	helm  = "../../bin/helm"
	chart = "../../deploy/charts/trust-manager"
)

func TestMain(m *testing.M) {
	if _, err := os.Stat(helm); err != nil {
		fmt.Fprintln(os.Stderr, "test/chart: these tests need bin/helm; run `make test-integration`, which builds it")
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// run runs Helm, without any of the user's own settings.
func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), helm, args...)
	home := t.TempDir()
	command.Env = append(os.Environ(), "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home, "HELM_CACHE_HOME="+home, "KUBECONFIG=/dev/null")
	var out, fault bytes.Buffer
	command.Stdout, command.Stderr = &out, &fault
	if err := command.Run(); err != nil {
		return "", errors.Join(err, errors.New(fault.String()))
	}
	return out.String(), nil
}

// manifests are rendered objects.
type manifests []*unstructured.Unstructured

// render renders the release "release" in the namespace "install".
func render(t *testing.T, args ...string) manifests {
	t.Helper()
	text, err := run(t, append([]string{"template", "release", chart, "--namespace", "install"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	var all manifests
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(&object.Object); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("%v in:\n%s", err, text)
		}
		if len(object.Object) > 0 {
			all = append(all, object)
		}
	}
}

// names gives "Kind namespace/name" of each object, sorted.
func (m manifests) names() []string {
	var names []string
	for _, object := range m {
		names = append(names, object.GetKind()+" "+object.GetNamespace()+"/"+object.GetName())
	}
	slices.Sort(names)
	return names
}

// get gives the one object of a kind and name.
func (m manifests) get(t *testing.T, kind, name string) *unstructured.Unstructured {
	t.Helper()
	for _, object := range m {
		if object.GetKind() == kind && object.GetName() == name {
			return object
		}
	}
	t.Fatalf("there is no %s %s among %q", kind, name, m.names())
	return nil
}

// at gives the value at a path of an object as JSON, and "" where there is none. A
// number in the path counts items of a list.
func at(t *testing.T, object *unstructured.Unstructured, path ...any) string {
	t.Helper()
	var found any = object.Object
	for _, step := range path {
		switch step := step.(type) {
		case string:
			parent, _ := found.(map[string]any)
			found = parent[step]
		case int:
			list, _ := found.([]any)
			if step >= len(list) {
				return ""
			}
			found = list[step]
		}
	}
	if found == nil {
		return ""
	}
	text, err := json.Marshal(found)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
