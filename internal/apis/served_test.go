package apis_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/ledger"
)

// openAPI returns the OpenAPI document of a server with the CustomResourceDefinition of this
// checkout without some fields, which are paths below the schema of a Bundle.
func openAPI(t *testing.T, without ...[]string) []byte {
	t.Helper()
	text, err := os.ReadFile("../../deploy/crds/trust.cert-manager.io_bundles.yaml")
	if err != nil {
		t.Fatal(err)
	}
	definition := map[string]any{}
	if err := yaml.Unmarshal(text, &definition); err != nil {
		t.Fatal(err)
	}
	versions, _, _ := unstructured.NestedSlice(definition, "spec", "versions")
	schema, ok, err := unstructured.NestedMap(versions[0].(map[string]any), "schema", "openAPIV3Schema") //nolint:forcetypeassert // it is a version
	if err != nil || !ok {
		t.Fatalf("the definition has no schema: %v", err)
	}
	for _, path := range without {
		if _, ok, _ := unstructured.NestedFieldNoCopy(schema, path...); !ok {
			t.Fatalf("the schema has no %q", path)
		}
		unstructured.RemoveNestedField(schema, path...)
	}
	schema["x-kubernetes-group-version-kind"] = []any{map[string]any{"group": "trust.cert-manager.io", "version": "v1alpha1", "kind": "Bundle"}}
	document, err := json.Marshal(map[string]any{"components": map[string]any{"schemas": map[string]any{"bundle": schema, "other": map[string]any{}}}})
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// The fields that an older CustomResourceDefinition lacks; the current one has all.
func TestMissingFields(t *testing.T) {
	t.Parallel()
	properties := func(names ...string) (path []string) {
		for _, name := range names {
			path = append(path, "properties", name)
		}
		return path
	}
	for name, tc := range map[string]struct {
		without [][]string
		want    []string
	}{
		"none": {nil, nil},
		"some": {
			[][]string{properties("spec", "exclude"), properties("spec", "rotation"), properties("status", "inventory", "excluded"), properties("status", "digest")},
			[]string{"spec.exclude", "spec.rotation", "status.digest", "status.inventory.excluded"},
		},
		"in a list": {
			[][]string{slices.Concat(properties("spec", "sources"), []string{"items"}, properties("secret", "optional"))},
			[]string{"spec.sources[].secret.optional"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := apis.MissingFields(apis.Bundle{}, openAPI(t, tc.without...))
			if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
				t.Errorf("fields (-want +got):\n%s\nerror %v", diff, err)
			}
		})
	}
	for _, document := range []string{"", "[]", "{}"} {
		if _, err := apis.MissingFields(apis.Bundle{}, []byte(document)); err == nil || !strings.Contains(err.Error(), "OpenAPI document") {
			t.Errorf("of %q: error %v", document, err)
		}
	}
}

// A report without fields that are not served; the rest stays.
func TestWithoutFields(t *testing.T) {
	t.Parallel()
	report := ledger.Report{
		ObservedGeneration: 3, Digest: "d", DefaultCAVersion: "v",
		Inventory: &ledger.Inventory{Certificates: 2, Excluded: 1, Sources: []ledger.SourceCount{{Field: "f", Certificates: 2}}},
	}
	got, err := apis.WithoutFields(apis.Bundle{}, report, []string{"spec.exclude", "status.digest", "status.inventory.excluded", "status.inventory.sources[].field"})
	want := ledger.Report{ObservedGeneration: 3, DefaultCAVersion: "v", Inventory: &ledger.Inventory{Certificates: 2}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("report (-want +got):\n%s\nerror %v", diff, err)
	}
}
