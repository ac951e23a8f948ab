package integration

import (
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

// C1: a rollout that takes longer than about a second is reported as Syncing, with
// its progress and generation; lastTransitionTime changes only with the status value.
func TestSyncingIsShown(t *testing.T) {
	t.Parallel()
	operator(t)
	s := newScene(t)
	slow, quick := s.faultyNamespaces(2), s.namespaces(4)
	all := slices.Concat(slow, quick)
	ca, next := newAuthority("CA"), newAuthority("Next")
	env.Admission.Hang(slow...)
	bundle := s.bundle(inLine(ca))
	first := awaitCondition(t, bundle, v1alpha1.BundleReasonSyncing, "4 of 6 targets")
	if first.ObservedGeneration != 1 {
		t.Errorf("observedGeneration is %d, want 1", first.ObservedGeneration)
	}
	// lastTransitionTime has seconds.
	time.Sleep(time.Until(first.LastTransitionTime.Add(time.Second)))
	change(t, bundle, func(b *v1alpha1.Bundle) { b.Spec.Sources = inLine(next) })
	awaitTargets(t, bundle, quick, next)
	second := awaitCondition(t, bundle, v1alpha1.BundleReasonSyncing, "4 of 6 targets")
	if second.ObservedGeneration != 2 || !second.LastTransitionTime.Equal(&first.LastTransitionTime) {
		t.Errorf("generation %d since %s; want 2, since %s as before",
			second.ObservedGeneration, second.LastTransitionTime, first.LastTransitionTime)
	}
	env.Admission.Admit(slow...)
	awaitTargets(t, bundle, all, next)
	third := awaitCondition(t, bundle, v1alpha1.BundleReasonSynced, "6 namespaces")
	if !second.LastTransitionTime.Before(&third.LastTransitionTime) {
		t.Errorf("Synced since %s, which is not after %s", third.LastTransitionTime, second.LastTransitionTime)
	}
	change(t, bundle, func(b *v1alpha1.Bundle) { b.Spec.Sources = inLine(ca, next) })
	fourth := awaitCondition(t, bundle, v1alpha1.BundleReasonSynced, "2 certificates", "6 namespaces")
	if !fourth.LastTransitionTime.Equal(&third.LastTransitionTime) {
		t.Errorf("after a quick rollout Synced since %s, want %s as before", fourth.LastTransitionTime, third.LastTransitionTime)
	}
}

// C1: a short rollout is not reported as Syncing.
func TestShortRollOutIsNotShown(t *testing.T) {
	t.Parallel()
	operator(t)
	s := newScene(t)
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
		condition := meta.FindStatusCondition(now.Status.Conditions, v1alpha1.BundleConditionSynced)
		if condition.Status != metav1.ConditionTrue {
			t.Fatalf("on the way it was %s: %s", condition.Reason, condition.Message)
		}
		if strings.Contains(condition.Message, "2 certificates") {
			return
		}
	}
}

// C3: however often a Bundle changes, its status is written about once a second at
// most, and is correct in the end.
func TestStatusIsWrittenSeldom(t *testing.T) {
	t.Parallel()
	operator(t)
	s := newScene(t)
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
	writes := requests(t, before, func(q rig.Request) bool { return q.Resource == "bundles/status" && q.Name == bundle.Name })
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
	} {
		for _, manager := range []string{"somebody", "trust-manager"} {
			t.Run(name+" by "+manager, func(t *testing.T) {
				t.Parallel()
				s := newScene(t)
				s.namespaces(1)
				bundle := s.bundle(inLine(newAuthority("CA")))
				awaitSynced(t, bundle, 1)
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
