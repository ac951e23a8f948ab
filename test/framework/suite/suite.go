package suite

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trust-manager.io/test/framework/checkout"
)

// Requirement returns what is missing, or "" if the requirement is met.
type Requirement func() string

// Assets requires the binaries of a control plane, in the folder KUBEBUILDER_ASSETS.
func Assets() string { return variable("KUBEBUILDER_ASSETS") }

// Built requires a program in bin/ of the checkout.
func Built(program string) Requirement {
	return func() string {
		root, err := checkout.Root()
		if err != nil {
			return err.Error()
		}
		if _, err := os.Stat(filepath.Join(root, "bin", program)); err != nil {
			return "bin/" + program + " is missing"
		}
		return ""
	}
}

// Requested requires an environment variable that only the make target of the suite sets.
func Requested(name string) Requirement { return func() string { return variable(name) } }

// Require returns if all requirements of a suite are met. Otherwise it prints one line that
// names what is missing and the make target that provides it, and exits the process: with
// status 1 in CI, and with 0 elsewhere. TestMain calls it first.
func Require(name, target string, requirements ...Requirement) {
	missing := report(target, requirements)
	switch {
	case missing == "":
		return
	case inCI():
		fmt.Printf("FAIL: %s: %s\n", name, missing)
		os.Exit(1)
	}
	fmt.Printf("SKIP: %s: %s\n", name, missing)
	// go test hides the output of packages that pass, unless it has the flag -v. From this
	// line, which package testing prints too, it adds [no tests to run] to the result.
	fmt.Println("testing: warning: no tests to run")
	os.Exit(0)
}

// RequireFor skips a test unless all its requirements are met. In CI it fails the test.
func RequireFor(t testing.TB, target string, requirements ...Requirement) {
	t.Helper()
	missing := report(target, requirements)
	switch {
	case missing == "":
	case inCI():
		t.Fatal(missing)
	default:
		t.Skip(missing)
	}
}

// report lists what is missing, and names the target that provides it.
func report(target string, requirements []Requirement) string {
	var missing []string
	for _, requirement := range requirements {
		if text := requirement(); text != "" {
			missing = append(missing, text)
		}
	}
	if len(missing) == 0 {
		return ""
	}
	return strings.Join(missing, ", ") + "; run `make " + target + "`"
}

func variable(name string) string {
	if os.Getenv(name) == "" {
		return name + " is not set"
	}
	return ""
}

func inCI() bool { return os.Getenv("CI") == "true" }
