package main

import (
	"context"
	"slices"
)

// group are rows that take turns, since one leaves behind what the next begins
// with.
type group []*row

// groups are all rows, in the order in which they are measured. Their bounds are
// promises for 500 namespaces.
var groups = []group{
	{newBundle, sourceChange, tampered, deleted, refused, deselection},
	{distrusted},
	{hanging},
	{storesRow},
	{memory},
	{restart},
	{newNamespace},
}

var newBundle = &row{
	name:    "new",
	largest: largestRollOut,
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
	largest:  largestRollOut,
	figures:  []figure{{work: "a source changes: all targets replaced", unit: seconds, raw: "PUT", ratio: 1.3, growth: linear}},
	setUp:    largeInPlace,
	raw:      rawOnce(func(s *stage) rawWrite { return rawWrite{s.namespaces, s.raw.put} }),
	act:      func(ctx context.Context, s *stage, _ int) error { return s.changeSource(ctx, large) },
	doneWhen: seeAll(large, changed),
}

var deselection = &row{
	name:    "deselect",
	largest: largestRollOut,
	figures: []figure{{work: "the selector deselects all: all targets deleted", unit: seconds, raw: "DELETE", ratio: 1.3, growth: linear}},
	setUp:   largeInPlace,
	raw:     rawOnce(func(s *stage) rawWrite { return rawWrite{s.namespaces, s.raw.remove} }),
	act: func(ctx context.Context, s *stage, _ int) error {
		_, err := s.selecting(ctx, large, false)
		return err
	},
	doneWhen: seeAll(large, absent),
}

// With twice 585 KB in each of 2,000 namespaces, and what its watch cache keeps of
// those that were there before, the API server needs 15 GB.
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

// largeInPlace has the large Bundle and the objects of the raw client exist.
func largeInPlace(ctx context.Context, s *stage) error {
	if err := s.raw.ensure(ctx, s.namespaces, true); err != nil {
		return err
	}
	return s.inPlace(ctx, large)
}

// rawWrite is what the raw client does, and where.
type rawWrite struct {
	namespaces []string
	do         func(context.Context, string) error
}

// rawOnce has the raw client do something once in each of some namespaces.
func rawOnce(what func(*stage) rawWrite) func(context.Context, *stage, int) ([]float64, error) {
	return func(ctx context.Context, s *stage, _ int) ([]float64, error) {
		w := what(s)
		took, err := timed(ctx, w.namespaces, w.do)
		return []float64{took}, err
	}
}

// seeAll expects one thing of all targets of a Bundle.
func seeAll(name string, what func(sighting) func(sighting) bool) func(*stage, int) []*expectation {
	return func(s *stage, _ int) []*expectation {
		return []*expectation{s.seen.expect(s.targets(name), what)}
	}
}

// cleanUp takes away what the next group should not find.
func (g group) cleanUp(ctx context.Context, s *stage) error {
	if err := s.raw.ensure(ctx, s.namespaces, false); err != nil {
		return err
	}
	if slices.Contains(g, newNamespace) {
		return nil // nothing comes after it, and it leaves very much
	}
	return s.gone(ctx, large, withStores, alone)
}

// rowNames gives the names of all rows.
func rowNames() []string {
	var names []string
	for _, r := range slices.Concat(groups...) {
		names = append(names, r.name)
	}
	return names
}

func isRow(name string) bool { return slices.Contains(rowNames(), name) }

// chosen gives the groups with those of their rows that are to be measured at a
// size.
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
