package integration

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// awaitRollout waits until a Bundle reports a rollout of its current generation, with this
// progress, and returns it.
func awaitRollout(t *testing.T, bundle *v1alpha1.Bundle, progress string) {
	t.Helper()
	poll.Eventually(t, "the rollout of Bundle "+bundle.Name, func() error {
		now := read(t, bundle)
		for conditionType, want := range map[string]metav1.ConditionStatus{
			v1alpha1.BundleConditionReady: metav1.ConditionFalse, v1alpha1.BundleConditionReconciling: metav1.ConditionTrue,
		} {
			condition := meta.FindStatusCondition(now.Status.Conditions, conditionType)
			if condition == nil || condition.Status != want || condition.Reason != v1alpha1.BundleReasonRollout ||
				condition.ObservedGeneration != now.Generation || !strings.Contains(condition.Message, progress) {
				return fmt.Errorf("%s is %+v", conditionType, condition)
			}
		}
		return nil
	})
}

// C1, C6: a rollout that takes longer than about a second is reported with its progress and
// generation. Synced is absent during the first one and stays True during the next.
func TestRolloutIsShown(t *testing.T) { eachAPIKind(t, testRolloutIsShown) }

func testRolloutIsShown(t *testing.T, s *scene) {
	slow, quick := s.faultyNamespaces(2), s.namespaces(4)
	all := slices.Concat(slow, quick)
	ca, next := newAuthority("CA"), newAuthority("Next")
	synced := func(b *v1alpha1.Bundle) *metav1.Condition {
		return meta.FindStatusCondition(read(t, b).Status.Conditions, v1alpha1.BundleConditionSynced)
	}
	env.Admission.Hang(slow...)
	bundle := s.bundle(inLine(ca))
	awaitRollout(t, bundle, "4 of 6 targets")
	if condition := synced(bundle); condition != nil {
		t.Errorf("during the first rollout, Synced is %+v", condition)
	}
	env.Admission.Admit(slow...)
	awaitTargets(t, bundle, all, ca)
	first := awaitCondition(t, bundle, v1alpha1.BundleReasonSynced, "6 namespaces")
	env.Admission.Hang(slow...)
	change(t, bundle, func(b *v1alpha1.Bundle) { b.Spec.Sources = inLine(next) })
	awaitTargets(t, bundle, quick, next)
	awaitRollout(t, bundle, "4 of 6 targets")
	if condition := synced(bundle); condition == nil || *condition != first {
		t.Errorf("during the second rollout, Synced is %+v, want %+v", condition, first)
	}
	env.Admission.Admit(slow...)
	awaitTargets(t, bundle, all, next)
	second := awaitCondition(t, bundle, v1alpha1.BundleReasonSynced, "6 namespaces")
	if second.ObservedGeneration != 2 || !second.LastTransitionTime.Equal(&first.LastTransitionTime) {
		t.Errorf("generation %d since %s; want 2, since %s as before", second.ObservedGeneration, second.LastTransitionTime, first.LastTransitionTime)
	}
	if len(bundle.Status.Conditions) != 2 {
		t.Errorf("at the end there are the conditions %+v", bundle.Status.Conditions)
	}
}

// A15, P4: the digest is that of the PEM file, and lastChanged changes with it.
func TestDigestInTheStatus(t *testing.T) { eachAPIKind(t, testDigestInTheStatus) }

func testDigestInTheStatus(t *testing.T, s *scene) {
	namespace := s.namespaces(1)[0]
	bundle := s.bundle(inLine(newAuthority("CA")))
	check := func() metav1.Time {
		t.Helper()
		awaitSynced(t, bundle, 1)
		text := read(t, configMap(namespace, bundle.Name)).Data[targetKey]
		if want := fmt.Sprintf("%x", sha256.Sum256([]byte(text))); bundle.Status.Digest != want || bundle.Status.LastChanged == nil {
			t.Fatalf("the digest is %q since %s, want %q", bundle.Status.Digest, bundle.Status.LastChanged, want)
		}
		return *bundle.Status.LastChanged
	}
	first := check()
	time.Sleep(time.Until(first.Add(time.Second))) // the time has seconds
	change(t, bundle, func(b *v1alpha1.Bundle) { b.Spec.Target.ConfigMap.Metadata = asked })
	if second := check(); !second.Equal(&first) {
		t.Errorf("the digest has not changed, and the time is %s after %s", second, first)
	}
	change(t, bundle, func(b *v1alpha1.Bundle) { b.Spec.Sources = inLine(newAuthority("Next")) })
	if third := check(); !first.Before(&third) {
		t.Errorf("the digest has changed, and the time is %s after %s", third, first)
	}
}

// C1: a short rollout is not reported.
func TestShortRollOutIsNotShown(t *testing.T) { eachAPIKind(t, testShortRollOutIsNotShown) }

