package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// latencyTimes is the number of measurements of a latency per repetition.
	latencyTimes = 5
	// besides is the number of small Bundles next to the large one.
	besides = 19
)

var deleted = &row{
	name:    "deleted",
	figures: []figure{{work: "a deleted target is there again, p50", unit: milliseconds, raw: "POST", limit: 0.050, growth: flat}},
	times:   latencyTimes,
	setUp:   largeTargets.inPlace,
	raw: func(ctx context.Context, s *stage, i int) ([]float64, error) {
		if err := s.raw.remove(ctx, s.namespaces[i]); err != nil {
			return nil, err
		}
		start := time.Now()
		err := s.raw.post(ctx, s.namespaces[i])
		return []float64{time.Since(start).Seconds()}, err
	},
	act:      func(ctx context.Context, s *stage, i int) error { return s.api.Delete(ctx, s.target(large, i)) },
	doneWhen: largeTargets.seeRestored,
}

// The time starts before the request that creates the namespace.
var newNamespace = &row{
	name: "namespace",
	figures: []figure{
		{work: "a new namespace, 20 Bundles: the large one is there, p50", unit: milliseconds, raw: "POST", limit: 0.050, growth: flat},
		{work: "a new namespace, 20 Bundles: all are there, p50", unit: milliseconds, raw: "20 × POST", limit: 0.200, growth: flat},
	},
	times: latencyTimes,
	setUp: func(ctx context.Context, s *stage) error {
		return s.inPlace(ctx, append(small(besides), large)...)
	},
	raw: func(ctx context.Context, s *stage, _ int) ([]float64, error) {
		start := time.Now()
		namespace, err := s.addNamespace(ctx, noNamespace)
		if err != nil {
			return nil, err
		}
		var first time.Duration
		err = each(1+besides, func(i int) error {
			object := s.raw.object(namespace, "")
			if i > 0 {
				object.Name, object.Data = fmt.Sprint(rawName, i), map[string]string{bundleKey: s.three}
			}
			err := s.raw.write(ctx, s.raw.client.Post(), object)
			if i == 0 {
				first = time.Since(start)
			}
			return err
		})
		return []float64{first.Seconds(), time.Since(start).Seconds()}, err
	},
	act: func(ctx context.Context, s *stage, _ int) error {
		_, err := s.addNamespace(ctx, "true")
		return err
	},
	doneWhen: func(s *stage, _ int) []*expectation {
		namespace := s.nextNamespace()
		all := []place{{large, namespace}}
		for _, name := range small(besides) {
			all = append(all, place{name, namespace})
		}
		return []*expectation{s.seen.expect(all[:1], present), s.seen.expect(all, present)}
	},
}

// fewNamespace is the same for one Bundle of three certificates.
var fewNamespace = &row{
	name: "few-namespace",
	figures: []figure{
		{work: "a new namespace, one Bundle of 3 certificates: the target is there, p50", unit: milliseconds, raw: "POST", limit: 0.050, growth: flat},
	},
	times: latencyTimes,
	setUp: func(ctx context.Context, s *stage) error { return s.inPlace(ctx, few) },
	raw: func(ctx context.Context, s *stage, _ int) ([]float64, error) {
		start := time.Now()
		namespace, err := s.addNamespace(ctx, noNamespace)
		if err == nil {
			err = s.rawFew.post(ctx, namespace)
		}
		return []float64{time.Since(start).Seconds()}, err
	},
	act: func(ctx context.Context, s *stage, _ int) error {
		_, err := s.addNamespace(ctx, "true")
		return err
	},
	doneWhen: func(s *stage, _ int) []*expectation {
		return []*expectation{s.seen.expect([]place{{few, s.nextNamespace()}}, present)}
	},
}

// nextNamespace returns the name of the next namespace that addNamespace creates.
func (s *stage) nextNamespace() string { return fmt.Sprintf("bench-added-%03d", s.added) }

// addNamespace creates another namespace, which Bundles select if its label is
// "true".
func (s *stage) addNamespace(ctx context.Context, label string) (name string, err error) {
	name = s.nextNamespace()
	s.added++
	return name, s.api.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{benchLabel: label}}})
}
