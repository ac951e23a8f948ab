package integration

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/kinds"
	"trust-manager.io/test/framework/poll"
)

// A11: matchLabels and matchExpressions select namespaces.
func TestSyncToSelectedNamespaces(t *testing.T) { eachAPIKind(t, testSyncToSelectedNamespaces) }

func testSyncToSelectedNamespaces(t *testing.T, s *scene) {
	in := func(environment string) []string {
		return s.labelledNamespaces(2, map[string]string{sceneLabel: s.name, "environment": environment})
	}
	production, staging, development := in("production"), in("staging"), in("development")
	ca := newAuthority("CA")
	source := from(s.source(ca))
	byLabel := s.bundle(source, func(b *v1alpha1.Bundle) {
		b.Spec.Target.NamespaceSelector.MatchLabels["environment"] = "production"
	})
	byExpression := s.bundle(source, func(b *v1alpha1.Bundle) {
		b.Spec.Target.NamespaceSelector.MatchExpressions = []v1alpha1.LabelSelectorRequirement{
			{Key: "environment", Operator: "In", Values: []string{"production", "staging"}},
		}
	})
	awaitTargets(t, byLabel, production, ca)
	awaitTargets(t, byExpression, slices.Concat(production, staging), ca)
	awaitSynced(t, byLabel, 2)
	awaitSynced(t, byExpression, 4)
	for bundle, namespaces := range map[*v1alpha1.Bundle][]string{
		byLabel: slices.Concat(staging, development), byExpression: development,
	} {
		for _, namespace := range namespaces {
			if err := absent(t, bundle, namespace); err != nil {
				t.Errorf("not selected: %v", err)
			}
		}
	}
	change(t, byLabel, func(b *v1alpha1.Bundle) {
		b.Spec.Target.NamespaceSelector.MatchLabels["environment"] = "development"
	})
	awaitTargets(t, byLabel, development, ca)
	for _, namespace := range production {
		poll.Eventually(t, "the target to go", func() error { return absent(t, byLabel, namespace) })
	}
	awaitSynced(t, byLabel, 2)
}

// S1, S2, E2: certificates are in the order of the sources, each once, at its first
// position; those of a new source are last. S4: binaryData is read too.
func TestSourcesInOrder(t *testing.T) { eachAPIKind(t, testSourcesInOrder) }

func testSourcesInOrder(t *testing.T, s *scene) {
	namespaces := s.namespaces(1)
	a, b, c, d, e := newAuthority("A"), newAuthority("B"), newAuthority("C"), newAuthority("D"), newAuthority("E")
	binary := s.sourceOf("")
	change(t, binary, func(source *corev1.ConfigMap) {
		source.Data, source.BinaryData = nil, map[string][]byte{sourceKey: []byte(pemOf(d, a))}
	})
	sources := slices.Concat(from(s.source(c, a)), from(binary), from(s.secret(b, c)), defaultCAs(), inLine(e, d))
	bundle := s.bundle(sources)
	// E2: in a ClusterBundle, default CAs are first and inline ones last, whatever is asked for.
	inOrder := func(ofBundle, ofClusterBundle []authority) []authority {
		if kinds.IsCluster(bundle.Name) {
			return ofClusterBundle
		}
		return ofBundle
	}
	awaitTargets(t, bundle, namespaces, inOrder([]authority{c, a, d, b, defaultCA, e}, []authority{defaultCA, c, a, d, b, e})...)

	f := newAuthority("F")
	added := from(s.secret(a, f))
	change(t, bundle, func(b *v1alpha1.Bundle) { b.Spec.Sources = append(b.Spec.Sources, added...) })
	awaitTargets(t, bundle, namespaces, inOrder([]authority{c, a, d, b, defaultCA, e, f}, []authority{defaultCA, c, a, d, b, f, e})...)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSynced, "7 certificates", "1 namespace")

	change(t, bundle, func(b *v1alpha1.Bundle) { slices.Reverse(b.Spec.Sources) })
	awaitTargets(t, bundle, namespaces, inOrder([]authority{a, f, e, d, defaultCA, b, c}, []authority{defaultCA, a, f, b, c, d, e})...)
}

// T4: labels and annotations of the spec are on the targets, and are removed together
// with the spec's.
func TestTargetMetadata(t *testing.T) { eachAPIKind(t, testTargetMetadata) }

