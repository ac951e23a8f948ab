package integration

import (
	"fmt"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/poll"
)

// T6, T7: an admission policy adds a key to each new ConfigMap: the key survives
// rollouts, and the target is shared, though no response to a write shows the key. C1:
// a change of the bundle itself by such a policy is repaired.
func TestDataChangedByAdmission(t *testing.T) { eachAPIKind(t, testDataChangedByAdmission) }

func testDataChangedByAdmission(t *testing.T, s *scene) {
	for name, tc := range map[string]struct {
		key, value string
		theirs     map[string]string
	}{
		"a key beside the bundle": {"theirs", "injected", map[string]string{"theirs": "injected"}},
		"the bundle itself":       {targetKey, "tampered", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mark := s.unique()
			injects(t, s, mark, tc.key, tc.value)
			ca, next := newAuthority("CA"), newAuthority("Next")
			source := s.source(ca)
			bundle := s.bundle(from(source), func(b *v1alpha1.Bundle) {
				b.Spec.Target.NamespaceSelector.MatchLabels = map[string]v1alpha1.LabelValue{mutatedLabel: mark}
			})
			namespace := s.labelledNamespaces(1, map[string]string{mutatedLabel: mark})[0]
			want := target{bundle: bundle, namespace: namespace, certificates: []authority{ca}, data: tc.theirs}
			want.await(t)
			fill(t, source, next)
			want.certificates = []authority{next}
			want.await(t)
			awaitSynced(t, bundle, 2) // the other namespace is that of the probes
		})
	}
}

// mutatedLabel holds the name of the policy for the objects of a namespace.
const mutatedLabel = "integration/mutated"

// injects creates a policy that sets a key of each ConfigMap created in namespaces
// with the mark.
func injects(t *testing.T, s *scene, mark, key, value string) {
	t.Helper()
	fail := admissionregistrationv1.Fail
	policy := &admissionregistrationv1.MutatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: mark},
		Spec: admissionregistrationv1.MutatingAdmissionPolicySpec{
			MatchConstraints: &admissionregistrationv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{mutatedLabel: mark}},
				ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{RuleWithOperations: admissionregistrationv1.RuleWithOperations{
					Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
					Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
				}}},
			},
			Mutations: []admissionregistrationv1.Mutation{{
				PatchType: admissionregistrationv1.PatchTypeJSONPatch,
				JSONPatch: &admissionregistrationv1.JSONPatch{
					Expression: fmt.Sprintf("has(object.data) ? [JSONPatch{op: 'add', path: '/data/' + jsonpatch.escapeKey(%q), value: %q}] : []", key, value),
				},
			}},
			FailurePolicy:      &fail,
			ReinvocationPolicy: admissionregistrationv1.NeverReinvocationPolicy,
		},
	}
	binding := &admissionregistrationv1.MutatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: mark},
		Spec:       admissionregistrationv1.MutatingAdmissionPolicyBindingSpec{PolicyName: mark},
	}
	for _, object := range []client.Object{policy, binding} {
		s.temporary(object)
	}
	namespace := s.labelledNamespaces(1, map[string]string{mutatedLabel: mark})[0]
	poll.Eventually(t, "the policy to take effect", func() error {
		probe := configMap(namespace, s.unique())
		probe.Data = map[string]string{"probe": ""}
		create(t, probe)
		if probe.Data[key] != value {
			return errNotYet
		}
		return nil
	})
}
