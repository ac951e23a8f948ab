package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// distrusted measures the exclusion of a CA while an unrelated source is missing.
// It must be as fast as any other change.
var distrusted = &row{
	name:    "distrust",
	largest: largestRollout,
	figures: []figure{{work: "a CA is excluded while a source is missing: all targets replaced", unit: seconds, raw: "PUT", ratio: 1.3, growth: linear}},
	setUp: func(ctx context.Context, s *stage) error {
		if err := largeTargets.inPlace(ctx, s); err != nil {
			return err
		}
		return s.loseSource(ctx, large)
	},
	raw:      rawOnce(func(s *stage) rawWrite { return rawWrite{s.namespaces, s.raw.put} }),
	act:      func(ctx context.Context, s *stage, _ int) error { return s.excludeOne(ctx, large) },
	doneWhen: largeTargets.seeAll(changed),
	tearDown: func(ctx context.Context, s *stage) error { return s.restore(ctx, large) },
}

// loseSource deletes the source of a Bundle and waits until the operator reports
// it as missing.
func (s *stage) loseSource(ctx context.Context, name string) error {
	source := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: rig.TrustNamespace, Name: sourceOf(name)}}
	if err := s.api.Delete(ctx, source); err != nil {
		return err
	}
	return poll.UntilWithin(ctx, longest, "the source to be reported as missing", func() error {
		b := &v1alpha1.Bundle{}
		if err := s.api.Get(ctx, client.ObjectKey{Name: name}, b); err != nil {
			return err
		}
		condition := meta.FindStatusCondition(b.Status.Conditions, v1alpha1.BundleConditionSynced)
		if condition == nil || condition.Reason != v1alpha1.BundleReasonSourceNotFound {
			return fmt.Errorf("the condition is %v", condition)
		}
		return nil
	})
}

// excludeOne makes a Bundle exclude one more of the roots.
func (s *stage) excludeOne(ctx context.Context, name string) error {
	b := &v1alpha1.Bundle{}
	if err := s.api.Get(ctx, client.ObjectKey{Name: name}, b); err != nil {
		return err
	}
	before := b.DeepCopy()
	rest := []byte(s.roots)
	var block *pem.Block
	for range len(b.Spec.Exclude) + 1 {
		if block, rest = pem.Decode(rest); block == nil {
			return errors.New("all roots are excluded")
		}
	}
	sum := sha256.Sum256(block.Bytes)
	b.Spec.Exclude = append(b.Spec.Exclude, v1alpha1.Exclusion{SHA256: hex.EncodeToString(sum[:])})
	return s.api.Patch(ctx, b, client.MergeFrom(before))
}

// restore removes a Bundle's exclusions, re-creates its source, and waits for all
// targets.
func (s *stage) restore(ctx context.Context, name string) error {
	expected := s.seen.expect(s.targets(name), changed)
	b := &v1alpha1.Bundle{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := s.api.Patch(ctx, b, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"exclude":null}}`))); err != nil {
		return err
	}
	if err := s.createSource(ctx, name); err != nil {
		return err
	}
	_, err := expected.wait(ctx)
	return err
}
