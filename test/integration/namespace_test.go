package integration

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// holdFinalizer blocks the deletion of an object, and thereby of its namespace.
const holdFinalizer = "integration.trust-manager.io/hold"

// S13: a namespace that is created, or gains or loses the label, gains or loses the
// target, and the message counts it (C1).
func TestNamespacesComeAndGo(t *testing.T) { eachAPIKind(t, testNamespacesComeAndGo) }

func testNamespacesComeAndGo(t *testing.T, s *scene) {
	ca := newAuthority("CA")
	bundle := s.bundle(inLine(ca))
	awaitSynced(t, bundle, 0)

	first := s.namespaces(1)
	awaitTargets(t, bundle, first, ca)

	second := s.labelledNamespaces(1, map[string]string{"other": "label"})[0]
	label(t, second, sceneLabel, s.name)
	awaitTargets(t, bundle, []string{second}, ca)
	awaitSynced(t, bundle, 2)

	label(t, second, sceneLabel, "other")
	poll.Eventually(t, "the target to go", func() error { return absent(t, bundle, second) })

	label(t, second, sceneLabel, s.name)
	awaitTargets(t, bundle, []string{second}, ca)
	label(t, second, sceneLabel, "")
	poll.Eventually(t, "the target to go", func() error { return absent(t, bundle, second) })

	remove(t, namespaceNamed(first[0]))
	awaitSynced(t, bundle, 0)
}

// T9: nothing is written in a terminating namespace, and it is neither a failure nor
// counted.
func TestTerminatingNamespaceIsLeftAlone(t *testing.T) {
	eachAPIKind(t, testTerminatingNamespaceIsLeftAlone)
}

func testTerminatingNamespaceIsLeftAlone(t *testing.T, s *scene) {
	ca, next := newAuthority("CA"), newAuthority("Next")
	source := s.source(ca)
	namespaces := s.namespaces(2)
	bundle := s.bundle(from(source))
	awaitTargets(t, bundle, namespaces, ca)
	awaitSynced(t, bundle, 2)

	terminating, active := namespaces[0], namespaces[1:]
	hold(t, terminating)
	remove(t, namespaceNamed(terminating))
	deleted := env.Audit.Mark()
	awaitSynced(t, bundle, 1)
	poll.Eventually(t, "the namespace's end to take the target", func() error { return absent(t, bundle, terminating) })
	fill(t, source, next)
	awaitTargets(t, bundle, active, next)
	late := s.bundle(from(source))
	awaitTargets(t, late, active, next)
	awaitSynced(t, late, 1)
	awaitSynced(t, bundle, 1)
	wrote := requests(t, deleted, func(q rig.Request) bool { return q.IsWrite() && q.Namespace == terminating })
	if len(wrote) > 0 {
		t.Errorf("written in the terminating namespace: %v", wrote)
	}
}

// T9: a namespace that is deleted and re-created under its name during a rollout ends
// up with the target.
func TestNamespaceRecreatedDuringRollout(t *testing.T) {
	eachAPIKind(t, testNamespaceRecreatedDuringRollout)
}

func testNamespaceRecreatedDuringRollout(t *testing.T, s *scene) {
	first, second, third := newAuthority("First"), newAuthority("Second"), newAuthority("Third")
	source := s.source(first)
	slow, fast := s.faultyNamespaces(1), s.namespaces(10)
	all := slices.Concat(slow, fast)
	bundle := s.bundle(from(source))
	awaitTargets(t, bundle, all, first)

	env.Admission.Hang(slow...)
	fill(t, source, second)
	awaitTargets(t, bundle, fast[2:], second)
	again := fast[:2]
	for _, namespace := range again {
		remove(t, namespaceNamed(namespace))
	}
	fill(t, source, third)
	for _, namespace := range again {
		awaitGone(t, namespaceNamed(namespace))
		create(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: map[string]string{sceneLabel: s.name}}})
	}
	awaitTargets(t, bundle, fast, third)
	if _, err := (target{bundle: bundle, namespace: slow[0], certificates: []authority{first}}).look(t); err != nil {
		t.Errorf("the rollout had ended before: %v", err)
	}
	env.Admission.Admit(slow...)
	awaitTargets(t, bundle, all, third)
	awaitSynced(t, bundle, len(all))
}

// T9: an active namespace that refuses its first writes as if it were terminating or
// gone has its target soon after it accepts them, and the Bundle is not synced before.
func TestActiveNamespaceRefusesAsTerminating(t *testing.T) {
	eachAPIKind(t, testActiveNamespaceRefusesAsTerminating)
}

func testActiveNamespaceRefusesAsTerminating(t *testing.T, s *scene) {
	for name, status := range map[string]func(string) metav1.Status{"terminating": rig.Terminating, "not found": rig.Missing} {
		for _, long := range []time.Duration{100 * time.Millisecond, 5 * time.Second} {
			t.Run(fmt.Sprint(name, " for ", long), func(t *testing.T) {
				t.Parallel()
				ca := newAuthority("CA")
				namespace := s.faultyNamespaces(1)[0]
				inIt := func(b *v1alpha1.Bundle) {
					b.Spec.Target.NamespaceSelector.MatchLabels = map[string]v1alpha1.LabelValue{corev1.LabelMetadataName: namespace}
				}
				awaitTargets(t, s.bundle(inLine(ca), inIt), []string{namespace}, ca) // the operator has observed the namespace then
				env.Admission.RefuseWith(status(namespace), namespace)
				bundle := s.bundle(inLine(ca), inIt)
				stays(t, long, "out of sync", func() error {
					now := read(t, bundle)
					if condition := meta.FindStatusCondition(now.Status.Conditions, v1alpha1.BundleConditionSynced); condition != nil && condition.Status == metav1.ConditionTrue {
						return fmt.Errorf("the status is %+v", condition)
					}
					return nil
				})
				env.Admission.Admit(namespace)
				began := time.Now()
				awaitTargets(t, bundle, []string{namespace}, ca)
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("the target came after %s", took)
				}
				awaitSynced(t, bundle, 1)
			})
		}
	}
}

// hold blocks the deletion of a namespace until the test ends.
func hold(t *testing.T, namespace string) {
	t.Helper()
	object := configMap(namespace, "hold")
	object.Finalizers = []string{holdFinalizer}
	create(t, object)
	t.Cleanup(func() {
		free := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
		if err := api.Patch(context.Background(), object, free); err != nil {
			t.Error(err)
		}
	})
}

func namespaceNamed(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}
