// Package chart tests what the Helm chart renders, with the real Helm. Other
// tests cover whether an API server accepts the objects and whether the operator
// works with them.
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
	"trust-manager.io/test/framework/suite"
)

var chart *helm.Helm

func TestMain(m *testing.M) {
	suite.Require("test/chart", "test-integration", suite.Built("helm"))
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

// names returns "Kind namespace/name" of each object, sorted.
func (m manifests) names() []string {
	var names []string
	for _, object := range m {
		names = append(names, object.GetKind()+" "+object.GetNamespace()+"/"+object.GetName())
	}
	slices.Sort(names)
	return names
}

// get returns the object with the given kind and name.
func (m manifests) get(t *testing.T, kind, name string) *unstructured.Unstructured {
	t.Helper()
	for _, object := range m {
		if object.GetKind() == kind && object.GetName() == name {
			return object
		}
	}
	t.Fatalf("no %s %s among %q", kind, name, m.names())
	return nil
}

// at returns the value at a path of an object as JSON, or "" if it is absent. A
// number in the path is an index into a list.
func at(t *testing.T, object *unstructured.Unstructured, path ...any) string {
	t.Helper()
	var value any = object.Object
	for _, step := range path {
		switch step := step.(type) {
		case string:
			parent, _ := value.(map[string]any)
			value = parent[step]
		case int:
			list, _ := value.([]any)
			if step >= len(list) {
				return ""
			}
			value = list[step]
		}
	}
	if value == nil {
		return ""
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
