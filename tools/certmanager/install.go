package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"time"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// manifests contains the objects that a project needs besides its definitions.
//
//go:embed manifests
var manifests embed.FS

// patience is how long the API server may take to serve a new definition.
const patience = 30 * time.Second

// install applies the custom resource definitions of a project, waits until they
// are served, and applies the manifests. It is idempotent.
func install(ctx context.Context, api client.Client, project string, files ...string) error {
	text, err := crdsOf(ctx, project)
	if err != nil {
		return err
	}
	definitions, err := apply(ctx, api, text)
	if err != nil {
		return err
	}
	for _, definition := range definitions {
		if err := awaitServed(ctx, api, definition.GetName()); err != nil {
			return err
		}
	}
	for _, file := range files {
		text, err := manifests.ReadFile("manifests/" + file)
		if err != nil {
			return err
		}
		if _, err := apply(ctx, api, text); err != nil {
			return err
		}
	}
	return nil
}

// apply applies YAML documents and returns the applied objects.
func apply(ctx context.Context, api client.Client, text []byte) ([]*unstructured.Unstructured, error) {
	objects, err := parseObjects(text)
	if err != nil {
		return nil, err
	}
	for _, object := range objects {
		err := api.Apply(ctx, client.ApplyConfigurationFromUnstructured(object),
			client.FieldOwner("neighbours"), client.ForceOwnership)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return objects, nil
}

// parseObjects parses YAML documents and skips empty ones.
func parseObjects(text []byte) (objects []*unstructured.Unstructured, err error) {
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(&object.Object); errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, err
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

// awaitServed waits until a custom resource definition is established.
func awaitServed(ctx context.Context, api client.Client, name string) error {
	err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		var definition apiextensions.CustomResourceDefinition
		if err := api.Get(ctx, client.ObjectKey{Name: name}, &definition); err != nil {
			return false, err
		}
		for _, condition := range definition.Status.Conditions {
			if condition.Type == apiextensions.Established {
				return condition.Status == apiextensions.ConditionTrue, nil
			}
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("custom resource definition %s: %w", name, err)
	}
	return nil
}
