package integration

import (
	"testing"
	"time"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/rig"
)

// filtering sets the filters of a Bundle.
func filtering(filters v1alpha1.BundleFilters) func(*v1alpha1.Bundle) {
	return func(b *v1alpha1.Bundle) { b.Spec.Filters = &filters }
}

// K2: each Bundle has its own filters, with the same sources; Keep overrides the
// operator's flags. A rejected certificate is named by object, key and block, and the
// source replaces nothing (S11).
func TestFiltersOfABundle(t *testing.T) {
	startOperator(t, "--filter-expired-certificates", "--filter-non-ca-certs")
	s := newScene(t)
	namespaces := s.namespaces(1)
	root, old, leaf := newAuthority("CA"), newAuthority("Old", ca.ValidUntil(time.Now().Add(-time.Minute))), newAuthority("Leaf", ca.NotCA)
	between := newAuthority("Intermediate", ca.IssuedBy("Root"))
	source := s.source(root, old, leaf, between)
	keeps := s.bundle(from(source), filtering(v1alpha1.BundleFilters{Expired: v1alpha1.FilterKeep, NotCA: v1alpha1.FilterKeep}))
	flags := s.bundle(from(source))
	roots := s.bundle(from(source), filtering(v1alpha1.BundleFilters{NotSelfSigned: v1alpha1.FilterDrop}))
	strict := s.bundle(from(source), filtering(v1alpha1.BundleFilters{NotSelfSigned: v1alpha1.FilterReject}))
	awaitTargets(t, keeps, namespaces, root, old, leaf, between)
	awaitTargets(t, flags, namespaces, root, between)
	awaitTargets(t, roots, namespaces, root)
	awaitCondition(t, roots, v1alpha1.BundleReasonSynced, "1 certificate that is not self-signed is left out", "block 4")
	awaitCondition(t, strict, v1alpha1.BundleReasonSourceBuildError, "ConfigMap "+rig.TrustNamespace+"/"+source.Name, "block 4", "spec.filters.notSelfSigned")
	if err := absent(t, strict, namespaces[0]); err != nil {
		t.Error(err)
	}
	fill(t, source, root)
	awaitTargets(t, strict, namespaces, root)
	awaitSynced(t, strict, 1)
	fill(t, source, root, between)
	awaitCondition(t, strict, v1alpha1.BundleReasonSourceBuildError, "block 2", "1 of 1 targets")
	awaitTargets(t, strict, namespaces, root)
	awaitTargets(t, roots, namespaces, root)
}

// K2, S12: if a Bundle drops or rejects expired certificates, that takes effect by
// itself when a certificate expires.
func TestFilterOfABundleActsInTime(t *testing.T) { eachAPIKind(t, testFilterOfABundleActsInTime) }

func testFilterOfABundleActsInTime(t *testing.T, s *scene) {
	namespaces := s.namespaces(1)
	end := time.Now().Add(soon).Truncate(time.Second)
	root, short := newAuthority("CA"), newAuthority("Short", ca.ValidUntil(end))
	drops := s.bundle(inLine(root, short), filtering(v1alpha1.BundleFilters{Expired: v1alpha1.FilterDrop}))
	rejects := s.bundle(inLine(root, short), filtering(v1alpha1.BundleFilters{Expired: v1alpha1.FilterReject}))
	awaitTargets(t, drops, namespaces, root, short)
	awaitTargets(t, rejects, namespaces, root, short)
	awaitTargets(t, drops, namespaces, root)
	awaitCondition(t, drops, v1alpha1.BundleReasonSynced, "1 expired certificate is left out")
	awaitCondition(t, rejects, v1alpha1.BundleReasonSourceBuildError, "spec.sources[0].inLine", "block 2", "has expired", "1 of 1 targets")
	awaitTargets(t, rejects, namespaces, root, short)
	if time.Now().Before(end) {
		t.Error("it came too early")
	}
}
