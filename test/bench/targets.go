package main

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/test/framework/kinds"
)

// targets are the targets of a Bundle, one in each namespace, and the raw client's objects of the
// same size.
type targets struct {
	// name is the name of the Bundle.
	name string
	raw  func(*stage) *rawClient
	// note ends the description of each row.
	note string
	// largest is the maximum number of namespaces, or 0 for no limit.
	largest int
}

var (
	largeTargets = targets{name: large, raw: func(s *stage) *rawClient { return s.raw }, largest: largestRollout}
	fewTargets   = targets{name: few, raw: func(s *stage) *rawClient { return s.rawFew }, note: ", 3 certificates"}
)

// created is the row of a new Bundle.
func (b targets) created(name string) *row {
	return &row{
		name:    name,
		largest: b.largest,
		figures: []figure{{work: "a new Bundle: all targets made" + b.note, unit: seconds, raw: "POST", ratio: 1.3, growth: linear}},
		setUp: func(ctx context.Context, s *stage) error {
			if err := b.raw(s).ensure(ctx, s.namespaces, false); err != nil {
				return err
			}
			return s.gone(ctx, b.name)
		},
		raw:      rawOnce(func(s *stage) rawWrite { return rawWrite{s.namespaces, b.raw(s).post} }),
		act:      func(ctx context.Context, s *stage, _ int) error { return s.create(ctx, b.name, true) },
		doneWhen: b.seeAll(present),
	}
}

// changed is the row of a change of the source.
func (b targets) changed(name string) *row {
	return &row{
		name:     name,
		largest:  b.largest,
		figures:  []figure{{work: "a source changes: all targets replaced" + b.note, unit: seconds, raw: "PUT", ratio: 1.3, growth: linear}},
		setUp:    b.inPlace,
		raw:      rawOnce(func(s *stage) rawWrite { return rawWrite{s.namespaces, b.raw(s).put} }),
		act:      func(ctx context.Context, s *stage, _ int) error { return s.changeSource(ctx, b.name) },
		doneWhen: b.seeAll(changed),
	}
}

// deselected is the row of a selector that no longer selects any namespace.
func (b targets) deselected(name string) *row {
	return &row{
		name:    name,
		largest: b.largest,
		figures: []figure{{work: "the selector deselects all: all targets deleted" + b.note, unit: seconds, raw: "DELETE", ratio: 1.3, growth: linear}},
		setUp:   b.inPlace,
		raw:     rawOnce(func(s *stage) rawWrite { return rawWrite{s.namespaces, b.raw(s).remove} }),
		act: func(ctx context.Context, s *stage, _ int) error {
			_, err := s.selecting(ctx, b.name, false)
			return err
		},
		doneWhen: b.seeAll(absent),
	}
}

// tampered is the row of a target that another client changes. Each measurement uses another
// namespace, since the operator slows down for a target that is changed repeatedly.
func (b targets) tampered(name string) *row {
	return &row{
		name:    name,
		figures: []figure{{work: "a tampered target is repaired, p50" + b.note, unit: milliseconds, raw: "GET, PUT", limit: 0.050, growth: flat}},
		times:   latencyTimes,
		calm:    500 * time.Millisecond,
		setUp:   b.inPlace,
		raw: func(ctx context.Context, s *stage, i int) ([]float64, error) {
			start, namespace, raw := time.Now(), s.namespaces[i], b.raw(s)
			var read corev1.ConfigMap
			err := raw.client.Get().Namespace(namespace).Resource("configmaps").Name(raw.name).Do(ctx).Into(&read)
			if err == nil {
				err = raw.put(ctx, namespace)
			}
			return []float64{time.Since(start).Seconds()}, err
		},
		act: func(ctx context.Context, s *stage, i int) error {
			object, marks := s.target(b.name, i), kinds.MarksOf(b.name)
			object.Labels = map[string]string{marks.Label: b.name, observedLabel: "true"}
			object.Annotations = map[string]string{marks.Hash: "tampered"}
			object.Data = map[string]string{bundleKey: "tampered"}
			return s.api.Update(ctx, object)
		},
		doneWhen: b.seeRestored,
	}
}

// resident is the row of the resident memory.
func (b targets) resident(name string) *row {
	return &row{
		name:    name,
		figures: []figure{{work: "resident memory" + b.note, unit: megabytes, limit: residentLimit, perNamespace: targetLimit + namespaceLimit}},
		most:    mostOfMemory,
		setUp:   func(ctx context.Context, s *stage) error { return s.gone(ctx, b.name) },
		other: func(ctx context.Context, s *stage) ([]measured, error) {
			m, err := s.measureResident(ctx, b.name)
			return []measured{m}, err
		},
	}
}

// inPlace ensures that the Bundle and the raw client's objects exist.
func (b targets) inPlace(ctx context.Context, s *stage) error {
	if err := b.raw(s).ensure(ctx, s.namespaces, true); err != nil {
		return err
	}
	return s.inPlace(ctx, b.name)
}

// seeAll expects the same state of all targets.
func (b targets) seeAll(what func(sighting) func(sighting) bool) func(*stage, int) []*expectation {
	return func(s *stage, _ int) []*expectation {
		return []*expectation{s.seen.expect(s.targets(b.name), what)}
	}
}

// seeRestored expects the target in a namespace to be restored.
func (b targets) seeRestored(s *stage, i int) []*expectation {
	return []*expectation{s.seen.expect([]place{{b.name, s.namespaces[i]}}, restored)}
}

// target returns the target of a Bundle in a namespace, without content.
func (s *stage) target(name string, i int) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespaces[i], Name: name}}
}
