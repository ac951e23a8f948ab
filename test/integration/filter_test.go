package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/rig"
)

// S12: a certificate is dropped by itself when it expires, and is named in the status;
// nothing else is written, before or after.
func TestExpiredCertificateLeavesByItself(t *testing.T) {
	startOperator(t, "--filter-expired-certificates", "--secret-targets-enabled")
	s := newScene(t)
	namespaces := s.namespaces(2)
	end := time.Now().Add(soon).Truncate(time.Second)
	root, short, old := newAuthority("CA"), newAuthority("Short", ca.ValidUntil(end)), newAuthority("Old", ca.ValidUntil(time.Now().Add(-time.Minute)))
	source := s.source(old, short, root)
	bundle := s.bundle(from(source), formats(jks(), p12("", "")), func(b *v1alpha1.Bundle) {
		b.Spec.Target.Secret = &v1alpha1.TargetObject{Key: "ca.crt"}
	})
	witness := s.bundle(inLine(root))
	inConfigMaps.await(t, bundle, namespaces, short, root)
	inSecrets.await(t, bundle, namespaces, short, root)
	origin := "ConfigMap " + rig.TrustNamespace + "/" + source.Name
	awaitCondition(t, bundle, v1alpha1.BundleReasonSynced, "2 certificates", "1 expired certificate is left out", origin, "block 1")
	awaitSynced(t, witness, 2)

	before := env.Audit.Mark()
	stays(t, time.Until(end)-100*time.Millisecond, "the certificate", func() error { return noWrites(t, before, bundle) })
	awaitCondition(t, bundle, v1alpha1.BundleReasonSynced, "1 certificate ", "2 expired certificates are left out", "block 1", "block 2")
	inConfigMaps.await(t, bundle, namespaces, root)
	inSecrets.await(t, bundle, namespaces, root)
	stays(t, 500*time.Millisecond, "peace", func() error { return nil })
	wrote := requests(t, before, rig.Request.IsWrite)
	if targets := slices.DeleteFunc(slices.Clone(wrote), func(q rig.Request) bool { return !writesOf(bundle)(q) }); len(targets) != 4 {
		t.Errorf("of the Bundle's targets it wrote %v, want each of 4 once", targets)
	}
	for _, q := range wrote {
		if q.Name != bundle.Name && q.Resource != "events" {
			t.Errorf("it also wrote %v", q)
		}
		// NotAfter is the last second in which a certificate is valid.
		if late := q.Received.Sub(end); writesOf(bundle)(q) && (late < 0 || late > 2*time.Second) {
			t.Errorf("%v came %s after the end", q, late)
		}
	}
}

// S12: certificates that are not CAs are left out, from every kind of source, and the
// status names the first few.
func TestNonCAIsLeftOut(t *testing.T) {
	startOperator(t, "--filter-non-ca-certs")
	s := newScene(t)
	namespaces := s.namespaces(1)
	root := newAuthority("CA")
	var leaves []authority
	for i := range 5 {
		leaves = append(leaves, newAuthority(fmt.Sprintf("Leaf %d", i), ca.NotCA))
	}
	source := s.secret(append(leaves, root)...)
	bundle := s.bundle(slices.Concat(inLine(leaves[0]), from(source)))
	awaitTargets(t, bundle, namespaces, root)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSynced, "1 certificate ", "5 certificates that are not a CA are left out",
		"spec.sources[0].inLine", "Secret "+rig.TrustNamespace+"/"+source.Name, "block 2", "…")
}

// S8: a source is validated before any filter: one without a certificate is invalid,
// and one with only expired certificates is not. S9: if the filters leave nothing,
// nothing is written, and targets stay; the status reports the reason.
func TestFilterLeavesNothing(t *testing.T) {
	startOperator(t, "--filter-expired-certificates", "--filter-non-ca-certs")
	s := newScene(t)
	namespaces := s.namespaces(1)
	root := newAuthority("CA")
	old, leaf := newAuthority("Old", ca.ValidUntil(time.Now().Add(-time.Minute))), newAuthority("Leaf", ca.NotCA)
	source, filtered := s.source(root), s.source(old, leaf)
	bundle := s.bundle(from(source, filtered))
	awaitTargets(t, bundle, namespaces, root)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSynced, "1 expired certificate is left out", "1 certificate that is not a CA is left out")
	held := read(t, configMap(namespaces[0], bundle.Name)).ResourceVersion

	fill(t, source, old)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSourceNotFound, "the filters leave no certificate", "1 expired", "1 certificate that is not a CA")
	fill(t, source)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSourceBuildError, source.Name, "no certificate found")
	if now := read(t, configMap(namespaces[0], bundle.Name)).ResourceVersion; now != held {
		t.Error("the target was written")
	}
	awaitTargets(t, bundle, slices.Concat(namespaces, s.namespaces(1)), root)
	fresh := s.bundle(from(filtered))
	awaitCondition(t, fresh, v1alpha1.BundleReasonSourceNotFound, "the filters leave no certificate")
	if err := absent(t, fresh, namespaces[0]); err != nil {
		t.Error(err)
	}
	fill(t, source, leaf, root)
	awaitSynced(t, bundle, 2)
	if now := read(t, configMap(namespaces[0], bundle.Name)).ResourceVersion; now != held {
		t.Error("the target was written, though the filters leave the same")
	}
}

// S12, S11: when the last certificate expires, targets keep the last bundle, and the
// status reports it at once.
func TestLastCertificateExpires(t *testing.T) {
	startOperator(t, "--filter-expired-certificates")
	s := newScene(t)
	namespaces := s.namespaces(1)
	end := time.Now().Add(soon).Truncate(time.Second)
	short := newAuthority("Short", ca.ValidUntil(end))
	bundle := s.bundle(inLine(short))
	awaitTargets(t, bundle, namespaces, short)
	awaitSynced(t, bundle, 1)
	condition := awaitCondition(t, bundle, v1alpha1.BundleReasonSourceNotFound, "1 expired certificate is left out", "1 of 1 target")
	if early := end.Sub(condition.LastTransitionTime.Time); early > 0 {
		t.Errorf("it was reported %s before the end", early)
	}
	awaitTargets(t, bundle, slices.Concat(namespaces, s.namespaces(1)), short)
}

// S12: the filters are off by default.
func TestNothingIsFilteredByDefault(t *testing.T) { eachAPIKind(t, testNothingIsFilteredByDefault) }

func testNothingIsFilteredByDefault(t *testing.T, s *scene) {
	namespaces := s.namespaces(1)
	content := []authority{newAuthority("Old", ca.ValidUntil(time.Now().Add(-time.Minute))), newAuthority("Leaf", ca.NotCA), newAuthority("CA")}
	bundle := s.bundle(inLine(content...))
	awaitTargets(t, bundle, namespaces, content...)
	awaitSynced(t, bundle, 1)
	if condition, err := synced(t, bundle); err != nil || strings.Contains(condition.Message, "left out") {
		t.Errorf("%v, %v", condition.Message, err)
	}
}
