package certmanager

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/port"
)

const (
	chart = "deploy/charts/trust-manager"
	// name is that of the release, and of most of its objects.
	name = "trust-manager"
	host = name + "." + namespace + ".svc"
)

// chartVersion returns the version of the image that a chart uses.
func chartVersion(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	var about struct{ AppVersion string }
	return about.AppVersion, yaml.Unmarshal(text, &about)
}

// install installs or upgrades the release with only these values, and waits until
// its pods are ready.
func install(t *testing.T, values map[string]string) {
	t.Helper()
	all := map[string]string{"defaultPackage.enabled": "false"}
	maps.Copy(all, site.ports)
	maps.Copy(all, values)
	arguments := []string{
		"upgrade", "--install", name, filepath.Join("..", "..", chart), "--namespace", namespace, "--wait", "--timeout", "90s",
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		arguments = append(arguments, "--set", key+"="+all[key])
	}
	helm(t, arguments...)
}

// helm runs Helm without the user's settings.
func helm(t *testing.T, arguments ...string) {
	t.Helper()
	path, err := bin("helm")
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), path, arguments...)
	home := t.TempDir()
	command.Env = append(os.Environ(), "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home, "HELM_CACHE_HOME="+home, "KUBECONFIG="+site.kubeconfig)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	if err := command.Run(); err != nil {
		t.Fatalf("helm %s: %v\n%s", arguments[0], err, out.String())
	}
}

// portValues returns values that set the chart's ports to free ones: pods listen on
// the machine's own addresses.
func portValues() (map[string]string, error) {
	keys := []string{webhookPort, "app.metrics.port", "app.readinessProbe.port"}
	ports, err := port.Free("", len(keys))
	if err != nil {
		return nil, err
	}
	values := map[string]string{}
	for i, key := range keys {
		values[key] = strconv.Itoa(ports[i])
	}
	return values, nil
}

const webhookPort = "app.webhook.port"

// bundle returns a Bundle that the CustomResourceDefinition accepts. The webhook accepts
// it only if the key is valid in a ConfigMap.
func bundle(name, key string, sources ...v1alpha1.BundleSource) *v1alpha1.Bundle {
	if len(sources) == 0 {
		sources = []v1alpha1.BundleSource{{ConfigMap: &v1alpha1.SourceObject{Name: "none", Key: "none"}}}
	}
	return &v1alpha1.Bundle{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.BundleSpec{
			Sources: sources,
			Target:  &v1alpha1.BundleTarget{ConfigMap: &v1alpha1.TargetObject{Key: key}},
		},
	}
}

// asked returns an error unless the API server calls the webhook: it rejects a Bundle
// that only the webhook rejects, and accepts a valid one.
func asked(ctx context.Context) error {
	if err := api.Create(ctx, bundle("bad", "a/b"), client.DryRunAll); !apierrors.IsInvalid(err) {
		return fmt.Errorf("the answer about a Bundle with a key that no ConfigMap can have is %w", errors.Join(errors.New("not that it is invalid"), err))
	}
	return api.Create(ctx, bundle("good", "a"), client.DryRunAll)
}

// secret reads a Secret of the release's namespace.
func secret(ctx context.Context, name string) (*corev1.Secret, error) {
	s := &corev1.Secret{}
	return s, api.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, s)
}

// podNames returns the names of the release's pods that are not terminating.
func podNames(t *testing.T) string {
	t.Helper()
	var pods corev1.PodList
	if err := api.List(t.Context(), &pods, client.InNamespace(namespace), client.MatchingLabels{"app": name}); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, pod := range pods.Items {
		if pod.DeletionTimestamp == nil {
			names = append(names, pod.Name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// remove deletes an object at the end of a test, when the test's context has ended.
func remove(t *testing.T, o client.Object) {
	if err := client.IgnoreNotFound(api.Delete(context.Background(), o)); err != nil {
		t.Error(err)
	}
}
