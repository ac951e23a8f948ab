package live

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/test/framework/helm"
	"trust-manager.io/test/framework/poll"
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
	defer removeManifest(t, objects)
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

// removeManifest removes all objects but the namespace, which nothing would finalize here, and
// waits until the definitions are gone: Helm adopts none that kubectl has created.
func removeManifest(t *testing.T, objects helm.Objects) {
	t.Helper()
	for _, object := range objects {
		if object.GetKind() != "Namespace" {
			remove(t, object)
		}
	}
	for _, object := range objects {
		if object.GetKind() != "CustomResourceDefinition" {
			continue
		}
		poll.EventuallyWithin(t, time.Minute, object.GetName()+" to be gone", func() error {
			err := api.Get(t.Context(), client.ObjectKeyFromObject(object), object)
			if apierrors.IsNotFound(err) {
				return nil
			}
			return fmt.Errorf("it exists (%w)", err)
		})
	}
}
