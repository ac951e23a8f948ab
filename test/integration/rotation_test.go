package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/rotation"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/kinds"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// retaining sets the rotation of a Bundle.
func retaining(long time.Duration) func(*v1alpha1.Bundle) {
	return func(b *v1alpha1.Bundle) {
		b.Spec.Rotation = &v1alpha1.BundleRotation{Retain: metav1.Duration{Duration: long}}
	}
}

// stateOf returns the ConfigMap with the rotation state of a Bundle.
func stateOf(b *v1alpha1.Bundle) *corev1.ConfigMap {
	return configMap(rig.TrustNamespace, rotation.Name(idOf(b)))
}

func idOf(b *v1alpha1.Bundle) bundle.ID { return kinds.IDOf(b.Name) }

// retainedKey returns the key of a CA in that ConfigMap.
func (a authority) retainedKey() string { return "retained-" + a.fingerprint() + ".pem" }

// K5: a CA that has left every source stays in the targets for the retention time, and
// is then dropped by itself; the rotation state is readable, and the status names the CA.
func TestRotation(t *testing.T) { eachAPIKind(t, testRotation) }

func testRotation(t *testing.T, s *scene) {
	namespaces := s.namespaces(2)
	a, b := newAuthority("A"), newAuthority("B")
	source := s.source(a)
	const long = soon
	bundle := s.bundle(from(source), retaining(long))
	awaitTargets(t, bundle, namespaces, a)
	fill(t, source, b)
	left := time.Now()
	awaitTargets(t, bundle, namespaces, b, a)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSynced, "1 certificate that has left its sources is retained", `"CN=A"`)
	if kept := bundle.Status.Inventory.Retained; len(kept) != 1 || kept[0].Subject != "CN=A" || kept[0].SHA256 != a.fingerprint() || bundle.Status.Inventory.RetainedCount != 1 {
		t.Errorf("the inventory has %+v", bundle.Status.Inventory)
	}
	state := read(t, stateOf(bundle))
	if text := state.Data[a.retainedKey()]; !strings.Contains(text, `"CN=A"`) || !strings.Contains(text, "Trusted until: ") || !strings.Contains(text, a.Certificate) {
		t.Errorf("under its key there is %q", text)
	}
	awaitTargets(t, bundle, namespaces, b)
	if early := time.Until(left.Add(long - time.Second)); early > 0 {
		t.Errorf("it went %s too early", early)
	}
	awaitSynced(t, bundle, 2)
	if _, still := read(t, stateOf(bundle)).Data[a.retainedKey()]; still {
		t.Error("it is still remembered")
	}
	remove(t, bundle)
	awaitGone(t, stateOf(bundle))
}

// K5: retention survives a restart, a source that changes while the operator is down,
// and an operator that is killed. Without a change, nothing is written.
func TestRotationSurvivesRestarts(t *testing.T) {
	s := newScene(t)
	o := startOperator(t)
	namespaces := s.namespaces(1)
	a, b, c := newAuthority("A"), newAuthority("B"), newAuthority("C")
	source := s.source(a)
	bundle := s.bundle(from(source), retaining(time.Hour))
	awaitTargets(t, bundle, namespaces, a)
	if err := o.Kill(); err != nil {
		t.Fatal(err)
	}
	fill(t, source, b)
	o = startOperator(t)
	awaitTargets(t, bundle, namespaces, b, a)
	stop(t, o)
	fill(t, source, c)
	o = startOperator(t)
	awaitTargets(t, bundle, namespaces, slices.Concat([]authority{c}, inTheOrderOfLeaving(t, bundle, a, b))...)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSynced, "2 certificates that have left their sources are retained")
	stop(t, o)
	before := env.Audit.Mark()
	startOperator(t)
	stays(t, 2*time.Second, "peace", func() error {
		if wrote := requests(t, before, rig.Request.IsWrite); len(wrote) > 0 {
			return fmt.Errorf("the operator wrote %v", wrote)
		}
		return nil
	})
}

