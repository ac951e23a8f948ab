package move

import (
	"context"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/api/trustmanager/v1alpha2"
	"trust-manager.io/test/framework/poll"
)

// definitionOfClusterBundles returns the CustomResourceDefinition of ClusterBundles.
func definitionOfClusterBundles() *unstructured.Unstructured {
	definition := &unstructured.Unstructured{}
	definition.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	definition.SetName("clusterbundles." + v1alpha2.GroupName)
	return definition
}

// E6: without the CustomResourceDefinition of ClusterBundles, Bundles work. ClusterBundles are
// taken up once it is installed, by the same process, and a Bundle whose ClusterBundle goes with
// it is active again.
func TestClusterBundlesAreOptional(t *testing.T) {
	m := newMover(t)
	m.must(m.operator.Kill())
	definition := definitionOfClusterBundles()
	m.must(env.Client.Get(t.Context(), client.ObjectKeyFromObject(definition), definition))
	remove := func() {
		t.Helper()
		m.must(env.Client.Delete(t.Context(), definitionOfClusterBundles()))
		m.must(poll.UntilWithin(t.Context(), time.Minute, "the definition to be gone", func() error {
			err := env.Client.Get(t.Context(), client.ObjectKeyFromObject(definition), definitionOfClusterBundles())
			if apierrors.IsNotFound(err) {
				return nil
			}
			return errNotYet
		}))
	}
	definition.SetResourceVersion("")
	definition.SetUID("")
	unstructured.RemoveNestedField(definition.Object, "status")
	install := func() {
		m.must(poll.UntilWithin(context.WithoutCancel(t.Context()), time.Minute, "the definition to be accepted", func() error {
			return client.IgnoreAlreadyExists(env.Client.Create(context.WithoutCancel(t.Context()), definition.DeepCopy()))
		}))
	}
	t.Cleanup(install)
	remove()
	m.start()
	other := m.bundle.DeepCopy()
	other.Name = "other"
	m.must(env.Client.Create(t.Context(), other))
	m.awaitNamed("other", "the other Bundle", &v1alpha1.Bundle{}, v1alpha1.BundleConditionReady)
	install()
	m.must(poll.UntilWithin(t.Context(), time.Minute, "ClusterBundles to be served", func() error {
		return client.IgnoreAlreadyExists(env.Client.Create(t.Context(), m.cluster.DeepCopy()))
	}))
	m.await("the ClusterBundle", &v1alpha2.ClusterBundle{}, v1alpha1.BundleConditionReady)
	m.awaitOwners("ClusterBundle", v1alpha2.BundleLabelKey)
	if faults, _ := m.observer.take(); len(faults) > 0 {
		t.Errorf("on the way: %v", faults)
	}

	// The deletion of the definition deletes the ClusterBundle, and Kubernetes its targets.
	remove()
	m.await("the Bundle", &v1alpha1.Bundle{}, v1alpha1.BundleConditionReady)
	m.awaitOwners("Bundle", v1alpha1.BundleLabelKey)
	if m.operator.Ended() {
		t.Error("the operator has ended")
	}
	m.must(env.Client.Delete(t.Context(), &v1alpha1.Bundle{ObjectMeta: metav1.ObjectMeta{Name: "other"}}))
}
