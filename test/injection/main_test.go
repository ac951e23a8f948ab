// Package injection tests the admission policies with which the chart mounts bundles into pods (P3),
// on a real API server. Helm installs the chart; no operator and no kubelet runs, so that everything
// the tests observe is done by the API server alone.
//
// The namespace [baseline] is excluded from injection: the pod that the API server stores there is
// the one that it would store anywhere without the policies. Each test compares whole pods with it.
package injection

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
	"trust-manager.io/test/framework/suite"
)

const (
	// releaseNamespace is the namespace of the release, and operatorNamespace that of its objects.
	releaseNamespace  = "release"
	operatorNamespace = "operator"
	baseline          = "baseline"
)

var env *rig.Rig

func TestMain(m *testing.M) {
	suite.Require("test/injection", "test-integration", suite.Assets, suite.Built("helm"))
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "test/injection:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	log.SetLogger(logr.Discard()) // of the client
	ctx := context.Background()
	if env, err = rig.StartEmpty(ctx, os.Stderr); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, env.Stop()) }()
	for _, name := range []string{releaseNamespace, operatorNamespace, baseline} {
		if err := createNamespace(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			return 1, err
		}
	}
	if err := createNamespace(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: probe, Labels: labels(bundleKey, "probe")}}); err != nil {
		return 1, err
	}
	if err := install(ctx); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// probe is a namespace that opts in, to find out whether the policies with the current values are
// active.
const probe = "probe"

// install installs or upgrades the release, and waits until the API server evaluates its policies. The
// values are JSON.
func install(ctx context.Context, values ...string) error {
	arguments := []string{
		"upgrade", "--install", "trust", env.Helm.Chart, "--kubeconfig", env.Kubeconfig(), "--namespace", releaseNamespace,
		"--set", "namespace=" + operatorNamespace, "--set", "app.trust.namespace=" + operatorNamespace, "--set", "app.webhook.tls.mode=selfManaged",
		"--set", "injection.enabled=true", "--set", "injection.excludedNamespaces={" + baseline + "}",
		// The policies with these values are active as soon as pods get this key.
		"--set", "injection.key=" + currentKey(values),
	}
	for _, value := range values {
		arguments = append(arguments, "--set-json", value)
	}
	if _, err := env.Helm.Run(ctx, arguments...); err != nil {
		return err
	}
	return poll.Until(ctx, "the policies to be active", func() error {
		return errors.Join(isActive(ctx, newPod(), currentKey(values)), isActive(ctx, newPod(annotated(bundleKey, "probe")), currentKey(values)))
	})
}

// isActive returns an error if a pod, which matches one of the policies, does not get a key.
func isActive(ctx context.Context, pod *corev1.Pod, key string) error {
	pod.Namespace = probe
	if err := env.Client.Create(ctx, pod, client.DryRunAll); err != nil {
		return err
	}
	for _, volume := range pod.Spec.Volumes {
		if volume.Name == volumeName && volume.ConfigMap != nil && volume.ConfigMap.Items[0].Key == key {
			return nil
		}
	}
	return fmt.Errorf("the volumes are %v", pod.Spec.Volumes)
}

// currentKey returns a key that is different for each list of values.
func currentKey(values []string) string {
	if len(values) == 0 {
		return defaultKey
	}
	return fmt.Sprintf("key-%d.pem", len(values))
}

// uninstall uninstalls the release.
func uninstall(ctx context.Context) error {
	_, err := env.Helm.Run(ctx, "uninstall", "trust", "--kubeconfig", env.Kubeconfig(), "--namespace", releaseNamespace)
	return err
}
