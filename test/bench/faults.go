package main

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/test/framework/rig"
)

// refusingShare determines how many namespaces deny writes: one in 50, which is
// 10 of 500.
const refusingShare = 50

// refused measures the rollout to the other namespaces while some deny all
// writes, compared with the raw time for the others.
var refused = &row{
	name:    "refuse",
	largest: largestRollout,
	figures: []figure{{work: "a source changes while one namespace in 50 refuses writes: all others", unit: seconds, raw: "PUT", ratio: 1.3, growth: linear}},
	setUp: func(ctx context.Context, s *stage) error {
		if err := largeTargets.inPlace(ctx, s); err != nil {
			return err
		}
		refusing, _ := s.refusing()
		s.rig.Admission.Refuse(refusing...)
		return s.faulty(ctx, refusing, "true")
	},
	raw: rawOnce(func(s *stage) rawWrite {
		_, others := s.refusing()
		return rawWrite{others, s.raw.put}
	}),
	act:      func(ctx context.Context, s *stage, _ int) error { return s.changeSource(ctx, large) },
	rawFirst: true, // the operator keeps retrying failed writes
	doneWhen: func(s *stage, _ int) []*expectation {
		_, others := s.refusing()
		return []*expectation{s.seen.expect(placesOf(large, others), changed)}
	},
	tearDown: func(ctx context.Context, s *stage) error {
		refusing, others := s.refusing()
		return s.heal(ctx, refusing, others[0], large)
	},
}

// hanging measures the rollout to the other namespaces while writes to some hang,
// compared with the operator's own time for a Bundle that does not select those.
var hanging = &row{
	name:    "hang",
	largest: largestRollout,
	figures: []figure{{work: "a source changes while 32 namespaces hang: all others", unit: seconds, raw: "without them", ratio: 1.2, growth: linear}},
	setUp: func(ctx context.Context, s *stage) error {
		if err := s.inPlace(ctx, large, alone); err != nil {
			return err
		}
		s.rig.Admission.Hang(s.namespaces[:hangingCount]...)
		return s.faulty(ctx, s.namespaces[:hangingCount], "true")
	},
	raw: func(ctx context.Context, s *stage, _ int) ([]float64, error) {
		expected, start := s.seen.expect(s.targets(alone), changed), time.Now()
		if err := s.changeSource(ctx, alone); err != nil {
			return nil, err
		}
		last, err := expected.wait(ctx)
		return []float64{last.Sub(start).Seconds()}, err
	},
	act:      func(ctx context.Context, s *stage, _ int) error { return s.changeSource(ctx, large) },
	rawFirst: true, // the operator keeps retrying failed writes
	doneWhen: func(s *stage, _ int) []*expectation {
		return []*expectation{s.seen.expect(placesOf(large, s.namespaces[hangingCount:]), changed)}
	},
	tearDown: func(ctx context.Context, s *stage) error {
		return s.heal(ctx, s.namespaces[:hangingCount], s.namespaces[hangingCount], large)
	},
}

// refusing returns the namespaces that deny writes, and the others.
func (s *stage) refusing() (refusing, others []string) {
	count := s.size / refusingShare
	return s.namespaces[:count], s.namespaces[count:]
}

// placesOf returns the targets of a Bundle in some namespaces.
func placesOf(name string, namespaces []string) []place {
	var all []place
	for _, namespace := range namespaces {
		all = append(all, place{name, namespace})
	}
	return all
}

// faulty labels namespaces so that the API server calls the rig's webhook for
// their writes, or removes the label if value is empty. In all other rows no
// namespace has the label.
func (s *stage) faulty(ctx context.Context, namespaces []string, value string) error {
	patch := []byte(`{"metadata":{"labels":{"` + rig.FaultyLabel + `":"true"}}}`)
	if value == "" {
		patch = []byte(`{"metadata":{"labels":{"` + rig.FaultyLabel + `":null}}}`)
	}
	return each(len(namespaces), func(i int) error {
		namespace := &corev1.Namespace{}
		namespace.Name = namespaces[i]
		return s.api.Patch(ctx, namespace, client.RawPatch(types.MergePatchType, patch))
	})
}

// heal makes the webhook admit all writes again, and waits until the targets in
// those namespaces have the same content as the one in the namespace sound.
func (s *stage) heal(ctx context.Context, namespaces []string, sound, name string) error {
	s.rig.Admission.Admit(namespaces...)
	if err := s.faulty(ctx, namespaces, ""); err != nil {
		return err
	}
	wanted := s.seen.digest(place{name, sound})
	_, err := s.seen.expect(placesOf(name, namespaces), func(sighting) func(sighting) bool {
		return func(now sighting) bool { return now.digest == wanted }
	}).wait(ctx)
	return err
}
