package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/cli"
	"trust-manager.io/test/framework/ca"
)

// commandsFollowARotation asks `kubectl trust` about the pods of podComesToTrust: the client started
// before its bundle changed, and the server's certificate is from the private CA (L11, L12).
func commandsFollowARotation(t *testing.T) {
	var source corev1.ConfigMap
	get(t, trustNamespace, "private-ca", &source)
	old, fresh := writeFile(t, "old.pem", source.Data["ca.crt"]), ca.New("fresh CA")
	to := writeFile(t, "new.pem", fresh.Certificate)

	status, out := kubectlTrust(t, "pods", bundleName, "--stale")
	if status != 1 || !strings.Contains(out, "client") || !strings.Contains(out, "mayNotReload") || strings.Contains(out, "server") {
		t.Errorf("pods: exit status %d:\n%s", status, out)
	}
	status, out = kubectlTrust(t, "rotate", "plan", "--from", old, "--to", to)
	if status != 1 || !strings.Contains(out, "add the new CA first") {
		t.Errorf("rotate plan before: exit status %d:\n%s", status, out)
	}
	if err := addSource(t, v1alpha1.BundleSource{InLine: &fresh.Certificate}); err != nil {
		t.Fatal(err)
	}
	awaitTarget(t, appNamespace, fresh.Certificate)
	status, out = kubectlTrust(t, "rotate", "plan", "--from", old, "--to", to)
	for _, want := range []string{"the old CA is still needed", "Secret " + appNamespace + "/server-tls", "1 pod started before"} {
		if status != 1 || !strings.Contains(out, want) {
			t.Errorf("rotate plan: exit status %d, want %q:\n%s", status, want, out)
		}
	}
}

func writeFile(t *testing.T, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// kubectlTrust runs `kubectl trust` and returns its exit status and output.
func kubectlTrust(t *testing.T, args ...string) (status int, out string) {
	t.Helper()
	var text bytes.Buffer
	streams := genericiooptions.IOStreams{In: &bytes.Buffer{}, Out: &text, ErrOut: &text}
	status = cli.Run(t.Context(), append(args, "--kubeconfig", node.Kubeconfig), streams, clock.RealClock{})
	return status, text.String()
}
