package integration

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/poll"
)

// layout installs a version of the package file.
type layout func(t *testing.T, folder string, content []byte)

func renamed(t *testing.T, folder string, content []byte) {
	t.Helper()
	file := filepath.Join(folder, "package.json")
	if err := os.WriteFile(file+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

func overwritten(t *testing.T, folder string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, "package.json"), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// mounted swaps the link ..data from one folder to the next, like the kubelet for a
// mounted ConfigMap.
func mounted(t *testing.T, folder string, content []byte) {
	t.Helper()
	version, err := os.MkdirTemp(folder, "..version_")
	if err != nil {
		t.Fatal(err)
	}
	overwritten(t, version, content)
	link := filepath.Join(folder, "..data_tmp")
	if err := os.Symlink(filepath.Base(version), link); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link, filepath.Join(folder, "..data")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join("..data", "package.json"), filepath.Join(folder, "package.json")); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
}

// packageOf returns a package file.
func packageOf(t *testing.T, version string, content ...authority) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "package.json")
	if err := writePackage(path, "test", version, content...); err != nil {
		t.Fatal(err)
	}
	encoded, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// D1: the running operator loads a new version of the package file; an invalid one is
// reported, and the old one stays until a valid one appears. A13: the status has the id
// of the one in use.
func TestPackageIsReplaced(t *testing.T) {
	for name, puts := range map[string][4]layout{
		"file":    {renamed, overwritten, overwritten, renamed},
		"mounted": {mounted, mounted, mounted, mounted},
	} {
		t.Run(name, func(t *testing.T) {
			a, b, c := newAuthority("A"), newAuthority("B"), newAuthority("C")
			folder := t.TempDir()
			puts[0](t, folder, packageOf(t, "1", a))
			path := filepath.Join(folder, "package.json")
			startOperator(t, "--default-package-location", path)
			s := newScene(t)
			namespaces := s.namespaces(2)
			bundle := s.bundle(defaultCAs())
			awaitPackage := func(version string, content authority, parts ...string) {
				t.Helper()
				awaitTargets(t, bundle, namespaces, content)
				parts = append(parts, "1 certificate", "2 namespaces")
				poll.Eventually(t, "the status", func() error {
					if err := says(t, bundle, v1alpha1.BundleReasonSynced, parts...); err != nil {
						return err
					}
					return compareText(bundle.Status.DefaultCAVersion, packageID("test", version, content))
				})
			}
			awaitPackage("1", a)
			puts[1](t, folder, packageOf(t, "2", b))
			awaitPackage("2", b)
			puts[2](t, folder, []byte(`{"name": "test", "version": "3", "bundle": "`))
			awaitPackage("2", b, "stays in use", packageID("test", "2", b))
			puts[3](t, folder, packageOf(t, "4", c))
			awaitPackage("4", c)
			if condition, err := synced(t, bundle); err != nil || strings.Contains(condition.Message, "stays in use") {
				t.Errorf("the note should be gone: %v, %v", condition.Message, err)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			awaitPackage("4", c, "stays in use", packageID("test", "4", c))
		})
	}
}

// D2: without a package, the status of a Bundle with the default CAs explains how to
// enable one, and nothing is written for it.
func TestNoPackage(t *testing.T) {
	startOperator(t)
	s := newScene(t)
	namespaces := s.namespaces(1)
	ca := newAuthority("CA")
	bundle := s.bundle(slices.Concat(inLine(ca), defaultCAs()))
	awaitCondition(t, bundle, v1alpha1.BundleReasonSourceNotFound, "spec.sources[1].useDefaultCAs", "--default-package-location")
	if err := absent(t, bundle, namespaces[0]); err != nil {
		t.Error(err)
	}
}

// D1: an invalid package fails the start with an error that names the flag.
func TestInvalidPackageStopsTheStart(t *testing.T) {
	ca := newAuthority("CA")
	valid := string(packageOf(t, "1", ca))
	for name, file := range map[string]struct{ name, content string }{
		"no such file":   {name: "missing.json"},
		"other ending":   {"package.txt", valid},
		"empty file":     {"package.json", ""},
		"not JSON":       {"package.json", "name: test\n"},
		"cut off":        {"package.json", valid[:len(valid)-10]},
		"no name":        {"package.json", strings.Replace(valid, `"name"`, `"nom"`, 1)},
		"no certificate": {"package.json", `{"name": "test", "version": "1", "bundle": "nothing"}`},
		"a private key":  {"package.json", string(packageOf(t, "1", ca, authorityOf("key", ca.Key)))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), file.name)
			if name != "no such file" {
				if err := os.WriteFile(path, []byte(file.content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			log := wantRefusedStart(t, "--default-package-location", "--default-package-location", path)
			wantNothingShown(t, "the error", log, ca.Key)
		})
	}
}
