package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// repository is a git repository with what hack/release.sh checks before it builds anything.
type repository struct {
	t    *testing.T
	root string
}

func newRepository(t *testing.T) *repository {
	t.Helper()
	r := &repository{t, t.TempDir()}
	script, err := os.ReadFile("../../release.sh")
	if err != nil {
		t.Fatal(err)
	}
	r.write("hack/release.sh", string(script))
	r.write("go.mod", "module example.com\n\ntoolchain "+runtime.Version()+"\n")
	r.write("deploy/charts/trust-manager/Chart.yaml", "version: 1.2.3\nappVersion: 1.2.3\n")
	r.write("CHANGELOG.md", "# Changelog\n\n## Unreleased\n\n### Added\n- Later.\n\n## 1.2.3 - 2026-12-01\n\n### Added\n- Now.\n\n## 1.2.2\n")
	r.git("init", "-q")
	r.commit()
	r.git("tag", "v1.2.3")
	r.git("tag", "api/v1.2.3")
	return r
}

func (r *repository) write(name, text string) {
	r.t.Helper()
	path := filepath.Join(r.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *repository) git(args ...string) {
	r.t.Helper()
	args = append([]string{"-c", "user.name=test", "-c", "user.email=test@example.com"}, args...)
	command := exec.CommandContext(r.t.Context(), "git", args...)
	command.Dir = r.root
	if text, err := command.CombinedOutput(); err != nil {
		r.t.Fatalf("git %q: %v: %s", args, err, text)
	}
}

func (r *repository) commit() {
	r.t.Helper()
	r.git("add", "--all")
	r.git("commit", "-q", "--message", "change")
}

// amend changes a file in the tagged commit.
func (r *repository) amend(name, before, after string) {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.root, name))
	if err != nil || !strings.Contains(string(text), before) {
		r.t.Fatalf("%s: %v, or no %q", name, err, before)
	}
	r.write(name, strings.ReplaceAll(string(text), before, after))
	r.commit()
	r.git("tag", "--force", "v1.2.3")
	r.git("tag", "--force", "api/v1.2.3")
}

// release runs hack/release.sh and returns its output. The build fails, because there are no
// sources.
func (r *repository) release(version string, env ...string) string {
	r.t.Helper()
	command := exec.CommandContext(r.t.Context(), "bash", "hack/release.sh", version)
	command.Dir = r.root
	command.Env = append(append(os.Environ(), "SNAPSHOT=", "GOPROXY=off"), env...)
	text, err := command.CombinedOutput()
	if err == nil {
		r.t.Errorf("a release without sources succeeds: %s", text)
	}
	return string(text)
}

// TestChecks checks that only a clean commit is released, with its tags, and under the version of
// its chart and changelog.
func TestChecks(t *testing.T) {
	t.Parallel()
	const passed = "of commit"
	snapshot := []string{"SNAPSHOT=1"}
	for name, tc := range map[string]struct {
		version string
		env     []string
		change  func(*repository)
		want    string
	}{
		"a release":         {"1.2.3", nil, nil, "version 1.2.3 " + passed},
		"no version":        {"", nil, nil, "no version"},
		"a leading v":       {"v1.2.3", nil, nil, "not a semantic version"},
		"two numbers":       {"1.2", nil, nil, "not a semantic version"},
		"another version":   {"1.2.2", nil, nil, "does not have the tag v1.2.2"},
		"a snapshot":        {"1.2.2-try", snapshot, nil, "version 1.2.2-try " + passed},
		"a changed file":    {"1.2.3", nil, func(r *repository) { r.write("CHANGELOG.md", "") }, " M CHANGELOG.md"},
		"a new file":        {"1.2.3", snapshot, func(r *repository) { r.write("new", "") }, "?? new"},
		"a later commit":    {"1.2.3", nil, func(r *repository) { r.git("commit", "--allow-empty", "--message", "later") }, "does not have the tag v1.2.3"},
		"no tag of the API": {"1.2.3", nil, func(r *repository) { r.git("tag", "--delete", "api/v1.2.3") }, "does not have the tag api/v1.2.3"},
		"the chart's version": {"1.2.3", nil, func(r *repository) {
			r.amend("deploy/charts/trust-manager/Chart.yaml", "\nappVersion: 1.2.3", "\nappVersion: 1.2.2")
		}, "appVersion: 1.2.2, not 1.2.3"},
		"no section":           {"1.2.3", nil, func(r *repository) { r.amend("CHANGELOG.md", "## 1.2.3 ", "## 1.2.30 ") }, `no section "## 1.2.3"`},
		"an empty section":     {"1.2.3", nil, func(r *repository) { r.amend("CHANGELOG.md", "- Now.\n", "") }, `no section "## 1.2.3"`},
		"a section, no date":   {"1.2.3", nil, func(r *repository) { r.amend("CHANGELOG.md", " - 2026-12-01", "") }, passed},
		"an unknown toolchain": {"1.2.3", nil, func(r *repository) { r.amend("go.mod", runtime.Version(), "go1.1.99") }, "which go.mod pins"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRepository(t)
			if tc.change != nil {
				tc.change(r)
			}
			got := r.release(tc.version, tc.env...)
			if !strings.Contains(got, tc.want) || tc.want != passed && !strings.HasSuffix(tc.want, passed) && strings.Contains(got, passed) {
				t.Errorf("want %q in:\n%s", tc.want, got)
			}
		})
	}
}
