package faults

import (
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/test/framework/model"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// policyLabel selects the namespaces in which a policy denies writes.
const policyLabel = theirs + "policy"

var policyMeta = metav1.ObjectMeta{Name: "faults"}

// withPolicy creates a ValidatingAdmissionPolicy that denies the operator's writes.
func (w *world) withPolicy() error {
	if err := w.makeNamespace(policyPlace, true, policyLabel); err != nil {
		return err
	}
	fail := admissionregistrationv1.Fail
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{
		ObjectMeta: policyMeta,
		Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
			FailurePolicy: &fail,
			MatchConstraints: &admissionregistrationv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{policyLabel: "true"}},
				ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{
					RuleWithOperations: admissionregistrationv1.RuleWithOperations{
						Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update},
						Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
					},
				}},
			},
			MatchConditions: []admissionregistrationv1.MatchCondition{{
				Name: "operator", Expression: fmt.Sprintf("request.userInfo.username == %q", rig.UserOf(env.Main.Account)),
			}},
			Validations: []admissionregistrationv1.Validation{{Expression: "false", Message: "the policy of the tests"}},
		},
	}
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: policyMeta,
		Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: policyMeta.Name, ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
		},
	}
	for _, object := range []client.Object{policy, binding} {
		if err := w.api.Create(w.ctx, object); err != nil {
			return err
		}
	}
	w.except(model.ConfigMap, policyPlace)
	w.report.count("admission policies that deny writes")
	return w.awaitPolicy()
}

// awaitPolicy waits until the API server, which watches policies, denies the writes.
func (w *world) awaitPolicy() error {
	config := rest.CopyConfig(env.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: rig.UserOf(env.Main.Account)}
	operator, err := client.New(config, client.Options{Scheme: w.api.Scheme()})
	if err != nil {
		return err
	}
	return poll.Until(w.ctx, "the policy to take effect", func() error {
		probe := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: policyPlace, Name: "probe"}}
		if err := operator.Create(w.ctx, probe, client.DryRunAll); err == nil {
			return fmt.Errorf("a ConfigMap is taken")
		}
		return nil
	})
}

func (w *world) withoutPolicy() error {
	for _, object := range []client.Object{
		&admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: policyMeta},
		&admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: policyMeta},
	} {
		if err := w.api.Delete(w.ctx, object); err != nil {
			return err
		}
	}
	return nil
}
