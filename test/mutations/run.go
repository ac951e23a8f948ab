package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	survived = "SURVIVED"
	// maxOutput is how many of the last lines of output an error shows.
	maxOutput = 30
)

// runner runs tests in a copy of the checkout.
type runner struct {
	dir string
	// goTest runs tests of one folder and returns the output of go test -json.
	goTest func(ctx context.Context, dir, folder string, tests []string) ([]byte, error)
}

// try applies a mutation, runs its test and restores the file. The verdict is survived, or
// names the tests that failed.
func (r *runner) try(ctx context.Context, m mutation) (verdict string, err error) {
	file := filepath.Join(r.dir, filepath.FromSlash(m.file))
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	mutated, err := m.apply(string(text))
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(file, []byte(mutated), 0o600); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.WriteFile(file, text, 0o600)) }()
	output, failure := r.goTest(ctx, r.dir, m.test.folder, []string{m.test.name})
	result := resultOf(output)
	switch {
	case result.timedOut():
		// A machine that is too slow kills no mutation.
		return "", fmt.Errorf("the test timed out:\n%s", result.tail())
	case len(result.failed) > 0:
		return "killed by " + strings.Join(result.failed, ", "), nil
	case failure != nil:
		return "", fmt.Errorf("no test failed, but %w:\n%s", failure, result.tail())
	case result.passed == 0:
		return "", fmt.Errorf("there is no test %s", m.test)
	}
	return survived, nil
}

// checkUnchanged checks that all tests of the mutations pass without them.
func (r *runner) checkUnchanged(ctx context.Context, w io.Writer, mutations []mutation) error {
	tests := map[string][]string{}
	var folders []string
	for _, m := range mutations {
		if _, ok := tests[m.test.folder]; !ok {
			folders = append(folders, m.test.folder)
		}
		if !slices.Contains(tests[m.test.folder], m.test.name) {
			tests[m.test.folder] = append(tests[m.test.folder], m.test.name)
		}
	}
	for _, folder := range folders {
		began := time.Now()
		output, failure := r.goTest(ctx, r.dir, folder, tests[folder])
		if ctx.Err() != nil {
			return ctx.Err()
		}
		result := resultOf(output)
		if want := len(tests[folder]); failure != nil || result.passed != want {
			return fmt.Errorf("unchanged sources: only %d of %d tests pass in %s (%s):\n%s",
				result.passed, want, folder, strings.Join(tests[folder], ", "), result.tail())
		}
		fmt.Fprintf(w, "unchanged: %s passes (%d tests, %.1fs)\n", folder, result.passed, time.Since(began).Seconds())
	}
	return nil
}

// goTest runs go test. Vet is off, because it complains about some mutations.
func goTest(ctx context.Context, dir, folder string, tests []string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-json", "-count=1", "-vet=off", "-timeout=5m",
		"-run", "^("+strings.Join(tests, "|")+")$", "./"+folder)
	cmd.Dir = dir
	// The tests then stop what they have started.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	cmd.Stderr = os.Stderr
	return cmd.Output()
}

// result is the outcome of a run of go test.
type result struct {
	// failed has the names of the top-level tests that failed, and passed counts those
	// that passed.
	failed []string
	passed int
	output []string
}

// timedOut reports whether go test ended the tests.
func (r result) timedOut() bool {
	return slices.ContainsFunc(r.output, func(line string) bool { return strings.HasPrefix(line, "panic: test timed out after ") })
}

// resultOf reads the output of go test -json. Lines in another form are output.
func resultOf(output []byte) (r result) {
	for line := range bytes.Lines(output) {
		var event struct{ Action, Test, Output string }
		if json.Unmarshal(line, &event) != nil {
			event.Action, event.Output = "output", string(line)
		}
		isTopLevel := event.Test != "" && !strings.Contains(event.Test, "/")
		switch {
		case event.Action == "fail" && isTopLevel:
			r.failed = append(r.failed, event.Test)
		case event.Action == "pass" && isTopLevel:
			r.passed++
		case event.Output != "":
			r.output = append(r.output, event.Output)
		}
	}
	return r
}

// tail returns the last lines of the output.
func (r *result) tail() string {
	return strings.Join(r.output[max(0, len(r.output)-maxOutput):], "")
}

// copyCheckout copies the files that Git tracks, and those that it neither tracks nor
// ignores, with their current content.
func copyCheckout(ctx context.Context, root, dir string) error {
	cmd := exec.CommandContext(ctx, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	list, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("git ls-files: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		source, target := filepath.Join(root, name), filepath.Join(dir, name)
		info, err := os.Lstat(source)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
			continue // deleted, or a symbolic link
		}
		content, err := os.ReadFile(source)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(target, content, info.Mode().Perm()|0o600); err != nil {
			return err
		}
	}
	return nil
}
