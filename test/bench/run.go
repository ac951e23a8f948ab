package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
)

const (
	// leastSize has the hanging namespaces of the row "hang" and as many others.
	leastSize = 64
	// Above quickSize, where repetitions take minutes, there are only a few; and the
	// API server takes 4 GB more with each, since its watch cache keeps what was
	// there in the last minutes.
	quickSize, fewRepetitions = 500, 2
	// moreOften is how many times as often a latency is taken then.
	moreOften = 3
	// largestRollOut is the largest number of namespaces to which large Bundles are
	// rolled out again and again: with 5,000, the API server needs more than 20 GB.
	largestRollOut = 2000
)

// run measures all rows at all sizes and shows what was found.
func run(ctx context.Context, o options) error {
	if runtime.GOOS != "linux" {
		return errors.New("it counts processor time and memory by /proc, and so runs on Linux only")
	}
	found := newReport(ctx)
	began := time.Now()
	for _, size := range o.sizes {
		if err := runSize(ctx, o, size, found); err != nil {
			return fmt.Errorf("%d namespaces: %w", size, err)
		}
	}
	fmt.Fprintf(os.Stderr, "all of it took %s\n", time.Since(began).Round(time.Second))
	if o.json != "" {
		if err := found.write(o.json); err != nil {
			return err
		}
	}
	return found.print(os.Stdout)
}

// runSize measures the rows on a fresh control plane with so many namespaces. The
// rows of a group take turns; what was found so far is printed as it comes.
func runSize(ctx context.Context, o options, size int, found *report) (err error) {
	repetitions := o.repetitions
	if size > quickSize {
		repetitions = min(repetitions, fewRepetitions)
	}
	groups := chosen(o.rows, size)
	if len(groups) == 0 {
		return errors.New("no row is chosen that is measured at this size")
	}
	s, err := newStage(ctx, size, o.profiles)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	found.describe(s)
	for _, group := range groups {
		all := make([]series, len(group))
		for range repetitions {
			for i, r := range group {
				if err := all[i].take(ctx, s, r); err != nil {
					return fmt.Errorf("row %q: %w", r.name, err)
				}
			}
		}
		for i, r := range group {
			results := all[i].results(r, size)
			found.Results = append(found.Results, results...)
			for _, one := range results {
				fmt.Fprintln(os.Stderr, one.line())
			}
		}
		if err := group.cleanUp(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// take measures a row once more.
func (l *series) take(ctx context.Context, s *stage, r *row) (err error) {
	if r.most > 0 && len(l.taken) >= r.most {
		return nil
	}
	began := time.Now()
	if r.setUp != nil {
		if err := r.setUp(ctx, s); err != nil {
			return fmt.Errorf("setting up: %w", err)
		}
	}
	measured, err := r.measured(ctx, s)
	if r.tearDown != nil {
		err = errors.Join(err, r.tearDown(ctx, s))
	}
	if err != nil {
		return errors.Join(err, errors.New(s.operator.tail()))
	}
	l.taken = append(l.taken, measured)
	fmt.Fprintf(os.Stderr, "%d namespaces, %s, repetition %d: %s\n", s.size, r.name, len(l.taken), time.Since(began).Round(100*time.Millisecond))
	return nil
}
