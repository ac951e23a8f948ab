package faults

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/capackage"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/poll"
)

// The disk has room for one package, but not for a second one.
const (
	smallDisk, largeDisk = "size=64k", "size=1m"
	packagePadding       = 3000 // of each of ten certificates: 42 KB as PEM
)

// D1, D4: if the disk of the default CA package is full, the copier fails with an
// error, the old package stays intact, and the operator continues to use it. As soon as
// there is room, the new package replaces it.
func TestPackageOnFullDisk(t *testing.T) {
	disk, input := t.TempDir(), t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, smallDisk); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("a full disk is not to be had: mounting a small one: %v", err)
		}
		t.Skipf("A FULL DISK IS NOT TESTED: mounting a small one, which root can: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	copier := filepath.Join(t.TempDir(), "trust-package-copy")
	if output, err := exec.CommandContext(t.Context(), "go", "build", "-o", copier, "trust-manager.io/cmd/trust-package-copy").CombinedOutput(); err != nil {
		t.Fatalf("building the copier: %v\n%s", err, output)
	}
	copies := func() (string, error) {
		output, err := exec.CommandContext(t.Context(), copier, input, disk).CombinedOutput()
		return string(output), err
	}
	old := writePackage(t, input, "1")
	if output, err := copies(); err != nil {
		t.Fatalf("the first package: %v\n%s", err, output)
	}
	path := filepath.Join(disk, packageFile)
	inOld, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	held := startWithPackage(t, path)
	awaitHeld(t, held, old)

	fresh := writePackage(t, input, "2")
	output, err := copies()
	if err == nil || !strings.Contains(output, "no space left on device") || !strings.Contains(output, disk) {
		t.Errorf("the copier on a full disk: %v, %q, want an error that says so and where", err, output)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, inOld) {
		t.Errorf("the package is not what it was: %v", err)
	}
	if entries, err := os.ReadDir(disk); err != nil || len(entries) != 1 {
		t.Errorf("left on the full disk: %v, %v, want the package alone", entries, err)
	}
	time.Sleep(time.Second) // much longer than the operator takes to observe a change
	if now, err := held(); err != nil || now != old {
		t.Errorf("the target is not what it was: %v", err)
	}
	if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT, largeDisk); err != nil {
		t.Fatal(err)
	}
	if output, err := copies(); err != nil {
		t.Fatalf("with room for it: %v\n%s", err, output)
	}
	awaitHeld(t, held, fresh)
}

const packageFile = "package.json"

// writePackage writes a package to a folder, and returns the text of its bundle.
func writePackage(t *testing.T, folder, version string) string {
	t.Helper()
	var text strings.Builder
	for range 10 {
		text.WriteString(ca.New("package "+version, ca.Padded(packagePadding)).Certificate)
	}
	data, err := capackage.Encode(capackage.Package{Name: "test", Version: version, Bundle: text.String()})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, packageFile), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// startWithPackage starts an operator with a package, and creates a Bundle of it with
// one target. The returned function returns the target's text.
func startWithPackage(t *testing.T, path string) (held func() (string, error)) {
	t.Helper()
	const name = "disk"
	o, err := env.StartOperator("--default-package-location", path)
	if err != nil {
		t.Fatal(err)
	}
	yes := true
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{name: "true"}}}
	bundle := &v1alpha1.Bundle{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.BundleSpec{
		Sources: []v1alpha1.BundleSource{{UseDefaultCAs: &yes}},
		Target: &v1alpha1.BundleTarget{
			ConfigMap:         &v1alpha1.TargetObject{Key: pemKey},
			NamespaceSelector: &v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{name: "true"}},
		},
	}}
	for _, object := range []client.Object{namespace, bundle} {
		if err := env.Client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := o.Stop(); err != nil {
			t.Errorf("%v\n%s", err, o.Log())
		}
		for _, object := range []client.Object{bundle, namespace} {
			if err := env.Client.Delete(context.Background(), object); err != nil {
				t.Error(err)
			}
		}
	})
	return func() (string, error) {
		var now corev1.ConfigMap
		err := env.Client.Get(t.Context(), client.ObjectKey{Namespace: name, Name: name}, &now)
		return now.Data[pemKey], err
	}
}

func awaitHeld(t *testing.T, held func() (string, error), want string) {
	t.Helper()
	err := poll.Until(t.Context(), "the target to have the package", func() error {
		now, err := held()
		if err == nil && now != want {
			err = fmt.Errorf("it has %d bytes, want %d", len(now), len(want))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
