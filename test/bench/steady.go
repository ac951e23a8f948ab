package main

import (
	"context"
	"fmt"
)

// mostOfMemory is the maximum number of repetitions of the row "memory", which
// has little variance.
const mostOfMemory = 3

const (
	// mostSmall and smallTargets limit the small Bundles of the row "memory" to 10, and to as
	// many as have 5,000 targets. The row "restart" has twice as many.
	mostSmall, smallTargets = 10, 5000
	// residentLimit is the limit of the resident memory, without what each target and each
	// namespace may add.
	residentLimit, targetLimit, namespaceLimit = 60e6, 1500, 1500
)

// smallBundles returns the names of the small Bundles of the row "memory".
func (s *stage) smallBundles() []string { return small(max(1, min(mostSmall, smallTargets/s.size))) }

// restartBundles returns the names of those of the row "restart".
func (s *stage) restartBundles() []string {
	return small(max(1, min(2*mostSmall, 2*smallTargets/s.size)))
}

// memory measures the operator's memory: with one large target per namespace, and
// per additional target of small Bundles.
var memory = &row{
	name:    "memory",
	largest: largestRollout,
	figures: []figure{
		{work: "resident memory, one large target in each namespace", unit: megabytes, limit: residentLimit},
		{work: "live heap for each further target", unit: kilobytes, limit: 1500},
	},
	most: mostOfMemory,
	setUp: func(ctx context.Context, s *stage) error {
		return s.gone(ctx, append(s.smallBundles(), large)...)
	},
	other: func(ctx context.Context, s *stage) ([]measured, error) {
		resident, err := s.measureResident(ctx, large)
		if err != nil {
			return nil, err
		}
		perTarget, err := s.measureHeap(ctx)
		return []measured{resident, perTarget}, err
	},
}

// measureResident measures the resident memory of a new operator after it has
// rolled out Bundles and a change of their source.
func (s *stage) measureResident(ctx context.Context, names ...string) (m measured, err error) {
	if err := s.restartOperator(ctx); err != nil {
		return m, err
	}
	meter, err := s.operator.meter(ctx)
	if err != nil {
		return m, err
	}
	if err := s.inPlace(ctx, names...); err != nil {
		return m, err
	}
	if err := s.quiet(ctx, untilProven); err != nil {
		return m, err
	}
	expected := s.seen.expect(s.targets(names...), changed)
	if err := s.changeSource(ctx, names[0]); err != nil {
		return m, err
	}
	if _, err := expected.wait(ctx); err != nil {
		return m, err
	}
	if err := s.quiet(ctx, untilProven); err != nil {
		return m, err
	}
	if m.value, err = s.operator.resident(); err != nil {
		return m, err
	}
	m.usage, err = meter.read(ctx)
	return m, err
}

// measureHeap measures the growth of the heap when small Bundles that selected no
// namespace select all of them.
func (s *stage) measureHeap(ctx context.Context) (m measured, err error) {
	names := s.smallBundles()
	for _, name := range names {
		if err := s.create(ctx, name, false); err != nil {
			return m, err
		}
	}
	before, err := s.heapWhenQuiet(ctx)
	if err != nil {
		return m, err
	}
	meter, err := s.operator.meter(ctx)
	if err != nil {
		return m, err
	}
	if err := s.inPlace(ctx, names...); err != nil {
		return m, err
	}
	after, err := s.heapWhenQuiet(ctx)
	if err != nil {
		return m, err
	}
	m.value = (after - before) / float64(len(names)*s.size)
	m.usage, err = meter.read(ctx)
	return m, err
}

// heapWhenQuiet returns the live heap once the operator has verified its writes
// for the last time: until then, its queue contains each of them.
func (s *stage) heapWhenQuiet(ctx context.Context) (float64, error) {
	if err := s.quiet(ctx, untilTrusted); err != nil {
		return 0, err
	}
	return s.operator.liveHeap(ctx)
}

// restart measures a start with all targets in place: the time until the operator
// is ready, and the number of writes until it has checked every target.
var restart = &row{
	name:     "restart",
	smallest: quickSize, // fewer namespaces would need too many Bundles
	figures: []figure{
		{work: "restart with 10,000 targets in place: ready", unit: seconds, limit: 5},
		{work: "restart with 10,000 targets in place: writes", unit: count, limit: 0},
	},
	setUp: func(ctx context.Context, s *stage) error {
		if err := s.inPlace(ctx, s.restartBundles()...); err != nil {
			return err
		}
		return s.quiet(ctx, untilProven)
	},
	other: func(ctx context.Context, s *stage) ([]measured, error) {
		_, before := s.seen.activity()
		if err := s.restartOperator(ctx); err != nil {
			return nil, err
		}
		ready := s.operator.ready.Sub(s.operator.started).Seconds()
		if err := s.quiet(ctx, untilProven); err != nil {
			return nil, err
		}
		// All counters of the new process started at 0.
		used, err := (&meter{operator: s.operator}).read(ctx)
		if err != nil {
			return nil, err
		}
		if _, now := s.seen.activity(); now != before {
			return nil, fmt.Errorf("%d changes of targets were seen after a restart", now-before)
		}
		return []measured{{value: ready, usage: used}, {value: used.Writes, usage: used}}, nil
	},
}
