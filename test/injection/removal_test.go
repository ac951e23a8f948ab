package injection

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// reinstall returns a function that restores the release with its usual values.
func reinstall(t *testing.T) func() {
	return func() {
		if err := install(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}
}

// P3: nothing of the release has to exist or run for pods to be created. No operator runs in any of
// these tests.
func TestRemoval(t *testing.T) {
	optedIn, plain := namespaceWith(t, labels(bundleKey, "example")), namespaceWith(t, nil)
	byPod := newPod(annotated(bundleKey, "example"))
	want, wantByPod := create(t, baseline, newPod()), create(t, baseline, byPod)
	t.Cleanup(reinstall(t))
	checkInjected := func() {
		t.Helper()
		check(t, optedIn, newPod(), injected())
		check(t, plain, byPod, injected())
		check(t, plain, newPod(), nil)
	}
	checkInjected()

	deleteDefinitions(t)
	checkInjected()

	if err := env.Restart(rig.APIServer); err != nil {
		t.Fatal(err)
	}
	checkInjected()

	if err := uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
	poll.Eventually(t, "the policies to be inactive", func() error {
		return errors.Join(isUnchanged(t.Context(), optedIn, newPod(), want), isUnchanged(t.Context(), plain, byPod, wantByPod))
	})
	if err := env.Restart(rig.APIServer); err != nil {
		t.Fatal(err)
	}
	for _, namespace := range []string{optedIn, plain, baseline} {
		if err := errors.Join(isUnchanged(t.Context(), namespace, newPod(), want), isUnchanged(t.Context(), namespace, byPod, wantByPod)); err != nil {
			t.Errorf("after the release was uninstalled and the API server restarted: %v", err)
		}
	}
}

// isUnchanged returns an error if the API server changes a pod.
func isUnchanged(ctx context.Context, namespace string, pod, want *corev1.Pod) error {
	got, err := tryCreate(ctx, namespace, pod)
	if err != nil {
		return err
	}
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("in %s (-want +got):\n%s", namespace, diff)
	}
	return nil
}

// deleteDefinitions deletes the CustomResourceDefinitions, and waits until they are gone.
func deleteDefinitions(t *testing.T) {
	t.Helper()
	for _, name := range []string{"bundles.trust.cert-manager.io", "clusterbundles.trust-manager.io"} {
		definition := &unstructured.Unstructured{}
		definition.SetAPIVersion("apiextensions.k8s.io/v1")
		definition.SetKind("CustomResourceDefinition")
		definition.SetName(name)
		if err := env.Client.Delete(t.Context(), definition); err != nil {
			t.Fatal(err)
		}
		poll.Eventually(t, name+" to be gone", func() error {
			err := env.Client.Get(t.Context(), client.ObjectKey{Name: name}, definition)
			if apierrors.IsNotFound(err) {
				return nil
			}
			return errors.Join(errors.New("it exists"), err)
		})
	}
}

// P3: with injection disabled again, the policies are gone and the rest of the release stays.
func TestDisable(t *testing.T) {
	namespace := namespaceWith(t, labels(bundleKey, "example"))
	want := create(t, baseline, newPod())
	t.Cleanup(reinstall(t))
	_, err := env.Helm.Run(t.Context(), "upgrade", "trust", env.Helm.Chart, "--kubeconfig", env.Kubeconfig(), "--namespace", releaseNamespace,
		"--reuse-values", "--set", "injection.enabled=false")
	if err != nil {
		t.Fatal(err)
	}
	poll.Eventually(t, "the policies to be inactive", func() error { return isUnchanged(t.Context(), namespace, newPod(), want) })
	for _, kind := range []string{"MutatingAdmissionPolicyList", "MutatingAdmissionPolicyBindingList"} {
		list := &metav1.PartialObjectMetadataList{}
		list.APIVersion, list.Kind = "admissionregistration.k8s.io/v1", kind
		if err := env.Client.List(t.Context(), list); err != nil || len(list.Items) > 0 {
			t.Errorf("%s: %d objects, %v", kind, len(list.Items), err)
		}
	}
}
