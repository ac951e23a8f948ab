package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
)

// nextTag is that of the newer package image, and the version of the package in it.
const nextTag = "20991231"

// packageIsUpgraded upgrades the default CA package by one command that names nothing
// but its tag.
func packageIsUpgraded(t *testing.T) {
	root := newAuthority(t, "new public root")
	next := loadNextPackage(t, root)
	before := &appsv1.Deployment{}
	get(t, trustNamespace, release, before)
	first := defaultCAVersion(t)
	if first == "" || first == next.ID() {
		t.Fatalf("the Bundle's package is %q before the upgrade", first)
	}
	watched := watchTarget(t)

	began := time.Now()
	_, err := node.Helm(t.Context(), "upgrade", release, chartPath(), "--namespace", trustNamespace,
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
		if !strings.Contains(target.Data[bundleKey], root.pem) {
			return fmt.Errorf("it is not there")
		}
		return nil
	})
	t.Logf("from helm upgrade to the new package in the target: %s (%s to %s)", time.Since(began).Round(100*time.Millisecond), first, next.ID())

	watched.check(t)
	after := &appsv1.Deployment{}
	get(t, trustNamespace, release, after)
	if was, is := imagesOf(before), imagesOf(after); was[0] != is[0] || was[1] == is[1] {
		t.Errorf("the images were %v and are %v: want the package's changed alone", was, is)
	}
	awaitOutcome(t, "trusted") // the private CA is still there
}

// loadNextPackage makes an image as `make images` does, of a newer package with one
// root more.
func loadNextPackage(t *testing.T, root *authority) capackage.Package {
	t.Helper()
	tools := filepath.Join(node.Dir, "tools") + "/"
	for _, command := range []string{"./cmd/trust-package", "./cmd/trust-package-copy"} {
		if err := node.Build(t.Context(), ".", command, tools); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(node.Dir, "package.json")
	next := currentPackage(t, filepath.Join(tools, "trust-package"), file)
	next.Version, next.Bundle = nextTag, next.Bundle+root.pem
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

// targetWatch remembers all that happens to a target.
type targetWatch struct {
	watch watch.Interface
	ended sync.WaitGroup
	bad   []string
	seen  int
}

func watchTarget(t *testing.T) *targetWatch {
	t.Helper()
	watching, err := api.Watch(t.Context(), &corev1.ConfigMapList{}, client.InNamespace(appNamespace),
		client.MatchingFields{"metadata.name": bundleName})
	if err != nil {
		t.Fatal(err)
	}
	w := &targetWatch{watch: watching}
	w.ended.Go(func() {
		for event := range watching.ResultChan() {
			w.seen++
			target, ok := event.Object.(*corev1.ConfigMap)
			if !ok || event.Type == watch.Deleted {
				w.bad = append(w.bad, string(event.Type))
			} else if count := strings.Count(target.Data[bundleKey], "BEGIN CERTIFICATE"); count < 2 {
				w.bad = append(w.bad, fmt.Sprintf("%s with %d certificates", event.Type, count))
			}
		}
	})
	return w
}

// check ends the watch. It has seen the target as it was at first, and the change.
func (w *targetWatch) check(t *testing.T) {
	t.Helper()
	w.watch.Stop()
	w.ended.Wait()
	if len(w.bad) > 0 || w.seen < 2 {
		t.Errorf("%d events of the target, and of them %v; want at least two, and the target never gone", w.seen, slices.Compact(w.bad))
	}
}