func testShortRollOutIsNotShown(t *testing.T, s *scene) {
	s.namespaces(3)
	source := s.source(newAuthority("CA"))
	bundle := s.bundle(from(source))
	awaitSynced(t, bundle, 3)
	watcher, err := api.Watch(t.Context(), &v1alpha1.BundleList{}, client.MatchingFields{"metadata.name": bundle.Name})
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Stop()
	fill(t, source, authorities("A", "B")...)
	for event := range watcher.ResultChan() {
		now, ok := event.Object.(*v1alpha1.Bundle)
		if !ok {
			t.Fatalf("the watch says %s: %v", event.Type, event.Object)
		}
		for _, condition := range now.Status.Conditions {
			if condition.Status != metav1.ConditionTrue || condition.Type == v1alpha1.BundleConditionReconciling {
				t.Fatalf("on the way there was %+v", condition)
			}
		}
		condition := meta.FindStatusCondition(now.Status.Conditions, v1alpha1.BundleConditionSynced)
		if strings.Contains(condition.Message, "2 certificates") {
			return
		}
	}
}

// C3: however often a Bundle changes, its status is written about once a second at
// most, and is correct in the end.
func TestStatusIsWrittenSeldom(t *testing.T) { eachAPIKind(t, testStatusIsWrittenSeldom) }

func testStatusIsWrittenSeldom(t *testing.T, s *scene) {
	namespaces := s.namespaces(2)
	a, b := newAuthority("A"), newAuthority("B")
	source := s.source(a)
	bundle := s.bundle(from(source))
	awaitSynced(t, bundle, 2)
	before := env.Audit.Mark()
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end); {
		for _, content := range [][]authority{{a, b}, {a}} {
			fill(t, source, content...)
			awaitTargets(t, bundle, namespaces, content...)
		}
	}
	fill(t, source, a, b)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSynced, "2 certificates", "2 namespaces")
	writes := requests(t, before, func(q rig.Request) bool {
		return strings.HasSuffix(q.Resource, "bundles/status") && q.Name == bundle.Name
	})
	for i := 1; i < len(writes); i++ {
		if pause := writes[i].Received.Sub(writes[i-1].Received); pause < 900*time.Millisecond {
			t.Errorf("two writes of the status within %s", pause)
		}
	}
	if len(writes) > 6 {
		t.Errorf("%d writes of the status within about 4 s", len(writes))
	}
}

// C1, C3: a foreign change of the status is reverted. Foreign conditions stay.
func TestTamperedStatusIsRepaired(t *testing.T) {
	t.Parallel()
	operator(t)
	own := func(b *v1alpha1.Bundle) *metav1.Condition {
		return meta.FindStatusCondition(b.Status.Conditions, v1alpha1.BundleConditionSynced)
	}
	for name, tamper := range map[string]func(*v1alpha1.Bundle){
		"value":      func(b *v1alpha1.Bundle) { own(b).Status = metav1.ConditionFalse },
		"reason":     func(b *v1alpha1.Bundle) { own(b).Reason = "Tampered" },
		"message":    func(b *v1alpha1.Bundle) { own(b).Message = "tampered" },
		"generation": func(b *v1alpha1.Bundle) { own(b).ObservedGeneration = 7 },
		"removed": func(b *v1alpha1.Bundle) {
			meta.RemoveStatusCondition(&b.Status.Conditions, v1alpha1.BundleConditionSynced)
		},
		"package": func(b *v1alpha1.Bundle) { b.Status.DefaultCAVersion = "tampered" },
		"digest":  func(b *v1alpha1.Bundle) { b.Status.Digest = strings.Repeat("0", 64) },
		"stalled": func(b *v1alpha1.Bundle) {
			meta.SetStatusCondition(&b.Status.Conditions, metav1.Condition{Type: v1alpha1.BundleConditionStalled, Status: metav1.ConditionTrue, Reason: "Tampered"})
		},
	} {
		for _, manager := range []string{"somebody", "trust-manager"} {
			t.Run(name+" by "+manager, func(t *testing.T) {
				t.Parallel()
				s := newScene(t)
				s.namespaces(1)
				bundle := s.bundle(inLine(newAuthority("CA")))
				awaitSynced(t, bundle, 1)
				digest := bundle.Status.Digest
				others := metav1.Condition{
					Type: "Theirs", Status: metav1.ConditionUnknown, Reason: "Theirs", Message: "of others", ObservedGeneration: 1,
					LastTransitionTime: metav1.NewTime(time.Now().Add(-time.Hour)).Rfc3339Copy(),
				}
				bundle.Status.Conditions = append(bundle.Status.Conditions, others)
				tamper(bundle)
				if err := api.Status().Update(t.Context(), bundle, client.FieldOwner(manager)); err != nil {
					t.Fatal(err)
				}
				poll.Eventually(t, "the status to be right", func() error {
					if err := says(t, bundle, v1alpha1.BundleReasonSynced, "1 certificate", "1 namespace"); err != nil {
						return err
					}
					if bundle.Status.DefaultCAVersion != "" {
						return fmt.Errorf("defaultCAVersion is %q", bundle.Status.DefaultCAVersion)
					}
					if bundle.Status.Digest != digest {
						return fmt.Errorf("the digest is %q", bundle.Status.Digest)
					}
					if meta.FindStatusCondition(bundle.Status.Conditions, v1alpha1.BundleConditionStalled) != nil {
						return errors.New("it is stalled")
					}
					return nil
				})
				theirs := meta.FindStatusCondition(bundle.Status.Conditions, others.Type)
				if manager == "somebody" && (theirs == nil || theirs.Message != others.Message || !theirs.LastTransitionTime.Equal(&others.LastTransitionTime)) {
					t.Errorf("the condition of others is %v", theirs)
				}
			})
		}
	}
}
