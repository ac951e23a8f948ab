// Package chart proves what the Helm chart renders, by the real Helm. Whether an API
// server takes it, and the operator can work with it, is for other tests.
package chart

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"trust-manager.io/test/framework/helm"
)

var chart *helm.Helm

func TestMain(m *testing.M) {
	code, err := start(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "test/chart:", err)
		code = 1
	}
	os.Exit(code)
}

func start(m *testing.M) (code int, err error) {
	home, err := os.MkdirTemp("", "trust-manager-helm-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	if chart, err = helm.New("../..", home); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// manifests are rendered objects.
type manifests helm.Objects

// render renders the release "release" in the namespace "install".
func render(t *testing.T, args ...string) manifests {
	t.Helper()
	all, err := chart.Template(t.Context(), "release", "install", args...)
	if err != nil {
		t.Fatal(err)
	}
	return manifests(all)
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
