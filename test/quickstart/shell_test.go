package quickstart

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// shell is an interactive-style bash session: variables and the working directory
// persist between blocks of commands.
type shell struct {
	t      *testing.T
	folder string
	input  io.Writer
	// codes are the exit codes of the blocks.
	codes <-chan string
	// scratch is a directory for the blocks and their output.
	scratch string
	blocks  int
}

// newShell starts bash in a directory with the user's environment, without the
// variables that `make` or other tests set.
func newShell(t *testing.T, folder string) *shell {
	t.Helper()
	s := &shell{t: t, folder: folder, scratch: t.TempDir()}
	command := exec.Command("bash", "--norc")
	command.Dir = folder
	helm := t.TempDir()
	command.Env = []string{"HELM_CONFIG_HOME=" + helm, "HELM_CACHE_HOME=" + helm, "HELM_DATA_HOME=" + helm}
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		switch name {
		case "KUBECONFIG", "KUBEBUILDER_ASSETS", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES", "SUITES", "VERSION", "TAG":
		default:
			command.Env = append(command.Env, variable)
		}
	}
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	codes := make(chan string)
	go func() {
		defer close(codes)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			codes <- lines.Text()
		}
	}()
	s.input, s.codes = input, codes
	t.Cleanup(func() {
		_ = input.Close()
		_ = command.Wait() // the result of the last block is known
	})
	return s
}

// run runs a block of commands and returns their output. A failing command, also
// within a pipe, fails the test.
func (s *shell) run(commands string) string {
	s.t.Helper()
	s.blocks++
	start := time.Now()
	block := filepath.Join(s.scratch, fmt.Sprintf("block-%d", s.blocks))
	printed := block + ".out"
	if err := os.WriteFile(block, []byte("trap 'failed=1' ERR; set -o pipefail; failed=0\n"+commands), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(s.input, "source %s </dev/null >%s 2>&1; echo $failed\n", block, printed); err != nil {
		s.t.Fatal(err)
	}
	code, ok := <-s.codes
	text, err := os.ReadFile(printed)
	if err != nil {
		s.t.Fatal(err)
	}
	if !ok || code != "0" {
		s.t.Fatalf("these commands failed:\n%s\nOutput:\n%s", commands, tail(string(text)))
	}
	first, _, _ := strings.Cut(strings.TrimSpace(commands), "\n")
	s.t.Logf("%6.1f s: %s", time.Since(start).Seconds(), first)
	return string(text)
}

// tail returns the last lines of a text.
func tail(text string) string {
	const most = 60
	lines := strings.SplitAfter(text, "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "")
}
