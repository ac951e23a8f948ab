package integration

import (
	"bytes"
	"errors"
	"io"
	"os"
	"regexp"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// The API server accepts the objects in docs/performance.md unchanged.
func TestPerformancePage(t *testing.T) {
	text, err := os.ReadFile("../../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	applied := 0
	for _, block := range yamlBlock.FindAllSubmatch(text, -1) {
		decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(block[1]), 4096)
		for {
			object := &unstructured.Unstructured{}
			if err := decoder.Decode(&object.Object); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			options := []client.CreateOption{client.DryRunAll, client.FieldValidation("Strict")}
			if err := api.Create(t.Context(), object, options...); err != nil {
				t.Errorf("%s %s: %v", object.GetKind(), object.GetName(), err)
			}
			applied++
		}
	}
	if applied == 0 {
		t.Error("there is nothing to apply on the page")
	}
}
