package integration

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/poll"
)

// statusOf returns the fields of a Bundle's status in the schema of a definition.
func statusOf(definition *unstructured.Unstructured) (map[string]any, error) {
	versions, _, err := unstructured.NestedSlice(definition.Object, "spec", "versions")
	if err != nil || len(versions) != 1 {
		return nil, fmt.Errorf("it has %d versions (%w)", len(versions), err)
	}
	fields, ok, err := unstructured.NestedMap(versions[0].(map[string]any), "schema", "openAPIV3Schema", "properties", "status", "properties") //nolint:forcetypeassert // it is a version
	if err != nil || !ok {
		return nil, fmt.Errorf("it has no status (%w)", err)
	}
	return fields, nil
}

// definition reads the CustomResourceDefinition of Bundles.
func definition(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	found := &unstructured.Unstructured{}
	found.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	if err := env.Client.Get(context.WithoutCancel(t.Context()), client.ObjectKey{Name: "bundles." + v1alpha1.GroupVersion.Group}, found); err != nil {
		t.Fatal(err)
	}
	return found
}

// redefine changes the definition, and waits until the API server uses it for a status.
func redefine(t *testing.T, change func(version map[string]any)) {
	t.Helper()
	now := definition(t)
	versions, _, _ := unstructured.NestedSlice(now.Object, "spec", "versions")
	change(versions[0].(map[string]any)) //nolint:forcetypeassert // it is a version
	if err := unstructured.SetNestedSlice(now.Object, versions, "spec", "versions"); err != nil {
		t.Fatal(err)
	}
	if err := env.Client.Update(context.WithoutCancel(t.Context()), now); err != nil {
		t.Fatal(err)
	}
}

// C1: if the definition of Bundles is older than the operator, as when it is managed
// separately, statuses have conditions and the package, and
// everything else works.
func TestStatusUnderAnOlderDefinition(t *testing.T) {
	noOperator(t)
	status := []string{"schema", "openAPIV3Schema", "properties", "status"}
	properties, initial := append(slices.Clone(status), "properties"), append(slices.Clone(status), "default")
	fields, err := statusOf(definition(t))
	if err != nil {
		t.Fatal(err)
	}
	redefine(t, func(version map[string]any) {
		unstructured.RemoveNestedField(version, initial...)
		older := map[string]any{"conditions": fields["conditions"], "defaultCAVersion": fields["defaultCAVersion"]}
		if err := unstructured.SetNestedMap(version, older, properties...); err != nil {
			t.Fatal(err)
		}
	})
	upgrade := sync.OnceFunc(func() {
		redefine(t, func(version map[string]any) {
			_ = unstructured.SetNestedMap(version, fields, properties...)
			_ = unstructured.SetNestedField(version, int64(-1), append(initial, "observedGeneration")...)
		})
	})
	t.Cleanup(upgrade)
	s := newScene(t)
	namespaces := s.namespaces(2)
	a, b := newAuthority("A"), newAuthority("B")
	source := s.source(a)
	bundle := s.bundle(from(source))
	// The API server takes a moment to apply another definition.
	if err := poll.Until(t.Context(), "the API server to know no inventory", func() error {
		probe := bundle.DeepCopy()
		probe.Status.Inventory = &v1alpha1.BundleInventory{Certificates: 1}
		if err := env.Client.Status().Update(t.Context(), probe); err != nil {
			return err
		}
		if bundle.ResourceVersion = probe.ResourceVersion; probe.Status.Inventory != nil {
			return fmt.Errorf("it takes one")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	startOperator(t)
	awaitTargets(t, bundle, namespaces, a)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSynced, "the CustomResourceDefinition of Bundles is older than the operator", "status.inventory")
	fill(t, source, b)
	awaitTargets(t, bundle, namespaces, b)
	awaitSynced(t, bundle, 2)
	if bundle.Status.Inventory != nil {
		t.Errorf("the API server has taken %+v", bundle.Status.Inventory)
	}
	change(t, source, func(o *corev1.ConfigMap) { o.Data = map[string]string{sourceKey: "broken"} })
	awaitCondition(t, bundle, v1alpha1.BundleReasonSourceBuildError, "older than the operator")
	fill(t, source, b)

	// An upgrade of the definition needs no restart.
	upgrade()
	poll.Eventually(t, "the whole status", func() error {
		if err := says(t, bundle, v1alpha1.BundleReasonSynced); err != nil {
			return err
		}
		if message := read(t, bundle).Status.Conditions[0].Message; strings.Contains(message, "older") || bundle.Status.Inventory == nil || bundle.Status.Digest == "" {
			return fmt.Errorf("the message is %q, the inventory %+v, the digest %q", message, bundle.Status.Inventory, bundle.Status.Digest)
		}
		return nil
	})
}
