package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/kinds"
	"trust-manager.io/test/framework/rig"
)

// The Bundles of the benchmark. All but the small ones are large: they have the
// default CA package and a source that changes.
var (
	large = kindPrefix + "large"
	// withStores also has JKS and PKCS#12.
	withStores = kindPrefix + "stores"
	// alone selects only namespaces in which writes never hang.
	alone = kindPrefix + "alone"
	// smallPrefix is the name prefix of Bundles with three certificates.
	smallPrefix = kindPrefix + "small-"
	// few has three certificates too, one of them from a source that changes, and so have the
	// Bundles with manyPrefix, which share a source.
	few        = kindPrefix + "few"
	manyPrefix = kindPrefix + "many-"
)

// kindPrefix begins the names of all Bundles. With BENCH_KIND=ClusterBundle in the environment,
// they are stored as ClusterBundles.
var kindPrefix = map[string]string{"ClusterBundle": kinds.Prefix}[os.Getenv("BENCH_KIND")]

const (
	bundleKey = "ca.crt"
	// noNamespace is a value of benchLabel that no namespace has.
	noNamespace = "none"
)

// sourceOf returns the name of a Bundle's source ConfigMap. It differs from the
// Bundle's, since a Bundle cannot read its own target.
func sourceOf(name string) string {
	if strings.HasPrefix(name, manyPrefix) {
		name = manyPrefix
	}
	return name + "-source"
}

// small returns the names of the given number of small Bundles.
func small(count int) []string {
	names := make([]string, count)
	for i := range names {
		names[i] = fmt.Sprintf("%s%02d", smallPrefix, i)
	}
	return names
}

// bundle returns a Bundle that selects its namespaces, or none.
func (s *stage) bundle(name string, selecting bool) *v1alpha1.Bundle {
	yes := true
	b := &v1alpha1.Bundle{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.BundleSpec{
			Sources: []v1alpha1.BundleSource{{UseDefaultCAs: &yes}, {ConfigMap: &v1alpha1.SourceObject{Name: sourceOf(name), Key: bundleKey}}},
			Target: &v1alpha1.BundleTarget{
				ConfigMap: &v1alpha1.TargetObject{Key: bundleKey, Metadata: v1alpha1.TargetMetadata{
					Labels: map[string]v1alpha1.LabelValue{observedLabel: "true"},
				}},
				NamespaceSelector: &v1alpha1.LabelSelector{MatchLabels: map[string]string{benchLabel: "true"}},
			},
		},
	}
	switch {
	case strings.HasPrefix(name, smallPrefix):
		b.Spec.Sources = []v1alpha1.BundleSource{{InLine: &s.three}}
	case name == few, strings.HasPrefix(name, manyPrefix):
		b.Spec.Sources[0] = v1alpha1.BundleSource{InLine: &s.two}
	case name == withStores:
		password, profile := storePassword, v1alpha1.PKCS12Profile(stores[1].Profile)
		b.Spec.Target.AdditionalFormats = &v1alpha1.AdditionalFormats{
			JKS:    &v1alpha1.JKS{Key: stores[0].Key, Password: &password},
			PKCS12: &v1alpha1.PKCS12{Key: stores[1].Key, Password: &password, Profile: profile},
		}
	case name == alone:
		b.Spec.Target.NamespaceSelector.MatchLabels[healthyLabel] = "true"
	case name == trusted:
		onlyTrustBundle(b)
		return b
	}
	if !selecting {
		b.Spec.Target.NamespaceSelector.MatchLabels[benchLabel] = noNamespace
	}
	return b
}

// targets returns the targets of Bundles in all their namespaces.
func (s *stage) targets(names ...string) []place {
	var all []place
	for _, name := range names {
		first := 0
		if name == alone {
			first = hangingCount
		}
		for _, namespace := range s.namespaces[first:] {
			all = append(all, place{name, namespace})
		}
	}
	return all
}

// create creates a Bundle and, before it, its source.
func (s *stage) create(ctx context.Context, name string, selecting bool) error {
	if !strings.HasPrefix(name, smallPrefix) {
		if err := s.createSource(ctx, name); err != nil {
			return err
		}
	}
	return s.api.Create(ctx, s.bundle(name, selecting))
}

// source returns the source of a Bundle with one of its contents.
func (s *stage) source(name string, index int) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: rig.TrustNamespace, Name: sourceOf(name)},
		Data:       map[string]string{bundleKey: s.sources[index]},
	}
}

// createSource creates the source of a Bundle, unless it exists.
func (s *stage) createSource(ctx context.Context, name string) error {
	err := s.api.Create(ctx, s.source(name, 0))
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	s.sourceAt[sourceOf(name)] = 0
	return err
}

// changeSource replaces the certificate in a Bundle's source, by one request.
func (s *stage) changeSource(ctx context.Context, name string) error {
	next := 1 - s.sourceAt[sourceOf(name)]
	s.sourceAt[sourceOf(name)] = next
	return s.api.Update(ctx, s.source(name, next))
}

// selecting makes a Bundle select its namespaces, or none. existed reports
// whether the Bundle exists.
func (s *stage) selecting(ctx context.Context, name string, selecting bool) (existed bool, err error) {
	b := &v1alpha1.Bundle{}
	if err := s.api.Get(ctx, client.ObjectKey{Name: name}, b); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	before := b.DeepCopy()
	b.Spec.Target.NamespaceSelector = s.bundle(name, selecting).Spec.Target.NamespaceSelector
	return true, s.api.Patch(ctx, b, client.MergeFrom(before))
}

// inPlace ensures that Bundles exist with all their targets.
func (s *stage) inPlace(ctx context.Context, names ...string) error {
	expected := s.seen.expect(s.targets(names...), present)
	for _, name := range names {
		existed, err := s.selecting(ctx, name, true)
		if err == nil && !existed {
			err = s.create(ctx, name, true)
		}
		if err != nil {
			return err
		}
	}
	_, err := expected.wait(ctx)
	return err
}

// withoutTargets makes existing Bundles select no namespace.
func (s *stage) withoutTargets(ctx context.Context, names ...string) error {
	expected := s.seen.expect(s.targets(names...), absent)
	for _, name := range names {
		if _, err := s.selecting(ctx, name, false); err != nil {
			return err
		}
	}
	_, err := expected.wait(ctx)
	return err
}

// gone ensures that Bundles and their targets do not exist.
func (s *stage) gone(ctx context.Context, names ...string) error {
	if err := s.withoutTargets(ctx, names...); err != nil {
		return err
	}
	for _, name := range names {
		if err := client.IgnoreNotFound(s.api.Delete(ctx, &v1alpha1.Bundle{ObjectMeta: metav1.ObjectMeta{Name: name}})); err != nil {
			return err
		}
	}
	return nil
}
