package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/helm"
)

// manifestWorks applies install.yaml where the chart was before: the operator runs, its webhook refuses
// a bad Bundle, and a good one reaches its namespaces. Applied again, nothing changes, and Helm can take
// the objects over as the guide describes.
func manifestWorks(t *testing.T) {
	chart, err := helm.New(node.Root, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	text, err := chart.Manifest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "install.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	kubectl(t, "apply", "--filename", path)
	kubectl(t, "--namespace", releaseNamespace, "rollout", "status", "deployment/"+release, "--timeout=2m")

	await(t, "the webhook to refuse a bad Bundle", func() error {
		err := api.Create(t.Context(), badBundle(), client.DryRunAll)
		if err == nil || !strings.Contains(err.Error(), `admission webhook "trust.cert-manager.io" denied the request`) {
			return errors.Join(errors.New("it is not refused"), err)
		}
		return nil
	})
	create(t, bundle(bundleName, v1alpha1.BundleSource{UseDefaultCAs: ptr(true)}))
	awaitTarget(t, "default", "-----END CERTIFICATE-----\n")
	for line := range strings.Lines(kubectl(t, "apply", "--filename", path)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasSuffix(line, " unchanged") {
			t.Errorf("applied again: %s", line)
		}
	}

	out, err := node.Helm(t.Context(), "upgrade", "--install", release, chartPath(), "--namespace", releaseNamespace,
		"--take-ownership", "--force-conflicts", "--set", "app.trust.namespace="+releaseNamespace, "--wait", "--timeout", "2m")
	if err != nil || !strings.Contains(out, "STATUS: deployed") {
		t.Fatalf("%v\n%s\n%s", err, out, state(t))
	}
	awaitTarget(t, "default", "-----END CERTIFICATE-----\n")
}

// kubectl returns the output of kubectl.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := node.Kubectl(t.Context(), args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, state(t))
	}
	return out
}
