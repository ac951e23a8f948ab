package main

import (
	"context"
	"fmt"
	"time"
)

// row is a piece of work to measure: its setup, the work itself, and when it is
// complete.
type row struct {
	name string
	// figures are its results, each a line of the table.
	figures []figure
	// most is the maximum number of repetitions, or 0 for no limit. It limits rows
	// that are costly and have little variance.
	most int
	// largest is the maximum number of namespaces, or 0 for no limit, and smallest the minimum.
	largest, smallest int
	// times is the number of measurements per repetition, whose value is their
	// median: the p50 of a latency. 0 means one.
	times int
	// calm is the required duration without writes before the work. 0 means
	// untilProven.
	calm time.Duration

	setUp func(context.Context, *stage) error
	// raw does the same work with the raw client and returns its time in seconds for
	// each figure. It is nil if there is no equivalent.
	raw func(context.Context, *stage, int) ([]float64, error)
	act func(context.Context, *stage, int) error
	// rawFirst reports whether the act has an aftereffect that would slow down the
	// raw client.
	rawFirst bool
	// doneWhen is called before the act and returns, for each figure, the state that
	// completes the work.
	doneWhen func(*stage, int) []*expectation
	// extra returns the time in seconds of work that the raw client does not do. It
	// may be nil.
	extra    func(*stage) (float64, error)
	tearDown func(context.Context, *stage) error

	// other replaces raw, act and doneWhen for figures that are not a duration until
	// an observation.
	other func(context.Context, *stage) ([]measured, error)
}

// measured is the value of one figure in one repetition, in its unit.
type measured struct {
	value, raw, extra float64
	usage             usage
}

// measured runs one repetition of the work.
func (r *row) measured(ctx context.Context, s *stage) ([]measured, error) {
	if r.other != nil {
		return r.other(ctx, s)
	}
	times := r.often(s.size)
	values, raws := make([][]float64, len(r.figures)), make([][]float64, len(r.figures))
	var spent usage
	for i := range times {
		took, raw, used, err := r.once(ctx, s, i)
		if err != nil {
			return nil, err
		}
		for j := range r.figures {
			values[j] = append(values[j], took[j])
			raws[j] = append(raws[j], raw[j])
		}
		spent = spent.plus(used)
	}
	var extra float64
	if r.extra != nil {
		var err error
		if extra, err = r.extra(s); err != nil {
			return nil, err
		}
	}
	all := make([]measured, len(r.figures))
	for j := range all {
		all[j] = measured{median(values[j]), median(raws[j]), extra, spent.per(times)}
	}
	return all, nil
}

// often returns the number of measurements per repetition. With few repetitions
// it is higher, so that the median of a latency has as many samples.
func (r *row) often(size int) int {
	if size > quickSize {
		return max(1, r.times*moreOften)
	}
	return max(1, r.times)
}

// once runs the work with the raw client and with the operator. The order
// alternates, since the API server and etcd have more to clean up for the second
// one.
func (r *row) once(ctx context.Context, s *stage, i int) (took, raw []float64, used usage, err error) {
	s.turns++
	if s.turns%2 == 0 && !r.rawFirst {
		if took, used, err = r.onceActed(ctx, s, i); err == nil {
			raw, err = r.onceRaw(ctx, s, i)
		}
		return took, raw, used, err
	}
	if raw, err = r.onceRaw(ctx, s, i); err == nil {
		took, used, err = r.onceActed(ctx, s, i)
	}
	return took, raw, used, err
}

// onceRaw runs the work with the raw client and returns its time for each figure.
func (r *row) onceRaw(ctx context.Context, s *stage, i int) ([]float64, error) {
	if r.raw == nil {
		return make([]float64, len(r.figures)), nil
	}
	if err := s.quiet(ctx, r.calmBefore()); err != nil {
		return nil, err
	}
	raw, err := r.raw(ctx, s, i)
	if err != nil {
		return nil, fmt.Errorf("the raw client: %w", err)
	}
	return raw, nil
}

// onceActed runs the work with the operator and returns its time for each figure.
func (r *row) onceActed(ctx context.Context, s *stage, i int) (took []float64, used usage, err error) {
	if err := s.quiet(ctx, r.calmBefore()); err != nil {
		return nil, used, err
	}
	expected := r.doneWhen(s, i)
	meter, err := s.operator.meter(ctx)
	if err != nil {
		return nil, used, err
	}
	start := time.Now()
	if err := r.act(ctx, s, i); err != nil {
		return nil, used, err
	}
	for _, e := range expected {
		last, err := e.wait(ctx)
		if err != nil {
			return nil, used, err
		}
		took = append(took, last.Sub(start).Seconds())
	}
	used, err = meter.read(ctx)
	return took, used, err
}

// calmBefore returns the required duration without writes before the work.
func (r *row) calmBefore() time.Duration {
	if r.calm == 0 {
		return untilProven
	}
	return r.calm
}
