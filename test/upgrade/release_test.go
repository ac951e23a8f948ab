package upgrade

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/poll"
)

const (
	// namespace is the namespace of the release and of the sources, and name the name
	// of the release.
	namespace, name = "cert-manager", "trust-manager"
	// key is the key of the PEM bundle in all targets.
	key = "trust-bundle.pem"
)

// definitionKind is the kind of the Bundles' definition.
var definitionKind = schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"}

const definitionName = "bundles.trust.cert-manager.io"

// helm runs Helm on the control plane.
func helm(t *testing.T, arguments ...string) {
	t.Helper()
	arguments = append(arguments, "--namespace", namespace, "--kubeconfig", env.Kubeconfig())
	if out, err := env.Helm.Run(t.Context(), arguments...); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// install installs a chart as the release, or upgrades it, with only these
// values, and waits until its pods are ready.
func install(t *testing.T, chart string, values ...string) {
	t.Helper()
	arguments := []string{"upgrade", "--install", name, chart, "--create-namespace", "--wait", "--timeout", "90s"}
	for _, value := range values {
		arguments = append(arguments, "--set", value)
	}
	helm(t, arguments...)
}

// packaged packages this checkout's chart with the given version and returns its
// path.
func packaged(t *testing.T, version string) string {
	t.Helper()
	path, err := env.Helm.Package(t.Context(), version, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// wantRunning checks that the Deployment and its pod have the given version, and
// waits until the API server calls the webhook.
func wantRunning(t *testing.T, version string) {
	t.Helper()
	var deployment appsv1.Deployment
	if err := api.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, &deployment); err != nil {
		t.Fatal(err)
	}
	if image := deployment.Spec.Template.Spec.Containers[0].Image; !strings.HasSuffix(image, ":"+version) {
		t.Errorf("the Deployment has image %s, want version %s", image, version)
	}
	poll.Eventually(t, "one ready pod of version "+version, func() error {
		var pods corev1.PodList
		if err := api.List(t.Context(), &pods, client.InNamespace(namespace), client.MatchingLabels{"app": name}); err != nil {
			return err
		}
		pods.Items = slices.DeleteFunc(pods.Items, func(pod corev1.Pod) bool { return pod.DeletionTimestamp != nil })
		if len(pods.Items) != 1 || !strings.HasSuffix(pods.Items[0].Spec.Containers[0].Image, ":"+version) {
			return fmt.Errorf("%d pods", len(pods.Items))
		}
		return nil
	})
	poll.Eventually(t, "the webhook to be called", func() error {
		// Only the webhook rejects this key.
		invalid := newBundle("invalid", nil, "text")
		invalid.Spec.Target.ConfigMap.Key = "a/b"
		if err := api.Create(t.Context(), invalid, client.DryRunAll); !apierrors.IsInvalid(err) {
			return errors.Join(errors.New("an invalid Bundle was not rejected as invalid"), err)
		}
		return api.Create(t.Context(), newBundle("valid", nil, ca.New("valid").Certificate), client.DryRunAll)
	})
}

// caBundle returns the caBundle of the webhook configuration.
func caBundle(t *testing.T) []byte {
	t.Helper()
	var configuration admissionregistrationv1.ValidatingWebhookConfiguration
	if err := api.Get(t.Context(), client.ObjectKey{Name: name}, &configuration); err != nil {
		t.Fatal(err)
	}
	return configuration.Webhooks[0].ClientConfig.CABundle
}

// makeNamespaces creates namespaces with a label that the test's Bundle selects.
func makeNamespaces(t *testing.T, label string, count int) (names []string) {
	t.Helper()
	for i := range count {
		name := fmt.Sprintf("%s-%d", label, i)
		names = append(names, name)
		if err := api.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"upgrade": label}}}); err != nil {
			t.Fatal(err)
		}
	}
	return names
}

// newBundle returns a Bundle with an inline source, for all namespaces or those
// with the label.
func newBundle(name string, label *string, text string) *v1alpha1.Bundle {
	bundle := &v1alpha1.Bundle{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.BundleSpec{
			Sources: []v1alpha1.BundleSource{{InLine: &text}},
			Target:  &v1alpha1.BundleTarget{ConfigMap: &v1alpha1.TargetObject{Key: key}},
		},
	}
	if label != nil {
		bundle.Spec.Target.NamespaceSelector = &v1alpha1.LabelSelector{
			MatchLabels: map[string]v1alpha1.LabelValue{"upgrade": *label},
		}
	}
	return bundle
}

// awaitSynced waits until the status reports the current spec as synced to the
// given number of namespaces.
func awaitSynced(t *testing.T, name string, namespaces int) {
	t.Helper()
	poll.Eventually(t, "the Bundle to be synced", func() error {
		var bundle v1alpha1.Bundle
		if err := api.Get(t.Context(), client.ObjectKey{Name: name}, &bundle); err != nil {
			return err
		}
		condition := meta.FindStatusCondition(bundle.Status.Conditions, v1alpha1.BundleConditionSynced)
		if condition == nil || condition.Status != metav1.ConditionTrue || condition.ObservedGeneration != bundle.Generation ||
			!strings.Contains(condition.Message, fmt.Sprintf("%d namespaces", namespaces)) {
			return fmt.Errorf("the condition is %+v", condition)
		}
		return nil
	})
}

// setText replaces the inline source of a Bundle.
func setText(t *testing.T, name, text string) {
	t.Helper()
	poll.Eventually(t, "the Bundle to be changed", func() error {
		var bundle v1alpha1.Bundle
		if err := api.Get(t.Context(), client.ObjectKey{Name: name}, &bundle); err != nil {
			return err
		}
		bundle.Spec.Sources[0].InLine = &text
		return api.Update(t.Context(), &bundle)
	})
}

// removeAll removes what is left of a test: the release, the Bundle, and finally
// the definition, which uninstalling the release keeps.
func removeAll(t *testing.T, bundle string) {
	ctx := context.Background() // the test's own context has ended
	if _, err := env.Helm.Run(ctx, "uninstall", name, "--ignore-not-found", "--wait", "--namespace", namespace, "--kubeconfig", env.Kubeconfig()); err != nil {
		t.Error(err)
	}
	if err := client.IgnoreNotFound(api.Delete(ctx, &v1alpha1.Bundle{ObjectMeta: metav1.ObjectMeta{Name: bundle}})); err != nil {
		t.Error(err)
	}
	definition := &unstructured.Unstructured{}
	definition.SetGroupVersionKind(definitionKind)
	definition.SetName(definitionName)
	if err := api.Delete(ctx, definition); err != nil {
		t.Error(err)
	}
	err := poll.Until(ctx, "the definition to be deleted", func() error {
		if err := api.Get(ctx, client.ObjectKeyFromObject(definition), definition); !apierrors.IsNotFound(err) {
			return fmt.Errorf("it still exists: %w", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
