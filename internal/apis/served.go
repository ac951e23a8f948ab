package apis

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"trust-manager.io/internal/ledger"
)

// jsonSchema is the part of an OpenAPI v3 schema that has the fields of an object.
type jsonSchema struct {
	Properties map[string]jsonSchema     `json:"properties"`
	Items      *jsonSchema               `json:"items"`
	Kinds      []schema.GroupVersionKind `json:"x-kubernetes-group-version-kind"`
}

// MissingFields returns the fields in the spec and status of an API kind that the API server
// does not serve, sorted: it drops them from objects. The document is the OpenAPI v3 document
// of the group and version. A path such as spec.sources[].secret.optional has "[]" after each
// list; fields below a missing one are not listed.
func MissingFields(adapter Adapter, document []byte) ([]string, error) {
	var parsed struct {
		Components struct {
			Schemas map[string]jsonSchema `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(document, &parsed); err != nil {
		return nil, fmt.Errorf("parsing the OpenAPI document: %w", err)
	}
	for _, served := range parsed.Components.Schemas {
		if !slices.Contains(served.Kinds, adapter.GroupVersionKind()) {
			continue
		}
		var missing []string
		object := reflect.TypeOf(adapter.New()).Elem()
		for _, part := range []string{"spec", "status"} {
			for _, field := range reflect.VisibleFields(object) {
				if nameOf(field) == part {
					missing = append(missing, missingIn(field.Type, served.Properties[part], part)...)
				}
			}
		}
		slices.Sort(missing)
		return missing, nil
	}
	return nil, fmt.Errorf("the OpenAPI document has no schema of %s", adapter.GroupVersionKind())
}

// OptionalStatusFields returns the fields of a status that not every definition of the API
// kind has, as [MissingFields] does.
func OptionalStatusFields(adapter Adapter) (fields []string) {
	object := reflect.TypeOf(adapter.New()).Elem()
	for _, field := range reflect.VisibleFields(object) {
		if nameOf(field) != "status" {
			continue
		}
		for _, inner := range reflect.VisibleFields(field.Type) {
			if name := nameOf(inner); name != "conditions" && name != "defaultCAVersion" {
				fields = append(fields, "status."+name)
			}
		}
	}
	return fields
}

// missingIn returns the fields of a type that a schema lacks, below a path.
func missingIn(typ reflect.Type, served jsonSchema, path string) (missing []string) {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		if typ.Kind() == reflect.Slice {
			if served.Items == nil {
				return nil
			}
			served, path = *served.Items, path+"[]"
		}
		typ = typ.Elem()
	}
	if typ.Kind() != reflect.Struct || len(served.Properties) == 0 {
		return nil // it is no object with fields, for example a time
	}
	for _, field := range reflect.VisibleFields(typ) {
		name := nameOf(field)
		if name == "" {
			continue
		}
		if inner, ok := served.Properties[name]; ok {
			missing = append(missing, missingIn(field.Type, inner, path+"."+name)...)
		} else {
			missing = append(missing, path+"."+name)
		}
	}
	return missing
}

// nameOf returns the name of a field in JSON, or "" if it has none.
func nameOf(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	if name == "-" {
		return ""
	}
	return name
}

// WithoutFields returns a report without what a status cannot hold if the API server does not
// serve these fields. A missing field of a list removes the list.
func WithoutFields(adapter Adapter, report ledger.Report, missing []string) (ledger.Report, error) {
	if len(missing) == 0 {
		return report, nil
	}
	status, err := runtime.DefaultUnstructuredConverter.ToUnstructured(adapter.Status(report))
	if err != nil {
		return ledger.Report{}, err
	}
	object := map[string]any{"status": status}
	for _, path := range missing {
		field, _, _ := strings.Cut(path, "[]")
		unstructured.RemoveNestedField(object, strings.Split(field, ".")...)
	}
	result := adapter.New()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object, result); err != nil {
		return ledger.Report{}, err
	}
	return adapter.Report(result), nil
}
