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
	{largeTargets.created("new"), largeTargets.changed("change"), largeTargets.tampered("tampered"), deleted, refused, largeTargets.deselected("deselect")},
	{fewTargets.created("few-new"), fewTargets.changed("few-change"), fewTargets.tampered("few-tampered"), fewTargets.deselected("few-deselect")},
	{fewTargets.resident("few-memory")},
	{manyChange, manyMemory},
	{distrusted},
	{hanging},
	{storesRow},
	{memory},
	{restart},
	{trustBundleChange},
	{podInjection},
	{fewNamespace},
	{newNamespace},
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
	doneWhen: targets{name: withStores}.seeAll(present),
	extra: func(s *stage) (float64, error) {
		_, took, err := encodeStores(s.roots + s.sources[0])
		return took, err
	},
	tearDown: func(ctx context.Context, s *stage) error { return s.raw.ensure(ctx, s.namespaces, false) },
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

// cleanUp removes what the next group must not find.
func (g group) cleanUp(ctx context.Context, s *stage) error {
	for _, client := range slices.Concat(s.rawMany, []*rawClient{s.raw, s.rawFew}) {
		if err := client.ensure(ctx, s.namespaces, false); err != nil {
			return err
		}
	}
	if slices.Contains(g, newNamespace) {
		return nil // it is the last group, and deleting its objects would take long
	}
	return s.gone(ctx, slices.Concat([]string{large, withStores, alone, few}, manyBundles(), s.restartBundles())...)
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
			return names != nil && !names[r.name] || r.largest > 0 && size > r.largest || size < r.smallest
		})
		if len(some) > 0 {
			list = append(list, some)
		}
	}
	return list
}
