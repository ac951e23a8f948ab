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
	// leastSize is the number of hanging namespaces of the row "hang" plus as many
	// others.
	leastSize = 64
	// Above quickSize, repetitions take minutes, so there are only a few. Each adds 4
	// GB to the API server's memory, since its watch cache keeps the objects of the
	// last minutes.
	quickSize, fewRepetitions = 500, 2
	// moreOften is the factor by which a latency is measured more often in that case.
	moreOften = 3
	// largestRollout is the maximum number of namespaces for repeated rollouts of
	// large Bundles. With 5,000, the API server needs more than 20 GB.
	largestRollout = 2000
)

// run measures all rows at all sizes and prints the results.
func run(ctx context.Context, o options) error {
	if runtime.GOOS != "linux" {
		return errors.New("the benchmark requires Linux, since it reads CPU time and memory from /proc")
	}
	r := newReport(ctx)
	start := time.Now()
	var err error
	for _, size := range o.sizes {
		if err = errors.Join(runSize(ctx, o, size, r), r.write(o.json)); err != nil {
			err = fmt.Errorf("%d namespaces: %w", size, err)
			break
		}
	}
	fmt.Fprintf(os.Stderr, "total duration: %s\n", time.Since(start).Round(time.Second))
	return errors.Join(err, r.print(os.Stdout))
}

// runSize measures the rows on a new control plane with the given number of
// namespaces. The rows of a group alternate. Results are printed as they become
// available.
func runSize(ctx context.Context, o options, size int, out *report) (err error) {
	repetitions := o.repetitions
	if size > quickSize {
		repetitions = min(repetitions, fewRepetitions)
	}
	groups := chosen(o.rows, size)
	if len(groups) == 0 {
		return errors.New("none of the selected rows is measured at this size")
	}
	s, err := newStage(ctx, size, o.profiles)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	out.describe(s)
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
			out.Results = append(out.Results, results...)
			for _, res := range results {
				fmt.Fprintln(os.Stderr, res.line())
			}
		}
		if err := group.cleanUp(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// take runs one more repetition of a row.
func (l *series) take(ctx context.Context, s *stage, r *row) (err error) {
	if r.most > 0 && len(l.taken) >= r.most {
		return nil
	}
	start := time.Now()
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
	fmt.Fprintf(os.Stderr, "%d namespaces, %s, repetition %d: %s\n", s.size, r.name, len(l.taken), time.Since(start).Round(100*time.Millisecond))
	return nil
}
