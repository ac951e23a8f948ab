// Command bench measures how long a roll-out takes, next to the raw limit: a
// client that does nothing but send the cheapest correct write of the same
// bytes, 16 at a time, to the same API server in the same run.
//
// It starts a control plane of its own and the operator under its own service
// account, prints one table, and leaves nothing behind. It judges nothing:
// absolute figures move with the machine, so compare ratios.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"text/tabwriter"
	"time"

	"trust-manager.io/test/integration/rig"
)

func main() {
	namespaces := flag.Int("namespaces", 500, "how many namespaces get the bundle")
	repeat := flag.Int("repeat", 3, "how often each row is measured; the median is shown")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *namespaces, *repeat)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// row is one line of the table: the times of the operator and of the raw
// client, one of each for every repetition.
type row struct {
	work     string
	operator []time.Duration
	rawVerb  string
	raw      []time.Duration
}

func run(ctx context.Context, namespaces, repeat int) error {
	r, err := rig.Start(ctx, os.Stderr)
	if err != nil {
		return err
	}
	defer func() { _ = r.Stop() }()
	dir, err := os.MkdirTemp("", "trust-manager-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b, err := newBench(ctx, r, dir, namespaces)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%d namespaces, a bundle of %d certificates in %d bytes, %d repetitions\n",
		namespaces, b.certificates, len(b.bundle), repeat)
	create, replace := row{work: "a new Bundle", rawVerb: "POST"}, row{work: "a source changes", rawVerb: "PUT"}
	for range repeat {
		if err := b.rawWrites(ctx, &create, &replace); err != nil {
			return err
		}
		if err := b.rollOuts(ctx, &create, &replace); err != nil {
			return err
		}
	}
	return print(os.Stdout, namespaces, create, replace)
}

// print writes the table.
func print(out *os.File, namespaces int, rows ...row) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "work\tnamespaces\toperator\traw limit\tratio\twrites/s")
	for _, r := range rows {
		operator, raw := median(r.operator), median(r.raw)
		_, _ = fmt.Fprintf(table, "%s\t%d\t%.2f s\t%.2f s (%s)\t%.2f\t%.0f\n", r.work, namespaces,
			operator.Seconds(), raw.Seconds(), r.rawVerb, operator.Seconds()/raw.Seconds(), float64(namespaces)/operator.Seconds())
	}
	return table.Flush()
}

func median(times []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[len(sorted)/2]
}
