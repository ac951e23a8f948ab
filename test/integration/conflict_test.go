package integration

import (
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// T8: an object with another controller, and an immutable one, fail only that
// target, and stay unchanged; all others are synced. C2: the message contains
// the number of failed targets, and names the first few with their cause; it
// does not flap (C3). When the obstacle is deleted, the target is retried at
// once.
func TestConflicts(t *testing.T) { eachAPIKind(t, testConflicts) }

func testConflicts(t *testing.T, s *scene) {
	blocked, free := s.namespaces(5), s.namespaces(3)
	ca := newAuthority("CA")
	bundle := s.newBundle(inLine(ca))
	var inTheWay []*corev1.ConfigMap
	for i, namespace := range blocked {
		object := configMap(namespace, bundle.Name)
		object.Labels = map[string]string{marksOf(bundle.Name).Label: bundle.Name}
		object.Data = map[string]string{targetKey: "other"}
		if i%2 == 0 {
			controller := configMap(namespace, "controller")
			create(t, controller)
			yes := true
			object.OwnerReferences = []metav1.OwnerReference{
				{APIVersion: "v1", Kind: "ConfigMap", Name: controller.Name, UID: controller.UID, Controller: &yes},
			}
		} else {
			yes := true
			object.Immutable = &yes
		}
		create(t, object)
		inTheWay = append(inTheWay, object)
	}
	s.temporary(bundle)
	awaitTargets(t, bundle, free, ca)
	parts := []string{
		"5 of 8 targets failed", "and 2 more",
		"ConfigMap in namespace " + blocked[0] + ": the object is controlled by ConfigMap controller",
		"ConfigMap in namespace " + blocked[1] + ": the object is immutable",
		"ConfigMap in namespace " + blocked[2] + ": the object is controlled by ConfigMap controller",
	}
	awaitCondition(t, bundle, v1alpha1.BundleReasonSyncConfigMapTargetFailed, parts...)
	calm := env.Audit.Mark()
	stays(t, 4*time.Second, "the report", func() error {
		return says(t, bundle, v1alpha1.BundleReasonSyncConfigMapTargetFailed, parts...)
	})
	wrote := requests(t, calm, func(q rig.Request) bool { return q.IsWrite() && q.Name == bundle.Name })
	if len(wrote) > 0 {
		t.Errorf("while nothing changed, the operator wrote %v", wrote)
	}
	for _, object := range inTheWay {
		if now := read(t, object.DeepCopy()); now.ResourceVersion != object.ResourceVersion {
			t.Errorf("the object in %s was touched: %v", object.Namespace, compareContent(object, now))
		}
		began := time.Now()
		remove(t, object)
		awaitTargets(t, bundle, []string{object.Namespace}, ca)
		if took := time.Since(began); took > 2*time.Second { // the backoff is at 4 s
			t.Errorf("the target in %s was tried again after %s, want at once", object.Namespace, took)
		}
	}
	awaitSynced(t, bundle, 8)
}

// T8: a namespace that refuses writes fails only that target, with the cause in
// the message (C2); the operator retries it.
func TestRefusedWrites(t *testing.T) { eachAPIKind(t, testRefusedWrites) }

func testRefusedWrites(t *testing.T, s *scene) {
	refusing, free := s.faultyNamespaces(1), s.namespaces(3)
	env.Admission.Refuse(refusing...)
	ca, next := newAuthority("CA"), newAuthority("Next")
	source := s.source(ca)
	bundle := s.bundle(from(source))
	awaitTargets(t, bundle, free, ca)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSyncConfigMapTargetFailed,
		"1 of 4 targets failed", "ConfigMap in namespace "+refusing[0], rig.Refusal)
	env.Admission.Admit(refusing...)
	awaitTargets(t, bundle, refusing, ca)
	awaitSynced(t, bundle, 4)

	env.Admission.Refuse(refusing...)
	fill(t, source, next)
	awaitTargets(t, bundle, free, next)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSyncConfigMapTargetFailed, "1 of 4 targets failed")
	label(t, refusing[0], sceneLabel, "other")
	awaitCondition(t, bundle, v1alpha1.BundleReasonSyncConfigMapTargetFailed, "1 of 4 targets failed")
	env.Admission.Admit(refusing...)
	poll.Eventually(t, "the release", func() error { return absent(t, bundle, refusing[0]) })
	awaitSynced(t, bundle, 3)
}

