package definition_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/controller/definition"
)

// document returns the OpenAPI document of the CustomResourceDefinition of this checkout,
// with or without spec.exclude.
func document(t *testing.T, outdated bool) []byte {
	t.Helper()
	text, err := os.ReadFile("../../../deploy/crds/trust.cert-manager.io_bundles.yaml")
	if err != nil {
		t.Fatal(err)
	}
	crd := map[string]any{}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		t.Fatal(err)
	}
	versions, _, _ := unstructured.NestedSlice(crd, "spec", "versions")
	schema, _, _ := unstructured.NestedMap(versions[0].(map[string]any), "schema", "openAPIV3Schema") //nolint:forcetypeassert // it is a version
	if outdated {
		unstructured.RemoveNestedField(schema, "properties", "spec", "properties", "exclude")
	}
	schema["x-kubernetes-group-version-kind"] = []any{map[string]any{"group": "trust.cert-manager.io", "version": "v1alpha1", "kind": "Bundle"}}
	encoded, err := json.Marshal(map[string]any{"components": map[string]any{"schemas": map[string]any{"bundle": schema}}})
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// An outdated definition is reported once, and its upgrade too, although the list of
// documents lags behind them. A current document is read once, and a failure changes
// nothing.
func TestRecheck(t *testing.T) {
	t.Parallel()
	current, old := document(t, false), document(t, true)
	var serveOld, fail atomic.Bool
	var reads atomic.Int32
	const path = "/openapi/v3/apis/trust.cert-manager.io/v1alpha1"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case fail.Load():
			http.Error(w, "down", http.StatusServiceUnavailable)
		case r.URL.Path == "/openapi/v3": // the hash stays the same: the list lags behind
			_, _ = fmt.Fprintf(w, `{"paths":{"apis/trust.cert-manager.io/v1alpha1":{"serverRelativeURL":"%s?hash=1"}}}`, path)
		case serveOld.Load():
			reads.Add(1)
			_, _ = w.Write(old)
		default:
			reads.Add(1)
			_, _ = w.Write(current)
		}
	}))
	defer server.Close()
	var notes []string
	watcher, err := definition.New(apis.All(), &rest.Config{Host: server.URL}, server.Client(), func(kind bundle.APIKind, note string) {
		notes = append(notes, kind.String()+": "+note)
	})
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, missing, count int) {
		t.Helper()
		watcher.Recheck(t.Context())
		if got := watcher.Missing(bundle.APIBundle); len(got) != missing || len(notes) != count {
			t.Fatalf("%s: missing %q, notes %q", what, got, notes)
		}
	}
	serveOld.Store(true)
	check("outdated", 1, 1)
	if !strings.Contains(notes[0], "drops the fields spec.exclude; upgrade it") {
		t.Errorf("note %q", notes[0])
	}
	check("still outdated", 1, 1)
	fail.Store(true)
	check("down", 1, 1)
	fail.Store(false)
	serveOld.Store(false)
	check("upgraded", 0, 2)
	if notes[1] != "Bundle: " {
		t.Errorf("note %q", notes[1])
	}
	before := reads.Load()
	check("unchanged", 0, 2)
	if reads.Load() != before {
		t.Error("the document was read again")
	}
}