// inTheOrderOfLeaving sorts retained CAs like a target: two that have left in the same
// second are ordered by their fingerprints.
func inTheOrderOfLeaving(t *testing.T, bundle *v1alpha1.Bundle, list ...authority) []authority {
	t.Helper()
	var state *corev1.ConfigMap
	poll.Eventually(t, "the state", func() error {
		state = read(t, stateOf(bundle))
		for _, one := range list {
			if state.Data[one.retainedKey()] == "" {
				return errNotYet
			}
		}
		return nil
	})
	left := func(one authority) string {
		_, text, _ := strings.Cut(state.Data[one.retainedKey()], "# Left its sources: ")
		text, _, _ = strings.Cut(text, "\n")
		return text
	}
	slices.SortFunc(list, func(a, b authority) int {
		return strings.Compare(left(a)+a.fingerprint(), left(b)+b.fingerprint())
	})
	return list
}

// K5: one edit ends the retention of one CA at once and permanently; an exclusion removes
// a retained CA from every target.
func TestRotationIsEnded(t *testing.T) { eachAPIKind(t, testRotationIsEnded) }

func testRotationIsEnded(t *testing.T, s *scene) {
	namespaces := s.namespaces(2)
	a, b, c := newAuthority("A"), newAuthority("B"), newAuthority("C")
	source := s.source(a, b, c)
	bundle := s.bundle(from(source), retaining(time.Hour))
	awaitTargets(t, bundle, namespaces, a, b, c)
	fill(t, source, c)
	awaitTargets(t, bundle, namespaces, slices.Concat([]authority{c}, inTheOrderOfLeaving(t, bundle, a, b))...)
	change(t, stateOf(bundle), func(o *corev1.ConfigMap) { delete(o.Data, a.retainedKey()) })
	awaitTargets(t, bundle, namespaces, c, b)
	change(t, bundle, excluding(b))
	awaitTargets(t, bundle, namespaces, c)
	change(t, bundle, func(o *v1alpha1.Bundle) { o.Spec.Exclude = nil })
	awaitSynced(t, bundle, 2)
	stays(t, time.Second, "that nothing comes back", func() error {
		return target{bundle: bundle, namespace: namespaces[0], certificates: []authority{c}}.check(read(t, configMap(namespaces[0], bundle.Name)))
	})
}

// K5: if a source is deleted, its CAs are retained: the Bundle stays synced with the
// others, and the message names the retained CAs. An invalid source blocks the Bundle, as
// usual.
func TestRotationOfAVanishedSource(t *testing.T) { eachAPIKind(t, testRotationOfAVanishedSource) }

func testRotationOfAVanishedSource(t *testing.T, s *scene) {
	namespaces := s.namespaces(1)
	a, b, c, d := newAuthority("A"), newAuthority("B"), newAuthority("C"), newAuthority("D")
	vanishing, other := s.source(a), s.source(b)
	bundle := s.bundle(from(vanishing, other), retaining(time.Hour))
	awaitTargets(t, bundle, namespaces, a, b)
	remove(t, vanishing)
	awaitTargets(t, bundle, namespaces, b, a)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSynced, `"CN=A"`, vanishing.Name, "its certificates count as removed")
	fill(t, other, c)
	awaitTargets(t, bundle, namespaces, slices.Concat([]authority{c}, inTheOrderOfLeaving(t, bundle, a, b))...)
	fill(t, other)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSourceBuildError, other.Name)
	vanishing = configMap(rig.TrustNamespace, vanishing.Name)
	vanishing.Data = map[string]string{sourceKey: pemOf(d)}
	create(t, vanishing) // the clean-up deletes it by name
	awaitCondition(t, bundle, v1alpha1.BundleReasonSourceBuildError, other.Name)
	fill(t, other, c)
	awaitTargets(t, bundle, namespaces, slices.Concat([]authority{d, c}, inTheOrderOfLeaving(t, bundle, a, b))...)
	never := s.bundle(from(configMap(rig.TrustNamespace, s.unique())), retaining(time.Hour))
	awaitCondition(t, never, v1alpha1.BundleReasonSourceNotFound)
}

// K5: the rotation state is never read as a source, not even by a selector that matches
// everything; invalid content in it does no harm, and is reported.
func TestRotationStateIsNoSource(t *testing.T) { eachAPIKind(t, testRotationStateIsNoSource) }

