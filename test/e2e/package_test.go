package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/capackage"
	"trust-manager.io/test/framework/ca"
)

// nextTag is that of the newer package image, and the version of the package in it.
const nextTag = "20991231"

// packageIsUpgraded upgrades the default CA package by one command that names only
// its tag.
func packageIsUpgraded(t *testing.T) {
	root := ca.New("new public root")
	next := loadNextPackage(t, root)
	before := &appsv1.Deployment{}
	get(t, releaseNamespace, release, before)
	first := defaultCAVersion(t)
	if first == "" || first == next.ID() {
		t.Fatalf("the Bundle's package is %q before the upgrade", first)
	}
	watched := watchTarget(t)

	began := time.Now()
	_, err := node.Helm(t.Context(), "upgrade", release, chartPath(), "--namespace", releaseNamespace,
		"--set", "defaultPackageImage.tag="+nextTag, "--reuse-values", "--wait", "--timeout", "3m")
	if err != nil {
		t.Fatalf("%v\n%s", err, state(t))
	}
	await(t, "the package's version in the Bundle's status", func() error {
		if version := defaultCAVersion(t); version != next.ID() {
			return fmt.Errorf("it is %s, want %s", version, next.ID())
		}
		return nil
	})
	await(t, "the new root in the target", func() error {
		target := &corev1.ConfigMap{}
		get(t, appNamespace, bundleName, target)
		if !strings.Contains(target.Data[bundleKey], root.Certificate) {
			return errors.New("it is not there")
		}
		return nil
	})
	t.Logf("from helm upgrade to the new package in the target: %s (%s to %s)", time.Since(began).Round(100*time.Millisecond), first, next.ID())

	watched.check(t, root.Certificate)
	after := &appsv1.Deployment{}
	get(t, releaseNamespace, release, after)
	if was, is := imagesOf(before), imagesOf(after); was[0] != is[0] || was[1] == is[1] {
		t.Errorf("the images were %v and are %v: want the package's changed alone", was, is)
	}
	awaitOutcome(t, "client", "trusted") // the private CA is still there
}

// loadNextPackage builds an image like `make images` does, of a newer package with one
// additional root.
func loadNextPackage(t *testing.T, root ca.CA) capackage.Package {
	t.Helper()
	tools := filepath.Join(node.Dir, "tools") + "/"
	for _, command := range []string{"./cmd/trust-package", "./cmd/trust-package-copy"} {
		if err := node.Build(t.Context(), ".", command, tools); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(node.Dir, "package.json")
	next := currentPackage(t, filepath.Join(tools, "trust-package"), file)
	next.Version, next.Bundle = nextTag, next.Bundle+root.Certificate
	text, err := capackage.Encode(next)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := node.Pack(t.Context(), "trust-manager.io/images/"+packageImage+":"+nextTag,
		"copyandmaybepause="+filepath.Join(tools, "trust-package-copy"),
		"debian-package/cert-manager-package-debian.json="+file); err != nil {
		t.Fatal(err)
	}
	return next
}

func currentPackage(t *testing.T, tool, file string) capackage.Package {
	t.Helper()
	if err := node.Run(t.Context(), tool, "mozilla", "--out", file); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	current, err := capackage.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return current
}

func defaultCAVersion(t *testing.T) string {
	t.Helper()
	object := &v1alpha1.Bundle{}
	get(t, "", bundleName, object)
	return object.Status.DefaultCAVersion
}

// targetWatch records all events of a target.
type targetWatch struct {
	watch watch.Interface

	mu   sync.Mutex
	bad  []string
	last string // its certificates
}

func watchTarget(t *testing.T) *targetWatch {
	t.Helper()
	watching, err := api.Watch(t.Context(), &corev1.ConfigMapList{}, client.InNamespace(appNamespace),
		client.MatchingFields{"metadata.name": bundleName})
	if err != nil {
		t.Fatal(err)
	}
	w := &targetWatch{watch: watching}
	go func() {
		for event := range watching.ResultChan() {
			w.note(event)
		}
	}()
	return w
}

func (w *targetWatch) note(event watch.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	target, ok := event.Object.(*corev1.ConfigMap)
	switch {
	case !ok:
		w.bad = append(w.bad, fmt.Sprintf("%s: %v", event.Type, event.Object)) // the watch broke
	case event.Type == watch.Deleted:
		w.bad = append(w.bad, "it was deleted")
	case strings.Count(target.Data[bundleKey], "BEGIN CERTIFICATE") < 2:
		w.bad = append(w.bad, "it had fewer than two certificates")
	default:
		w.last = target.Data[bundleKey]
	}
}

// check waits until the watch delivers the certificate, and stops it. Errors of the
// watch after the stop do not count.
func (w *targetWatch) check(t *testing.T, certificate string) {
	t.Helper()
	defer w.watch.Stop()
	await(t, "the watch to see the target with the new root", func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.bad) == 0 && !strings.Contains(w.last, certificate) {
			return errors.New("it has not yet")
		}
		return nil
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.bad) > 0 {
		t.Errorf("the target in the meantime: %s", strings.Join(w.bad, "; "))
	}
}
