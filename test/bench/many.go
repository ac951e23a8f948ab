package main

import (
	"context"
	"fmt"
	"time"
)

const (
	// manyCount is the number of small Bundles that change at once.
	manyCount = 50
	// mostOfMany is the maximum number of repetitions: each writes 50,000 objects.
	mostOfMany = 2
)

// manyBundles returns the names of the Bundles that change at once.
func manyBundles() []string {
	names := make([]string, manyCount)
	for i := range names {
		names[i] = fmt.Sprintf("%s%02d", manyPrefix, i)
	}
	return names
}

// manyChange measures the rollout of many Bundles that share a source.
var manyChange = &row{
	name:    "many",
	largest: quickSize,
	most:    mostOfMany,
	figures: []figure{{work: "a source of 50 Bundles changes: all targets replaced, 3 certificates", unit: seconds, raw: "PUT", ratio: 1.3, growth: linear}},
	setUp: func(ctx context.Context, s *stage) error {
		for _, raw := range s.rawMany {
			if err := raw.ensure(ctx, s.namespaces, true); err != nil {
				return err
			}
		}
		return s.inPlace(ctx, manyBundles()...)
	},
	raw: func(ctx context.Context, s *stage, _ int) ([]float64, error) {
		start := time.Now()
		err := each(manyCount*s.size, func(i int) error {
			return s.rawMany[i/s.size].put(ctx, s.namespaces[i%s.size])
		})
		return []float64{time.Since(start).Seconds()}, err
	},
	act: func(ctx context.Context, s *stage, _ int) error { return s.changeSource(ctx, manyPrefix) },
	doneWhen: func(s *stage, _ int) []*expectation {
		return []*expectation{s.seen.expect(s.targets(manyBundles()...), changed)}
	},
}

// manyMemory measures the resident memory with their targets, of an operator that starts when
// they are in place.
var manyMemory = &row{
	name:    "many-memory",
	largest: quickSize,
	most:    1,
	figures: []figure{{
		work: "resident memory, 50 Bundles of 3 certificates", unit: megabytes,
		limit: residentLimit, perNamespace: manyCount*targetLimit + namespaceLimit,
	}},
	setUp: func(ctx context.Context, s *stage) error { return s.inPlace(ctx, manyBundles()...) },
	other: func(ctx context.Context, s *stage) ([]measured, error) {
		m, err := s.measureResident(ctx, manyBundles()...)
		return []measured{m}, err
	},
}
