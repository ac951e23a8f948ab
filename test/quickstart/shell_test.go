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

// shell is one bash, as a user has it open: variables and the working folder last from
// one block of commands to the next.
type shell struct {
	t      *testing.T
	folder string
	input  io.Writer
	// codes are the exit codes of the blocks.
	codes <-chan string
	// scratch is a folder for the blocks and what they print.
	scratch string
	blocks  int
}

// newShell starts a bash in a folder, with what a user's own has in its environment
// and nothing that `make` or another test has put there.
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
		_ = command.Wait() // how the last block ended is known
	})
	return s
}

// run has the shell run a block of commands, and gives what they print. Any that fails
// fails the test, one within a pipe too.
func (s *shell) run(commands string) string {
	s.t.Helper()
	s.blocks++
	began := time.Now()
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
		s.t.Fatalf("this failed:\n%s\nIt printed:\n%s", commands, tail(string(text)))
	}
	first, _, _ := strings.Cut(strings.TrimSpace(commands), "\n")
	s.t.Logf("%6.1f s: %s", time.Since(began).Seconds(), first)
	return string(text)
}

// tail gives the last lines of a text.
func tail(text string) string {
	const most = 60
	lines := strings.SplitAfter(text, "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "")
}
