package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
)

// install applies the CRDs and the RBAC rules, as a user would, and waits until
// Bundles are served.
func install(ctx context.Context, api client.Client, deploy string) error {
	for _, folder := range []string{"crds", "rbac", "rbac/optional"} {
		files, err := filepath.Glob(filepath.Join(deploy, folder, "*.yaml"))
		if err != nil {
			return err
		}
		if len(files) == 0 {
			return fmt.Errorf("there is no manifest in %s", filepath.Join(deploy, folder))
		}
		for _, file := range files {
			if err := apply(ctx, api, file); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	return Await(ctx, "Bundles to be served", func() error {
		return api.List(ctx, &v1alpha1.BundleList{})
	})
}

func apply(ctx context.Context, api client.Client, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // only read
	decoder := yaml.NewYAMLOrJSONDecoder(file, 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(&object.Object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if object.Object == nil {
			continue // a document of comments only
		}
		if err := api.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("kubectl")); err != nil {
			return err
		}
	}
}
