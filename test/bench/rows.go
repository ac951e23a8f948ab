package main

import (
	"context"
	"slices"
)

// group is a list of rows that alternate, since each needs the state that the
// previous one leaves.
type group []*row

// groups are all rows in the order of measurement. Their bounds apply to 500
// namespaces.
var groups = []group{
	{newBundle, sourceChange, tampered, deleted, refused, deselection},
	{distrusted},
	{hanging},
	{storesRow},
	{memory},
	{restart},
	{trustBundleChange},
	{newNamespace},
}

var newBundle = &row{
	name:    "new",
	largest: largestRollout,
	figures: []figure{{work: "a new Bundle: all targets made", unit: seconds, raw: "POST", ratio: 1.3, growth: linear}},
	setUp: func(ctx context.Context, s *stage) error {
		if err := s.raw.ensure(ctx, s.namespaces, false); err != nil {
			return err
		}
		return s.gone(ctx, large)
	},
	raw:      rawOnce(func(s *stage) rawWrite { return rawWrite{s.namespaces, s.raw.post} }),
	act:      func(ctx context.Context, s *stage, _ int) error { return s.create(ctx, large, true) },
	doneWhen: seeAll(large, present),
}

var sourceChange = &row{
	name:     "change",
	largest:  largestRollout,
	figures:  []figure{{work: "a source changes: all targets replaced", unit: seconds, raw: "PUT", ratio: 1.3, growth: linear}},
	setUp:    largeInPlace,
	raw:      rawOnce(func(s *stage) rawWrite { return rawWrite{s.namespaces, s.raw.put} }),
	act:      func(ctx context.Context, s *stage, _ int) error { return s.changeSource(ctx, large) },
	doneWhen: seeAll(large, changed),
}

var deselection = &row{
	name:    "deselect",
	largest: largestRollout,
	figures: []figure{{work: "the selector deselects all: all targets deleted", unit: seconds, raw: "DELETE", ratio: 1.3, growth: linear}},
	setUp:   largeInPlace,
	raw:     rawOnce(func(s *stage) rawWrite { return rawWrite{s.namespaces, s.raw.remove} }),
	act: func(ctx context.Context, s *stage, _ int) error {
		_, err := s.selecting(ctx, large, false)
		return err
	},
	doneWhen: seeAll(large, absent),
}

// The API server would need 15 GB for twice 585 KB in each of 2,000 namespaces
// and the previous versions in its watch cache.
var storesRow = &row{
	name:    withStores,
	largest: quickSize,
	figures: []figure{{work: "a new Bundle with JKS and PKCS#12 Modern2023", unit: seconds, raw: "POST", ratio: 1.3, extra: "encoding", growth: linear}},
	setUp: func(ctx context.Context, s *stage) error {
		if err := s.raw.ensure(ctx, s.namespaces, false); err != nil {
			return err
		}
		return s.gone(ctx, withStores)
	},
	raw: func(ctx context.Context, s *stage, _ int) ([]float64, error) {
		files, _, err := encodeStores(s.roots + s.sources[0])
		if err != nil {
			return nil, err
		}
		s.raw.content.BinaryData = files
		defer func() { s.raw.content.BinaryData = nil }()
		took, err := timed(ctx, s.namespaces, s.raw.post)
		return []float64{took}, err
	},
	act:      func(ctx context.Context, s *stage, _ int) error { return s.create(ctx, withStores, true) },
	doneWhen: seeAll(withStores, present),
	extra: func(s *stage) (float64, error) {
		_, took, err := encodeStores(s.roots + s.sources[0])
		return took, err
	},
	tearDown: func(ctx context.Context, s *stage) error { return s.raw.ensure(ctx, s.namespaces, false) },
}

// largeInPlace ensures that the large Bundle and the raw client's objects exist.
func largeInPlace(ctx context.Context, s *stage) error {
	if err := s.raw.ensure(ctx, s.namespaces, true); err != nil {
		return err
	}
	return s.inPlace(ctx, large)
}

// rawWrite is a write of the raw client and the namespaces to run it in.
type rawWrite struct {
	namespaces []string
	do         func(context.Context, string) error
}

// rawOnce returns a function that runs a raw write once per namespace.
func rawOnce(what func(*stage) rawWrite) func(context.Context, *stage, int) ([]float64, error) {
	return func(ctx context.Context, s *stage, _ int) ([]float64, error) {
		w := what(s)
		took, err := timed(ctx, w.namespaces, w.do)
		return []float64{took}, err
	}
}

// seeAll expects the same state of all targets of a Bundle.
func seeAll(name string, what func(sighting) func(sighting) bool) func(*stage, int) []*expectation {
	return func(s *stage, _ int) []*expectation {
		return []*expectation{s.seen.expect(s.targets(name), what)}
	}
}

// cleanUp removes what the next group must not find.
func (g group) cleanUp(ctx context.Context, s *stage) error {
	if err := s.raw.ensure(ctx, s.namespaces, false); err != nil {
		return err
	}
	if slices.Contains(g, newNamespace) {
		return nil // it is the last group, and deleting its objects would take long
	}
	return s.gone(ctx, large, withStores, alone)
}

// rowNames returns the names of all rows.
func rowNames() []string {
	var names []string
	for _, r := range slices.Concat(groups...) {
		names = append(names, r.name)
	}
	return names
}

func isRow(name string) bool { return slices.Contains(rowNames(), name) }

// chosen returns the groups with only the rows to measure at a size.
func chosen(names map[string]bool, size int) []group {
	var list []group
	for _, g := range groups {
		some := slices.DeleteFunc(slices.Clone(g), func(r *row) bool {
			return names != nil && !names[r.name] || r.largest > 0 && size > r.largest
		})
		if len(some) > 0 {
			list = append(list, some)
		}
	}
	return list
}
