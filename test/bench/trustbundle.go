package main

import (
	"context"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
)

// trusted is a large Bundle with a ClusterTrustBundle as its only target.
var trusted = kindPrefix + "trusted"

var trustBundleChange = &row{
	name: "trustbundle",
	figures: []figure{
		{work: "a source changes: the ClusterTrustBundle is written, p50", unit: milliseconds, raw: "PUT", limit: 0.050, growth: flat},
		{work: "the same, beside the raw client", unit: milliseconds, raw: "PUT", ratio: 2, growth: flat},
	},
	times: latencyTimes,
	setUp: func(ctx context.Context, s *stage) error {
		err := s.api.Get(ctx, client.ObjectKey{Name: trusted}, &v1alpha1.Bundle{})
		if client.IgnoreNotFound(err) != nil || err == nil {
			return err
		}
		expected := s.seen.expect([]place{{name: trusted}}, present)
		if err := s.create(ctx, trusted, true); err != nil {
			return err
		}
		_, err = expected.wait(ctx)
		return err
	},
	raw: func(ctx context.Context, s *stage, _ int) ([]float64, error) {
		raw, err := newCheapClient(s, certificatesv1.SchemeGroupVersion)
		if err != nil {
			return nil, err
		}
		if s.rawTrustBundle == nil {
			object := s.raw.trustBundle() // its creation is not measured
			if err := s.api.Create(ctx, object); err != nil {
				return nil, err
			}
			s.rawTrustBundle = object
		}
		s.rawTrustBundle.Spec.TrustBundle += s.rawTrustBundle.ResourceVersion + "\n" // makes it a change
		start := time.Now()
		err = putTrustBundle(ctx, raw.Put().Name(rawName), s.rawTrustBundle)
		took := time.Since(start).Seconds()
		return []float64{took, took}, err
	},
	act: func(ctx context.Context, s *stage, _ int) error { return s.changeSource(ctx, trusted) },
	doneWhen: func(s *stage, _ int) []*expectation {
		at := []place{{name: trusted}}
		return []*expectation{s.seen.expect(at, changed), s.seen.expect(at, changed)}
	},
}

// putTrustBundle sends a ClusterTrustBundle, and records its resource version.
func putTrustBundle(ctx context.Context, request *rest.Request, object *certificatesv1.ClusterTrustBundle) error {
	var written metav1.PartialObjectMetadata
	err := request.Resource("clustertrustbundles").SetHeader("Accept", metadataOnly).Body(object).Do(ctx).Into(&written)
	object.ResourceVersion = written.ResourceVersion
	return err
}

// trustBundle returns an object with everything that a target has.
func (c *rawClient) trustBundle() *certificatesv1.ClusterTrustBundle {
	like := c.object("", "")
	return &certificatesv1.ClusterTrustBundle{ObjectMeta: like.ObjectMeta, Spec: certificatesv1.ClusterTrustBundleSpec{TrustBundle: like.Data[bundleKey]}}
}

// onlyTrustBundle gives a Bundle a ClusterTrustBundle as its only target.
func onlyTrustBundle(b *v1alpha1.Bundle) {
	b.Spec.Target = &v1alpha1.BundleTarget{ClusterTrustBundle: &v1alpha1.ClusterTrustBundleTarget{
		Metadata: v1alpha1.TargetMetadata{Labels: map[string]v1alpha1.LabelValue{observedLabel: "true"}},
	}}
}
