package main

import (
	"context"
	"fmt"
	"time"
)

// row is one piece of work that is measured: how to set it up, what is done, and
// when that is over.
type row struct {
	name string
	// figures are what it gives, each a line of the table.
	figures []figure
	// most, if not 0, is how often it is measured at most, where it is costly and
	// its figures hardly scatter.
	most int
	// largest, if not 0, is the largest number of namespaces that it is measured at.
	largest int
	// times is how often it is done in a repetition, whose value is the median
	// then: the p50 of a latency. 0 stands for once.
	times int
	// calm is how long nothing may have happened before; 0 stands for untilProven.
	calm time.Duration

	setUp func(context.Context, *stage) error
	// raw does the same work as the raw client does, and gives its time in seconds
	// for each figure; nil where there is no such thing.
	raw func(context.Context, *stage, int) ([]float64, error)
	act func(context.Context, *stage, int) error
	// rawFirst says that the act leaves something that would slow the raw client
	// down.
	rawFirst bool
	// doneWhen says, before the act, what there is to see when it is over, for
	// each figure.
	doneWhen func(*stage, int) []*expectation
	// extra is what the work takes that the raw client does not do, in seconds;
	// nil for none.
	extra    func(*stage) (float64, error)
	tearDown func(context.Context, *stage) error

	// other measures what is no time until something is seen, in place of raw, act
	// and doneWhen.
	other func(context.Context, *stage) ([]measured, error)
}

// measured is what one repetition gives for one figure, in its unit.
type measured struct {
	value, raw, extra float64
	usage             usage
}

// measured does the work as often as a repetition has it.
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

// often gives how often the work is done in a repetition. Where there are few
// repetitions, a latency is taken more often in each, so that its median is of as
// many times.
func (r *row) often(size int) int {
	if size > quickSize {
		return max(1, r.times*moreOften)
	}
	return max(1, r.times)
}

// once lets the raw client and the operator do the work. They take turns in who is
// first: the second one finds the API server and etcd with more to tidy up.
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

// onceRaw lets the raw client do the work, and gives its time for each figure.
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

// onceActed lets the operator do the work, and gives its time for each figure.
func (r *row) onceActed(ctx context.Context, s *stage, i int) (took []float64, used usage, err error) {
	if err := s.quiet(ctx, r.calmBefore()); err != nil {
		return nil, used, err
	}
	expected := r.doneWhen(s, i)
	meter, err := s.operator.meter(ctx)
	if err != nil {
		return nil, used, err
	}
	began := time.Now()
	if err := r.act(ctx, s, i); err != nil {
		return nil, used, err
	}
	for _, e := range expected {
		last, err := e.wait(ctx)
		if err != nil {
			return nil, used, err
		}
		took = append(took, last.Sub(began).Seconds())
	}
	used, err = meter.read(ctx)
	return took, used, err
}

// calmBefore is how long nothing may have happened before the work.
func (r *row) calmBefore() time.Duration {
	if r.calm == 0 {
		return untilProven
	}
	return r.calm
}
