package quickstart

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const contributing = "../../CONTRIBUTING.md"

// The first change in CONTRIBUTING.md works as typed, in a repository with one commit. It needs
// no cluster.
func TestFirstChangeWorksAsTyped(t *testing.T) {
	root := filepath.Join(t.TempDir(), "trust-manager")
	copyCheckout(t, "../..", root)
	git := func(args ...string) string {
		t.Helper()
		command := exec.Command("git", args...)
		command.Dir = root
		text, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("git %s: %v\n%s", args[0], err, text)
		}
		return string(text)
	}
	git("init", "-q", "--initial-branch", "main")
	git("config", "user.name", "Test")
	git("config", "user.email", "test@example.com")
	git("add", "--all")
	git("commit", "-q", "--message", "checkout")

	s := newShell(t, root)
	wanted := map[string][]string{
		"rules_test.go":  {"FAIL", "expires_in_119_days"},
		"rules.go":       {"ok"},
		"bin/soon.crt":   {"warning", "expires-soon"},
		"git grep":       {"docs/reference/cli.md", "lint.txtar"},
		"git show":       {"internal/lint/rules.go", "docs/guide/cli.md", "docs/reference/cli.md", "lint.txtar", "CHANGELOG.md"},
		"git branch -D ": {"Deleted branch"},
	}
	for _, f := range readPage(t, contributing, "Your first change") {
		printed := s.run(expectFailures(f.text))
		for text, want := range wanted {
			if !strings.Contains(f.text, text) {
				continue
			}
			delete(wanted, text)
			for _, w := range want {
				if !strings.Contains(printed, w) {
					t.Errorf("these commands did not print %q:\n%s\nOutput:\n%s", w, f.text, tail(printed))
				}
			}
		}
	}
	if len(wanted) > 0 {
		t.Errorf("no block contains %q", wanted)
	}
	if left := git("status", "--porcelain"); left != "" {
		t.Errorf("these changes are left:\n%s", left)
	}
}

// expectFailures inverts the status of the commands that the page marks with "# fails".
func expectFailures(commands string) string {
	lines := strings.SplitAfter(commands, "\n")
	for i, line := range lines {
		if strings.HasSuffix(strings.TrimSpace(line), "# fails") {
			lines[i] = "! " + line
		}
	}
	return strings.Join(lines, "")
}
