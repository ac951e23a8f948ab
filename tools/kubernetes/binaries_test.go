package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// The versions are parsed from the embedded go.mod. This compares them with those
// that Go selects.
func TestVersionsMatchGoList(t *testing.T) {
	got, err := pinnedVersions()
	if err != nil {
		t.Fatal(err)
	}
	for module, version := range map[string]string{
		"k8s.io/kubernetes":         got.kubernetes,
		"go.etcd.io/etcd/server/v3": got.etcd,
	} {
		out, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", module).Output()
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.TrimSpace(string(out)); version != want {
			t.Errorf("%s: got %s, want %s", module, version, want)
		}
	}
}

func TestLinkerFlags(t *testing.T) {
	const pkg = "-X k8s.io/component-base/version."
	got := versions{kubernetes: "v1.37.2"}.linkerFlags()
	for _, want := range []string{"gitVersion=v1.37.2", "gitMajor=1", "gitMinor=37"} {
		if !strings.Contains(got+" ", pkg+want+" ") {
			t.Errorf("%q lacks %q", got, want)
		}
	}
}

func TestCacheKeyNamesVersionsAndPlatform(t *testing.T) {
	got := versions{kubernetes: "v1.37.2", etcd: "v3.7.0"}.cacheKey()
	if want := regexp.MustCompile(`^v1\.37\.2-etcd-v3\.7\.0-[a-z]+-[a-z0-9]+-[0-9a-f]{8}$`); !want.MatchString(got) {
		t.Errorf("got %s, want %s", got, want)
	}
}

// fakeGo puts a fake "go" first in PATH. It creates each binary, or fails for the
// one called broken, and logs its calls in the returned file.
func fakeGo(t *testing.T, broken string) (calls string) {
	t.Helper()
	dir := t.TempDir()
	calls = filepath.Join(dir, "calls")
	script := fmt.Sprintf(`#!/bin/sh
while [ "$1" != -o ]; do shift; done
echo "$2" >>%q
case "$2" in */%s) echo "cannot compile"; exit 1;; esac
mkdir -p "$(dirname "$2")" && : >"$2" && chmod +x "$2"
`, calls, broken)
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	t.Setenv("TRUST_MANAGER_CACHE", t.TempDir())
	t.Setenv("KUBEBUILDER_ASSETS", "")
	return calls
}

func TestBuildOnceWithProgress(t *testing.T) {
	calls := fakeGo(t, "none")
	var progress bytes.Buffer
	dir, err := assets(t.Context(), options{}, &progress)
	if err != nil {
		t.Fatal(err)
	}
	for i, tool := range tools {
		if want := fmt.Sprintf("%d of 4: %s (empty cache: about ", i+1, tool.name); !strings.Contains(progress.String(), want) {
			t.Errorf("lacks %q:\n%s", want, progress.String())
		}
		if err := has(dir, tool.name); err != nil {
			t.Error(err)
		}
	}
	progress.Reset()
	again, err := assets(t.Context(), options{}, &progress)
	if err != nil || again != dir || progress.Len() > 0 {
		t.Errorf("second time: got %s, %v, %q; want %s and no output", again, err, progress.String(), dir)
	}
	if got := strings.Count(contents(t, calls), "\n"); got != len(tools) {
		t.Errorf("got %d builds, want %d", got, len(tools))
	}
}

// With the binaries of a control plane in the cache, --node builds only the
// additional ones.
func TestBuildForNode(t *testing.T) {
	calls := fakeGo(t, "none")
	if _, err := assets(t.Context(), options{}, t.Output()); err != nil {
		t.Fatal(err)
	}
	dir, err := assets(t.Context(), options{Node: true}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range toolsFor(options{Node: true}) {
		if err := has(dir, tool.name); err != nil {
			t.Error(err)
		}
	}
	if got, want := strings.Count(contents(t, calls), "\n"), len(tools)+len(nodeTools); got != want {
		t.Errorf("got %d builds, want %d", got, want)
	}
}

// Without a controller manager, three programs are built, and the fourth once it is wanted.
func TestBuildWithoutControllerManager(t *testing.T) {
	calls := fakeGo(t, "none")
	dir, err := assets(t.Context(), options{WithoutControllerManager: true}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if has(dir, controllerManager) == nil || strings.Count(contents(t, calls), "\n") != len(tools)-1 {
		t.Errorf("built %s", contents(t, calls))
	}
	if _, err := assets(t.Context(), options{}, t.Output()); err != nil || has(dir, controllerManager) != nil || strings.Count(contents(t, calls), "\n") != len(tools) {
		t.Errorf("%v, built %s", err, contents(t, calls))
	}
}

func TestConcurrentBuildsShareResult(t *testing.T) {
	calls := fakeGo(t, "none")
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if _, err := assets(t.Context(), options{}, t.Output()); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if got := strings.Count(contents(t, calls), "\n"); got != len(tools) {
		t.Errorf("got %d builds, want %d", got, len(tools))
	}
}

func TestFailedBuildLeavesNothing(t *testing.T) {
	fakeGo(t, kubectl)
	var progress bytes.Buffer
	_, err := assets(t.Context(), options{}, &progress)
	if err == nil || !strings.Contains(err.Error(), "building kubectl") {
		t.Errorf("got error %v, want one about kubectl", err)
	}
	if !strings.Contains(progress.String(), "cannot compile") {
		t.Errorf("the compiler's output is missing:\n%s", progress.String())
	}
	dir, err := assetsDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{dir, dir + ".partial"} {
		if _, err := os.Stat(name); !os.IsNotExist(err) {
			t.Errorf("%s: got %v, want it absent", name, err)
		}
	}
}

func TestGivenAssetsAreUsed(t *testing.T) {
	cases := map[string]struct {
		files []string
		want  string
	}{
		"the binaries of envtest": {[]string{etcd, apiServer, kubectl}, ""},
		"without an API server":   {[]string{etcd}, "kube-apiserver is required in"},
		"without etcd":            {[]string{apiServer}, "etcd is required in"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("KUBEBUILDER_ASSETS", dir)
			for _, file := range c.files {
				if err := os.WriteFile(filepath.Join(dir, file), nil, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			got, err := assets(t.Context(), options{}, t.Output())
			if got != dir {
				t.Errorf("got %s, want %s", got, dir)
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got error %v, want %q", err, c.want)
			}
		})
	}
}

func TestGivenAssetsWithoutControllerManager(t *testing.T) {
	if _, err := newPlan("", t.TempDir(), options{}); err == nil || !strings.Contains(err.Error(), "--without-controller-manager") {
		t.Errorf("got error %v, want one that names the alternative", err)
	}
	if _, err := newPlan("", t.TempDir(), options{WithoutControllerManager: true}); err != nil {
		t.Error(err)
	}
}
