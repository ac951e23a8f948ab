// Command apicompat reports the changes of the API that break its users, between two checkouts.
//
//	apicompat [--accepted FILE] OLD NEW
//
// It compares the Go module in api/ by golang.org/x/exp/apidiff, and the CustomResourceDefinitions
// in deploy/crds by the rules in schema.go: an object that the old definition accepts, and a
// client that uses it, must work with the new one. Each line of FILE is a change that has been
// reviewed and is intended; empty lines and lines that begin with # are ignored.
//
// The status is 1 if there is any other incompatible change.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "apicompat:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("apicompat", flag.ContinueOnError)
	list := flags.String("accepted", "", "list of changes that are intended")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 2 {
		return errors.New("want two arguments: the old and the new checkout")
	}
	accepted, err := readAccepted(*list)
	if err != nil {
		return err
	}
	changes, err := compareCheckouts(flags.Arg(0), flags.Arg(1))
	if err != nil {
		return err
	}
	return report(out, changes, accepted)
}

// compareCheckouts returns all incompatible changes.
func compareCheckouts(before, after string) ([]string, error) {
	changes, err := compareModules(filepath.Join(before, "api"), filepath.Join(after, "api"))
	if err != nil {
		return nil, err
	}
	old, err := readDefinitions(filepath.Join(before, "deploy", "crds"))
	if err != nil {
		return nil, err
	}
	updated, err := readDefinitions(filepath.Join(after, "deploy", "crds"))
	if err != nil {
		return nil, err
	}
	return append(changes, compareDefinitions(old, updated)...), nil
}

// readAccepted reads the list of accepted changes. It is empty if path is empty.
func readAccepted(path string) (map[string]bool, error) {
	accepted := map[string]bool{}
	if path == "" {
		return accepted, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // only read
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" && !strings.HasPrefix(line, "#") {
			accepted[line] = true
		}
	}
	return accepted, lines.Err()
}

// report prints all changes and returns an error if any of them is not accepted.
func report(out io.Writer, changes []string, accepted map[string]bool) error {
	refused := 0
	for _, change := range changes {
		status := "incompatible"
		if accepted[change] {
			status = "accepted"
		} else {
			refused++
		}
		if _, err := fmt.Fprintf(out, "%s: %s\n", status, change); err != nil {
			return err
		}
	}
	if refused > 0 {
		return fmt.Errorf("%d changes may break users: undo them or, after a review, add them to the list of accepted changes", refused)
	}
	if len(changes) == 0 {
		_, err := fmt.Fprintln(out, "no incompatible change")
		return err
	}
	_, err := fmt.Fprintf(out, "no incompatible change, except for the %d above\n", len(changes))
	return err
}
