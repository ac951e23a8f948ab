package integration

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"testing"
	"time"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/rig"
)

// fingerprint returns the SHA-256 of the certificate, in hexadecimal.
func (a authority) fingerprint() string {
	sum := sha256.Sum256(a.DER())
	return hex.EncodeToString(sum[:])
}

// keyFingerprint returns the SHA-256 of its public key.
func (a authority) keyFingerprint() string {
	sum := sha256.Sum256(a.X509().RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// excluding sets the exclusions of a Bundle to CAs, by their fingerprints.
func excluding(list ...authority) func(*v1alpha1.Bundle) {
	return func(b *v1alpha1.Bundle) {
		for _, one := range list {
			b.Spec.Exclude = append(b.Spec.Exclude, v1alpha1.Exclusion{SHA256: one.fingerprint()})
		}
	}
}

// K3: an exclusion of each kind removes a CA from every target, whichever source it
// comes from, and removing the exclusion restores the CA. One that matches nothing is
// reported.
func TestExclusion(t *testing.T) { eachAPIKind(t, testExclusion) }

func testExclusion(t *testing.T, s *scene) {
	namespaces := s.namespaces(2)
	a, b, c, d := newAuthority("A"), newAuthority("B"), newAuthority("C"), newAuthority("D")
	bundle := s.bundle(slices.Concat(from(s.source(c, a), s.secret(d)), inLine(a, b)))
	awaitTargets(t, bundle, namespaces, c, a, d, b)
	change(t, bundle, excluding(a))
	awaitTargets(t, bundle, namespaces, c, d, b)
	change(t, bundle, func(o *v1alpha1.Bundle) {
		o.Spec.Exclude = append(o.Spec.Exclude, v1alpha1.Exclusion{PublicKeySHA256: c.keyFingerprint()}, v1alpha1.Exclusion{Subject: "CN=D"})
	})
	awaitTargets(t, bundle, namespaces, b)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSynced, "3 certificates are excluded", "block 1")
	change(t, bundle, func(o *v1alpha1.Bundle) {
		o.Spec.Exclude = []v1alpha1.Exclusion{{Subject: "CN=Nobody"}}
	})
	awaitTargets(t, bundle, namespaces, c, a, d, b)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSynced, "spec.exclude[0] matches no certificate")
}

// K3, S9: an exclusion that would leave no certificate is not written, and the status
// warns that the targets still hold the CA.
func TestExclusionOfEverything(t *testing.T) { eachAPIKind(t, testExclusionOfEverything) }

func testExclusionOfEverything(t *testing.T, s *scene) {
	namespaces := s.namespaces(1)
	ca := newAuthority("CA")
	bundle := s.bundle(inLine(ca))
	awaitTargets(t, bundle, namespaces, ca)
	awaitSynced(t, bundle, 1)
	change(t, bundle, excluding(ca))
	awaitCondition(t, bundle, v1alpha1.BundleReasonSourceNotFound, "WARNING", "is still in the targets", "spec.exclude leaves no certificate")
	awaitTargets(t, bundle, namespaces, ca)
}

// K3, S11: an exclusion does not wait for a missing or invalid source. After a restart,
// without a last good bundle, the status warns that it has not reached the targets; it
// does as soon as the source is back.
func TestExclusionWithoutASource(t *testing.T) {
	s := newScene(t)
	o := startOperator(t)
	namespaces := s.namespaces(2)
	a, b, c := newAuthority("A"), newAuthority("B"), newAuthority("C")
	source := s.source(a, b, c)
	bundle := s.bundle(from(source))
	awaitTargets(t, bundle, namespaces, a, b, c)
	awaitSynced(t, bundle, 2)
	fill(t, source)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSourceBuildError, "2 of 2 targets")
	change(t, bundle, excluding(a))
	awaitTargets(t, bundle, slices.Concat(namespaces, s.namespaces(1)), b, c)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSourceBuildError, source.Name, "1 certificate was removed from the last good bundle", "3 of 3 targets")
	stop(t, o)

	startOperator(t)
	change(t, bundle, excluding(b))
	awaitCondition(t, bundle, v1alpha1.BundleReasonSourceBuildError, "WARNING: spec.exclude has not reached the targets", "since the operator started")
	awaitTargets(t, bundle, namespaces, b, c)
	fill(t, source, a, b, c)
	awaitTargets(t, bundle, namespaces, c)
	awaitSynced(t, bundle, 3)
}

// drillBound is how long an exclusion may take to reach 200 namespaces, on a busy
// machine.
const drillBound = 20 * time.Second

// K3, the distrust drill: a CA that is excluded while an unrelated source is missing
// is removed from 200 namespaces within seconds.
func TestExclusionDrill(t *testing.T) {
	startOperator(t)
	s := newScene(t)
	namespaces := s.namespaces(200)
	stolen, good := newAuthority("Stolen"), newAuthority("Good")
	unrelated := s.source(good)
	bundle := s.bundle(slices.Concat(inLine(stolen), from(unrelated)))
	awaitTargets(t, bundle, namespaces, stolen, good)
	awaitSynced(t, bundle, len(namespaces))
	remove(t, unrelated)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSourceNotFound, rig.TrustNamespace+"/"+unrelated.Name)
	began := time.Now()
	change(t, bundle, excluding(stolen))
	awaitTargets(t, bundle, namespaces, good)
	took := time.Since(began)
	t.Logf("the drill took %s", took.Round(time.Millisecond))
	if took > drillBound {
		t.Errorf("it took %s, want %s", took, drillBound)
	}
	awaitCondition(t, bundle, v1alpha1.BundleReasonSourceNotFound, "spec.exclude is applied all the same", "200 of 200 targets")
}
