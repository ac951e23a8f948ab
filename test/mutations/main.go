package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"trust-manager.io/test/framework/checkout"
)

// folder is the folder of the mutation files in the checkout.
const folder = "test/mutations"

func main() {
	pattern := flag.String("run", "", "run only the mutations whose name matches this regular expression, for example ^S9-")
	list := flag.Bool("list", false, "list the mutations and run none")
	quick := flag.Bool("quick", false, "do not run the tests on the unchanged sources first")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := func() error {
		root, err := checkout.Root()
		if err != nil {
			return err
		}
		mutations, err := load(filepath.Join(root, folder), *pattern)
		if err != nil {
			return err
		}
		if *list {
			printList(os.Stdout, mutations)
			return nil
		}
		return run(ctx, os.Stdout, root, mutations, *quick)
	}()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutations:", err)
		os.Exit(1)
	}
}

// load reads the mutation files of a folder whose names match the pattern, in the order of
// their IDs.
func load(dir, pattern string) ([]mutation, error) {
	matches, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("-run: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"+extension))
	if err != nil {
		return nil, err
	}
	var mutations []mutation
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), extension)
		if !matches.MatchString(name) {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		m, err := parse(name, string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		mutations = append(mutations, m)
	}
	if len(mutations) == 0 {
		return nil, errors.New("no mutation has a matching name; -list prints the names")
	}
	slices.SortFunc(mutations, compare)
	return mutations, nil
}

func printList(w io.Writer, mutations []mutation) {
	for _, m := range mutations {
		fmt.Fprintf(w, "%-*s  %s (%s): %s\n", nameWidth(mutations), m.name, m.change, m.file, m.test)
	}
}

// nameWidth returns the width of the longest name.
func nameWidth(mutations []mutation) (width int) {
	for _, m := range mutations {
		width = max(width, len(m.name))
	}
	return width
}

// run applies each mutation to a copy of the checkout and runs its test. It returns an
// error if a mutation survives or is invalid, if a test fails without a mutation, or if
// mutations are skipped in CI.
func run(ctx context.Context, w io.Writer, root string, mutations []mutation, quick bool) (err error) {
	start := time.Now()
	mutations, skipped := split(mutations, os.Getenv("KUBEBUILDER_ASSETS") != "")
	dir, err := os.MkdirTemp("", "mutations-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := copyCheckout(ctx, root, dir); err != nil {
		return fmt.Errorf("copy the checkout: %w", err)
	}
	r := runner{dir: dir, goTest: goTest}
	if !quick {
		if err := r.checkUnchanged(ctx, w, mutations); err != nil {
			return err
		}
	}
	failed := 0
	for _, m := range mutations {
		began := time.Now()
		verdict, err := r.try(ctx, m)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			verdict = "INVALID: " + err.Error()
		}
		if err != nil || verdict == survived {
			failed++
		}
		fmt.Fprintf(w, "%-4s %-*s  %5.1fs  %s\n", m.id, nameWidth(mutations), m.name, time.Since(began).Seconds(), verdict)
	}
	fmt.Fprintf(w, "%d of %d mutations killed in %s\n", len(mutations)-failed, len(mutations), time.Since(start).Round(time.Second))
	for _, m := range skipped {
		fmt.Fprintf(w, "%-4s %s: SKIPPED, because KUBEBUILDER_ASSETS is not set; run `make mutations`\n", m.id, m.name)
	}
	switch {
	case failed > 0:
		return fmt.Errorf("%d mutations survived or are invalid", failed)
	case len(skipped) > 0 && os.Getenv("CI") == "true":
		return fmt.Errorf("%d mutations were skipped, which CI=true does not allow", len(skipped))
	}
	return nil
}

// split separates the mutations that cannot be tested because there is no API server.
func split(mutations []mutation, hasServer bool) (usable, skipped []mutation) {
	for _, m := range mutations {
		if m.test.needsServer() && !hasServer {
			skipped = append(skipped, m)
		} else {
			usable = append(usable, m)
		}
	}
	return usable, skipped
}
