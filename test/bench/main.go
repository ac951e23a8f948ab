// Command bench measures what docs/performance.md promises: how long the
// operator's work takes, next to the raw limit, which is a client that does
// nothing but send the cheapest correct writes of the same bytes, 16 at a time,
// to the same API server in the same run, under the same account.
//
// What always holds: each size has a fresh control plane of its own; raw client
// and operator take turns, so that whatever else the machine does meets both; an
// observer that watches the metadata of all targets says when work is done, not
// the operator; CPU, memory and bytes are what the operating system counts.
//
// A row (rows.go) is a value: how to set it up, what is done, and when that is
// over. The command prints one table, and judges it by the bounds. Absolute
// figures move with the machine: compare ratios.
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
	rows        map[string]bool // nil stands for all
	sizes       []int
	repetitions int
	json        string
	profiles    string
}

func main() {
	rows := flag.String("rows", "", "names of the rows to measure, separated by commas: "+strings.Join(rowNames(), ", ")+"; without it: all")
	sizes := flag.String("sizes", "100,500,2000", "numbers of namespaces, separated by commas, in rising order")
	repetitions := flag.Int("reps", 5, fmt.Sprintf("how often each row is measured; the median is shown. Above %d namespaces it is at most %d", quickSize, fewRepetitions))
	file := flag.String("json", "", "file to write all figures to")
	profiles := flag.String("profile", "", "folder for profiles of the operator: processor time, and live memory at the end")
	compared := flag.Bool("compare", false, "measure nothing, but compare two files that were written by -json: OLD NEW")
	flag.Parse()
	log.SetLogger(logr.Discard()) // the client's
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := func() error {
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

// parseOptions reads the flags that are lists.
func parseOptions(rows, sizes string, repetitions int) (o options, err error) {
	if repetitions < 1 {
		return o, errors.New("-reps: at least 1 is needed")
	}
	o.repetitions = repetitions
	for name := range strings.FieldsFuncSeq(rows, isSeparator) {
		if o.rows == nil {
			o.rows = map[string]bool{}
		}
		if !isRow(name) {
			return o, fmt.Errorf("-rows: there is no row %q; there are %s", name, strings.Join(rowNames(), ", "))
		}
		o.rows[name] = true
	}
	for text := range strings.FieldsFuncSeq(sizes, isSeparator) {
		size, err := strconv.Atoi(text)
		if err != nil || size < leastSize {
			return o, fmt.Errorf("-sizes: %q is not a number of at least %d", text, leastSize)
		}
		if len(o.sizes) > 0 && size <= o.sizes[len(o.sizes)-1] {
			return o, fmt.Errorf("-sizes: %d is not larger than the one before", size)
		}
		o.sizes = append(o.sizes, size)
	}
	if len(o.sizes) == 0 {
		return o, errors.New("-sizes: none is given")
	}
	return o, nil
}

func isSeparator(r rune) bool { return r == ',' || r == ' ' }
