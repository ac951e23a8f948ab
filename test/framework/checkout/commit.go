package checkout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Built is the operator's program and chart, built from a commit. Both are paths.
type Built struct {
	Operator, Chart string
}

// MissingCommitError reports that the history of this checkout lacks a commit.
type MissingCommitError struct {
	Commit string
	// Complete is true if the checkout is a clone with full history, false if it is shallow
	// or git cannot read it.
	Complete bool

	reason string
}

// Error returns the cause and the command that fetches the commit.
func (e *MissingCommitError) Error() string { return "commit " + e.Commit + " is missing: " + e.reason }

// BuildCommit builds the operator of an earlier commit in a folder of the user's cache,
// unless it is there already. It returns a [MissingCommitError] if the history of this
// checkout lacks the commit.
func BuildCommit(ctx context.Context, commit string, progress io.Writer) (Built, error) {
	cache, err := cacheFolder()
	if err != nil {
		return Built{}, err
	}
	dir := filepath.Join(cache, "operator", commit)
	built := Built{Operator: filepath.Join(dir, "trust-manager"), Chart: filepath.Join(dir, "chart")}
	if built.exists() {
		return built, nil
	}
	root, err := Root()
	if err != nil {
		return Built{}, err
	}
	if err := findCommit(ctx, root, commit); err != nil {
		return Built{}, err
	}
	fmt.Fprintf(progress, "building the operator of commit %s (once)\n", commit) //nolint:errcheck // only progress
	if err := buildInto(ctx, root, commit, dir, progress); err != nil && !built.exists() {
		return Built{}, fmt.Errorf("building the operator of commit %s: %w", commit, err)
	}
	return built, nil
}

// cacheFolder returns the folder in which the cluster tool caches its binaries too.
func cacheFolder() (string, error) {
	if dir := os.Getenv("TRUST_MANAGER_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	user, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no folder for built binaries: %w; set TRUST_MANAGER_CACHE to one", err)
	}
	return filepath.Join(user, "trust-manager"), nil
}

func (b Built) exists() bool {
	_, err := os.Stat(b.Operator)
	return err == nil
}

// findCommit returns a [MissingCommitError] if the repository lacks the commit.
func findCommit(ctx context.Context, root, commit string) error {
	missing := &MissingCommitError{Commit: commit}
	shallow, err := git(ctx, root, "rev-parse", "--is-shallow-repository")
	if err != nil {
		missing.reason = err.Error()
		return missing
	}
	if _, err := git(ctx, root, "cat-file", "-e", commit+"^{commit}"); err == nil {
		return nil
	}
	if missing.Complete = shallow != "true"; missing.Complete {
		missing.reason = "it is in no fetched branch: run `git fetch origin " + commit + "`"
	} else {
		missing.reason = "the clone is shallow: run `git fetch --unshallow`"
	}
	return missing
}

func git(ctx context.Context, root string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...)
	var fault bytes.Buffer
	command.Stderr = &fault
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(fault.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// buildInto builds in a temporary folder, which it renames to dir at the end.
func buildInto(ctx context.Context, root, commit, dir string, progress io.Writer) (err error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o750); err != nil {
		return err
	}
	partial, err := os.MkdirTemp(filepath.Dir(dir), "partial-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(partial)) }()
	source, result := filepath.Join(partial, "source"), filepath.Join(partial, "result")
	for _, folder := range []string{source, result} {
		if err := os.Mkdir(folder, 0o750); err != nil {
			return err
		}
	}
	if err := extract(ctx, root, commit, source); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(source, "deploy", "charts", "trust-manager"), filepath.Join(result, "chart")); err != nil {
		return err
	}
	command := exec.CommandContext(ctx, "go", "build", "-C", source, "-buildvcs=false", "-o", filepath.Join(result, "trust-manager"), "./cmd/trust-manager")
	command.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	command.Stdout, command.Stderr = progress, progress
	if err := command.Run(); err != nil {
		return fmt.Errorf("go build: %w; the lines above contain the cause", err)
	}
	// Another process may have built the same folder meanwhile.
	if err := os.Rename(result, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// extract writes the files of a commit to a folder. It leaves the repository unchanged.
func extract(ctx context.Context, root, commit, dir string) error {
	archive := exec.CommandContext(ctx, "git", "-C", root, "archive", "--format=tar", commit, "--",
		"go.mod", "go.sum", "api", "cmd", "internal", "deploy/charts/trust-manager")
	unpack := exec.CommandContext(ctx, "tar", "-x", "-C", dir)
	var fault bytes.Buffer
	archive.Stderr, unpack.Stderr = &fault, &fault
	files, err := archive.StdoutPipe()
	if err != nil {
		return err
	}
	unpack.Stdin = files
	if err := archive.Start(); err != nil {
		return err
	}
	if err := errors.Join(unpack.Run(), archive.Wait()); err != nil {
		return fmt.Errorf("git archive: %w: %s", err, strings.TrimSpace(fault.String()))
	}
	return nil
}
