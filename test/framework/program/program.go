// Package program runs programs in tests that read or write files in formats of their own, such
// as keytool and openssl.
package program

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Run runs a program, answers any prompt with an empty line, and returns what it writes to standard
// output and standard error. If the program is not installed, Run skips the test, or fails it in
// CI, where no test must be missing.
func Run(tb testing.TB, name string, arguments ...string) ([]byte, error) {
	tb.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			tb.Fatalf("%s is not installed; CI must not go without this test", name)
		}
		tb.Skipf("SKIPPED: %s is not installed, so the files are compared with Go only", name)
	}
	command := exec.CommandContext(tb.Context(), path, arguments...)
	command.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	command.Stdin = strings.NewReader("\n")
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	err = command.Run()
	return output.Bytes(), err
}