func testRotationStateIsNoSource(t *testing.T, s *scene) {
	namespaces := s.namespaces(1)
	a, b := newAuthority("A"), newAuthority("B")
	source := s.source(a)
	s.selected(source)
	selecting, _ := s.selecting("")
	bundle := s.bundle([]v1alpha1.BundleSource{selecting}, retaining(time.Hour))
	awaitTargets(t, bundle, namespaces, a)
	fill(t, source, b)
	awaitTargets(t, bundle, namespaces, b, a)
	change(t, stateOf(bundle), func(o *corev1.ConfigMap) { o.Labels[sourceLabel] = s.name })
	reader := s.bundle([]v1alpha1.BundleSource{selecting})
	awaitTargets(t, reader, namespaces, b)
	named := s.bundle([]v1alpha1.BundleSource{{ConfigMap: &v1alpha1.SourceObject{Name: rotation.Name(idOf(bundle)), Key: a.retainedKey()}}})
	awaitCondition(t, named, v1alpha1.BundleReasonSourceBuildError, "never a source")

	change(t, stateOf(bundle), func(o *corev1.ConfigMap) {
		o.Data[a.retainedKey()] = "nonsense"
		o.Data["mine"] = pemOf(newAuthority("Theirs"))
		o.BinaryData["present"] = []byte("nonsense")
	})
	awaitTargets(t, bundle, namespaces, b)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSynced, "ConfigMap "+rig.TrustNamespace+"/"+rotation.Name(idOf(bundle)), `key "mine"`)
	remove(t, stateOf(bundle))
	fill(t, source, a)
	poll.Eventually(t, "the state", func() error {
		return api.Get(t.Context(), client.ObjectKeyFromObject(stateOf(bundle)), stateOf(bundle))
	})
	awaitTargets(t, reader, namespaces, a)
}

// K5: if a bundle is too large with its retained CAs, it has only the new CAs once the
// retention has ended: also if the rotation state cannot be persisted for a while, and
// after a restart. The message names both causes.
func TestRotationOfALargeBundle(t *testing.T) {
	s := newScene(t)
	o := startOperator(t)
	namespaces := s.namespaces(1)
	large := func(name string) (list []authority) {
		for i := range 8 {
			list = append(list, newAuthority(fmt.Sprint(name, i), ca.Padded(60_000)))
		}
		return list
	}
	const long = 15 * time.Second
	older, newer := large("Older"), large("Newer")
	source := s.source(older...)
	bundle := s.bundle(from(source), retaining(long))
	awaitTargets(t, bundle, namespaces, older...)
	admit := s.refuseState(bundle)
	fill(t, source, newer...)
	awaitCondition(t, bundle, v1alpha1.BundleReasonBundleTooLarge, "8 of its certificates are retained", stateOf(bundle).Name, refusedState)
	admit()
	poll.Eventually(t, "the state", func() error {
		if text := read(t, stateOf(bundle)).Data[older[0].retainedKey()]; text == "" {
			return errNotYet
		}
		return nil
	})
	if err := o.Kill(); err != nil {
		t.Fatal(err)
	}
	startOperator(t)
	awaitTargets(t, bundle, namespaces, newer...)
	awaitSynced(t, bundle, 1)
}

const refusedState = "the policy of the test"

// refuseState creates a policy that denies writes of the rotation state of a Bundle until
// admit is called.
func (s *scene) refuseState(bundle *v1alpha1.Bundle) (admit func()) {
	s.t.Helper()
	fail := admissionregistrationv1.Fail
	meta := metav1.ObjectMeta{Name: s.unique()}
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: meta, Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
		FailurePolicy: &fail,
		MatchConstraints: &admissionregistrationv1.MatchResources{ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{
			ResourceNames: []string{stateOf(bundle).Name},
			RuleWithOperations: admissionregistrationv1.RuleWithOperations{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
			},
		}}},
		Validations: []admissionregistrationv1.Validation{{Expression: "false", Message: refusedState}},
	}}
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: meta, Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
		PolicyName: meta.Name, ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
	}}
	s.temporary(policy)
	s.temporary(binding)
	poll.Eventually(s.t, "the policy to be active", func() error {
		err := api.Update(s.t.Context(), read(s.t, stateOf(bundle)), client.DryRunAll)
		if err == nil || !strings.Contains(err.Error(), refusedState) {
			return fmt.Errorf("a write gives %w", err)
		}
		return nil
	})
	return func() { remove(s.t, binding) }
}
