package live

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"trust-manager.io/test/framework/helm"
)

// `kubectl apply -f install.yaml` creates every object, in the order of the file, and a second
// time changes none.
func TestInstallManifest(t *testing.T) {
	text, err := chart.Manifest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "install.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	objects, err := helm.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	// Another API server, because Helm adopts no definition that kubectl has created.
	env := newEnvironment()
	t.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Error(err)
		}
	})
	_, kubeconfig, err := start(env, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	apply := func() []string {
		command := exec.Command(filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), "--kubeconfig", kubeconfig, "apply", "-f", path)
		var out, fault bytes.Buffer
		command.Stdout, command.Stderr = &out, &fault
		if err := command.Run(); err != nil {
			t.Fatalf("kubectl apply: %v: %s", err, fault.String())
		}
		return strings.Split(strings.TrimSpace(out.String()), "\n")
	}
	if lines := apply(); len(lines) != len(objects) {
		t.Errorf("%d of %d objects are applied: %q", len(lines), len(objects), lines)
	}
	for _, line := range apply() {
		if !strings.HasSuffix(line, " unchanged") {
			t.Errorf("applied again: %s", line)
		}
	}
}
