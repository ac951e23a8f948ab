// Command bench measures the figures in docs/performance.md: the duration of the
// operator's work compared with the raw limit. The raw limit is the time of a
// client that only sends the cheapest correct writes of the same bytes, 16 in
// parallel, to the same API server in the same run with the same account.
//
// Each size gets a new control plane. The raw client and the operator alternate,
// so that other load on the machine affects both. An observer that watches the
// metadata of all targets determines when work is complete, not the operator.
// CPU, memory and bytes are measured by the operating system.
//
// A row (rows.go) is a value that describes the setup, the work, and when it is
// complete. The command prints one table and compares it with the bounds.
// Absolute figures depend on the machine: compare ratios.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// options are the values of the flags.
type options struct {
	rows        map[string]bool // nil means all
	sizes       []int
	repetitions int
	json        string
	profiles    string
}

func main() {
	rows := flag.String("rows", "", "comma-separated names of the rows to measure, all if empty: "+strings.Join(rowNames(), ", "))
	sizes := flag.String("sizes", "100,500,2000", "comma-separated numbers of namespaces, in ascending order")
	repetitions := flag.Int("reps", 5, fmt.Sprintf("number of measurements of each row, of which the median is printed; at most %[2]d above %[1]d namespaces", quickSize, fewRepetitions))
	file := flag.String("json", "", "write all figures to this file")
	profiles := flag.String("profile", "", "write CPU and heap profiles of the operator to this directory")
	page := flag.String("tables", "", "only write the tables of this Markdown file from the JSON files that it names")
	compared := flag.Bool("compare", false, "only compare two files written with -json: OLD NEW")
	flag.Parse()
	log.SetLogger(logr.Discard()) // of the client
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := func() error {
		if *page != "" {
			return writeTables(*page)
		}
		if *compared {
			return compareFiles(os.Stdout, flag.Args())
		}
		o, err := parseOptions(*rows, *sizes, *repetitions)
		if err != nil {
			return err
		}
		o.json, o.profiles = *file, *profiles
		return run(ctx, o)
	}()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// parseOptions parses the flags that are lists.
func parseOptions(rows, sizes string, repetitions int) (o options, err error) {
	if repetitions < 1 {
		return o, errors.New("-reps: must be at least 1")
	}
	o.repetitions = repetitions
	for name := range strings.FieldsFuncSeq(rows, isSeparator) {
		if o.rows == nil {
			o.rows = map[string]bool{}
		}
		if !isRow(name) {
			return o, fmt.Errorf("-rows: unknown row %q; known rows: %s", name, strings.Join(rowNames(), ", "))
		}
		o.rows[name] = true
	}
	for text := range strings.FieldsFuncSeq(sizes, isSeparator) {
		size, err := strconv.Atoi(text)
		if err != nil || size < leastSize {
			return o, fmt.Errorf("-sizes: %q is not a number of at least %d", text, leastSize)
		}
		if len(o.sizes) > 0 && size <= o.sizes[len(o.sizes)-1] {
			return o, fmt.Errorf("-sizes: %d is not larger than the previous size", size)
		}
		o.sizes = append(o.sizes, size)
	}
	if len(o.sizes) == 0 {
		return o, errors.New("-sizes: must not be empty")
	}
	return o, nil
}

func isSeparator(r rune) bool { return r == ',' || r == ' ' }