// T8, T6: a target that a user has made immutable is accepted while it is in sync,
// and fails when the bundle changes.
func TestTargetMadeImmutable(t *testing.T) { eachAPIKind(t, testTargetMadeImmutable) }

func testTargetMadeImmutable(t *testing.T, s *scene) {
	namespaces := s.namespaces(2)
	ca, next := newAuthority("CA"), newAuthority("Next")
	source := s.source(ca)
	bundle := s.bundle(from(source))
	awaitTargets(t, bundle, namespaces, ca)
	object := configMap(namespaces[0], bundle.Name)
	change(t, object, func(o *corev1.ConfigMap) {
		yes := true
		o.Immutable = &yes
	})
	awaitSynced(t, bundle, 2)
	fill(t, source, next)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSyncConfigMapTargetFailed, "1 of 2 targets failed", namespaces[0], "immutable", "delete it")
	remove(t, object)
	awaitTargets(t, bundle, namespaces, next)
	awaitSynced(t, bundle, 2)
}

// T10: a bundle that is too large is rejected before the first write, with its
// size and the limit; the last good one stays. One that just fits is written.
func TestBundleTooLarge(t *testing.T) { eachAPIKind(t, testBundleTooLarge) }

func testBundleTooLarge(t *testing.T, s *scene) {
	namespaces := s.namespaces(1)
	const limit = 1 << 20
	// Two sources, since one ConfigMap would reach the size limit itself.
	half := newLargeAuthority("Half", 380_000)
	rest := newLargeAuthority("Rest", (limit-len(half.Certificate))*48/65-500) // 65 characters for 48 bytes
	fits := []authority{half, rest}
	if size := len(pemOf(fits...)); size > limit || size < limit-1000 {
		t.Fatalf("the test's bundle has %d bytes, want just below %d", size, limit)
	}
	first, second := s.source(half), s.source(rest)
	bundle := s.bundle(from(first, second))
	awaitTargets(t, bundle, namespaces, fits...)
	awaitSynced(t, bundle, 1)

	drop := newLargeAuthority("Drop", 1000)
	before := env.Audit.Mark()
	change(t, bundle, func(b *v1alpha1.Bundle) { b.Spec.Sources = append(b.Spec.Sources, inLine(drop)...) })
	awaitCondition(t, bundle, v1alpha1.BundleReasonBundleTooLarge, "1048576", fmt.Sprint(len(pemOf(fits...))+len(drop.Certificate)))
	if wrote := requests(t, before, writesOf(bundle)); len(wrote) > 0 {
		t.Errorf("the operator wrote %v", wrote)
	}
	awaitTargets(t, bundle, slices.Concat(namespaces, s.namespaces(1)), fits...)
}

// T13: without --secret-targets-enabled a Bundle with a Secret target reports that,
// and nothing is written for it; if an existing Bundle adds one, its targets stay
// unchanged (S11).
func TestSecretTargetsDisabled(t *testing.T) {
	startOperator(t)
	s := newScene(t)
	namespaces := s.namespaces(2)
	ca := newAuthority("CA")
	askForSecret := func(b *v1alpha1.Bundle) { b.Spec.Target.Secret = &v1alpha1.TargetObject{Key: targetKey} }
	before := env.Audit.Mark()
	fresh := s.bundle(inLine(ca), askForSecret)
	awaitCondition(t, fresh, v1alpha1.BundleReasonSecretTargetsDisabled, "spec.target.secret")
	existing := s.bundle(inLine(ca))
	awaitTargets(t, existing, namespaces, ca)
	awaitSynced(t, existing, 2)
	changed := env.Audit.Mark()
	change(t, existing, askForSecret)
	awaitCondition(t, existing, v1alpha1.BundleReasonSecretTargetsDisabled, "spec.target.secret")
	wrote := append(requests(t, before, writesOf(fresh)), requests(t, changed, writesOf(existing))...)
	if len(wrote) > 0 {
		t.Errorf("the operator wrote %v", wrote)
	}
}