func testTargetMetadata(t *testing.T, s *scene) {
	namespaces := s.namespaces(2)
	ca := newAuthority("CA")
	bundle := s.bundle(inLine(ca), func(b *v1alpha1.Bundle) {
		b.Spec.Target.ConfigMap.Metadata = v1alpha1.TargetMetadata{
			Labels:      map[string]v1alpha1.LabelValue{"team": "security", "example.com/tier": "", "kept": "1"},
			Annotations: map[string]string{"note": "several\nlines", "kept": "1"},
		}
	})
	awaitTargets(t, bundle, namespaces, ca)
	change(t, bundle, func(b *v1alpha1.Bundle) {
		b.Spec.Target.ConfigMap.Metadata = v1alpha1.TargetMetadata{
			Labels:      map[string]v1alpha1.LabelValue{"team": "platform", "kept": "1", "more": "2"},
			Annotations: map[string]string{"kept": "2"},
		}
	})
	awaitTargets(t, bundle, namespaces, ca)
	change(t, bundle, func(b *v1alpha1.Bundle) { b.Spec.Target.ConfigMap.Metadata = v1alpha1.TargetMetadata{} })
	awaitTargets(t, bundle, namespaces, ca)
	awaitSynced(t, bundle, 2)
}

// A6: a Bundle without a target is Synced, and nothing is written for it. When a target
// is added, it is written; when it is removed, the objects are deleted (T6).
func TestNoTarget(t *testing.T) { eachAPIKind(t, testNoTarget) }

func testNoTarget(t *testing.T, s *scene) {
	namespaces := s.namespaces(2)
	ca := newAuthority("CA")
	before := env.Audit.Mark()
	bundle := s.newBundle(inLine(ca))
	asked := bundle.Spec.Target
	bundle.Spec.Target = nil
	s.temporary(bundle)
	awaitSynced(t, bundle, 0)
	if wrote := requests(t, before, writesOf(bundle)); len(wrote) > 0 {
		t.Errorf("the operator wrote targets: %v", wrote)
	}
	change(t, bundle, func(b *v1alpha1.Bundle) { b.Spec.Target = asked })
	awaitTargets(t, bundle, namespaces, ca)
	awaitSynced(t, bundle, 2)
	change(t, bundle, func(b *v1alpha1.Bundle) { b.Spec.Target = nil })
	for _, namespace := range namespaces {
		poll.Eventually(t, "the target to go", func() error { return absent(t, bundle, namespace) })
	}
	awaitSynced(t, bundle, 0)
}

// T6: when the target's key is renamed, the old key is removed.
func TestRenamedKey(t *testing.T) { eachAPIKind(t, testRenamedKey) }

func testRenamedKey(t *testing.T, s *scene) {
	namespaces := s.namespaces(2)
	ca := newAuthority("CA")
	bundle := s.bundle(inLine(ca))
	awaitTargets(t, bundle, namespaces, ca)
	theirs := map[string]string{"theirs": "stays"}
	addData(t, namespaces[0], bundle.Name, theirs)
	target{bundle: bundle, namespace: namespaces[0], certificates: []authority{ca}, data: theirs}.await(t)
	change(t, bundle, func(b *v1alpha1.Bundle) { b.Spec.Target.ConfigMap.Key = "renamed.pem" })
	target{bundle: bundle, namespace: namespaces[0], certificates: []authority{ca}, data: theirs}.await(t)
	awaitTargets(t, bundle, namespaces[1:], ca)
	awaitSynced(t, bundle, 2)
}

// A13, D3: the status has the id of the default CA package while it is used.
func TestDefaultCAVersion(t *testing.T) { eachAPIKind(t, testDefaultCAVersion) }

func testDefaultCAVersion(t *testing.T, s *scene) {
	namespaces := s.namespaces(1)
	bundle := s.bundle(defaultCAs())
	awaitTargets(t, bundle, namespaces, defaultCA)
	awaitSynced(t, bundle, 1)
	if got, want := bundle.Status.DefaultCAVersion, packageID("shared", "1", defaultCA); got != want {
		t.Errorf("defaultCAVersion is %q, want %q", got, want)
	}
	ca := newAuthority("CA")
	change(t, bundle, func(b *v1alpha1.Bundle) { b.Spec.Sources = inLine(ca) })
	awaitTargets(t, bundle, namespaces, ca)
	poll.Eventually(t, "defaultCAVersion to go", func() error {
		awaitSynced(t, bundle, 1)
		if bundle.Status.DefaultCAVersion != "" {
			return fmt.Errorf("defaultCAVersion is %q", bundle.Status.DefaultCAVersion)
		}
		return nil
	})
}

// packageID returns the id of a package, as D3 defines it.
func packageID(name, version string, content ...authority) string {
	sum := sha256.Sum256([]byte(pemOf(content...)))
	return name + "-" + version + "-" + hex.EncodeToString(sum[:])[:16]
}
