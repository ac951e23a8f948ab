package integration

import (
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/rig"
)

// checks is the result of check.
type checks struct {
	Checks []struct{ Name, Subject, Status, Detail string }
}

// want checks the status of the checks with a name and a subject, and a text in the detail.
func (c checks) want(t *testing.T, name, subject, status, text string) {
	t.Helper()
	for _, check := range c.Checks {
		if check.Name == name && check.Subject == subject {
			if check.Status != status || !strings.Contains(check.Detail, text) {
				t.Errorf("%s %s: %s: %s; want %s: %s", name, subject, check.Status, check.Detail, status, text)
			}
			return
		}
	}
	t.Errorf("there is no check %q of %q: %+v", name, subject, c.Checks)
}

// L9: check passes an operator as the chart installs it, and finds what is wrong with it.
func TestCheck(t *testing.T) {
	startOperator(t, "--secret-targets-enabled")
	s := newScene(t)
	namespaces := s.namespaces(1)
	pauseGarbageCollection(t) // and with it the controller that maintains the status of Deployments
	good := s.bundle(inLine(newAuthority("CA")))
	awaitSynced(t, good, 1)
	var result checks
	trustJSON(t, &result, 1, "check")
	result.want(t, "operator", "", "fail", "there is no Deployment")
	result.want(t, "webhook", "", "fail", "there is no ValidatingWebhookConfiguration")
	result.want(t, "definitions", "Bundle", "pass", "trust.cert-manager.io/v1alpha1")
	result.want(t, "definitions", "ClusterBundle", "pass", "trust-manager.io/v1alpha2")

	operator := deployment("trust-manager", 1)
	s.temporary(operator)
	operator.Status = appsv1.DeploymentStatus{Replicas: 1, ReadyReplicas: 1, AvailableReplicas: 1}
	if err := api.Status().Update(t.Context(), operator); err != nil {
		t.Fatal(err)
	}
	endpoints := s.webhook()
	for name, kubelet := range map[string]string{"new": "v1.37.2", "old": "v1.36.1"} {
		s.node(name, kubelet)
	}
	account := "service account " + rig.TrustNamespace + ":" + env.Main.Account
	result = checks{}
	trustJSON(t, &result, 0, "check")
	result.want(t, "operator", rig.TrustNamespace+"/trust-manager", "pass", "version 0.1.0, 1 of 1")
	result.want(t, "webhook", "trust-manager", "pass", "failurePolicy Ignore, 1 endpoint is ready")
	result.want(t, "rights", account, "pass", "all rights")
	result.want(t, "Kubernetes", "", "pass", "v1.")
	result.want(t, "ClusterTrustBundles", "", "pass", "v1")
	result.want(t, "nodes", "kubelet 1.37 (1)", "pass", "by default")
	result.want(t, "nodes", "kubelet 1.36 (1)", "skip", "cannot mount")
	result.want(t, "admission policies", "MutatingAdmissionPolicy", "pass", "v1")
	result.want(t, "default CAs", "", "skip", "no bundle")

	bad := s.bundle([]v1alpha1.BundleSource{{ConfigMap: &v1alpha1.SourceObject{Name: "missing", Key: "ca.crt"}}}, inSecrets.ask)
	awaitCondition(t, bad, v1alpha1.BundleReasonSourceNotFound)
	remove(t, endpoints)
	change(t, operator, func(d *appsv1.Deployment) { d.Spec.Template.Spec.ServiceAccountName = "other" })
	result = checks{}
	trustJSON(t, &result, 1, "check")
	result.want(t, "bundles", "Bundle "+bad.Name, "fail", "SourceNotFound: ")
	result.want(t, "bundles", "", "fail", "in sync")
	result.want(t, "webhook", "trust-manager", "fail", "no ready endpoint")
	result.want(t, "rights", "service account "+rig.TrustNamespace+":other", "fail", "it may not list namespaces")
	if out, _ := trust(t, 1, "check"); !strings.Contains(out, "fail     webhook (trust-manager): the Service "+rig.TrustNamespace) {
		t.Errorf("the table lacks the webhook:\n%s", out)
	}

	user := s.unique()
	s.grant(user, namespaces[0], "pods", "list")
	result = checks{}
	trustJSON(t, &result, 2, "check", "--as", user)
	result.want(t, "operator", "", "unknown", "forbidden")
	result.want(t, "bundles", "", "unknown", "forbidden")
	result.want(t, "nodes", "", "unknown", "forbidden")
}

// L9: check --pre examines a cluster before an installation.
func TestCheckPre(t *testing.T) {
	noOperator(t)
	s := newScene(t)
	var result checks
	trustJSON(t, &result, 0, "check", "--pre")
	result.want(t, "rights", "", "pass", "you may create")
	result.want(t, "definitions", "Bundle", "pass", "already installed")
	result.want(t, "operator", "", "pass", "no trust-manager")
	result.want(t, "trust namespace", rig.TrustNamespace, "pass", "exists")
	result.want(t, "webhook certificate", "", "pass", "the operator will issue it")

	s.temporary(deployment(s.unique(), 1))
	result = checks{}
	trustJSON(t, &result, 1, "check", "--pre", "--trust-namespace", "nowhere")
	result.want(t, "operator", "", "warn", "already installed")
	result.want(t, "trust namespace", "nowhere", "fail", "kubectl create namespace nowhere")

	result = checks{}
	trustJSON(t, &result, 1, "check", "--pre", "--as", s.unique())
	result.want(t, "rights", "", "fail", "you may not create customresourcedefinitions.apiextensions.k8s.io")
	result.want(t, "operator", "", "unknown", "forbidden")
}

// webhook creates the configuration of a webhook as the chart has it, and the endpoints of its
// Service, which it returns. The API server ignores that no webhook answers.
func (s *scene) webhook() client.Object {
	s.t.Helper()
	const name = "trust-manager"
	ignore, none, path, timeout := admissionregistrationv1.Ignore, admissionregistrationv1.SideEffectClassNone, "/", int32(1)
	s.temporary(&admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: "trust.cert-manager.io",
			ClientConfig: admissionregistrationv1.WebhookClientConfig{
				CABundle: []byte(newAuthority("Webhook").Certificate),
				Service:  &admissionregistrationv1.ServiceReference{Namespace: rig.TrustNamespace, Name: name, Path: &path},
			},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{v1alpha1.GroupVersion.Group}, APIVersions: []string{"*"}, Resources: []string{"bundles"}},
			}},
			FailurePolicy: &ignore, SideEffects: &none, TimeoutSeconds: &timeout, AdmissionReviewVersions: []string{"v1"},
		}},
	})
	endpoints := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: rig.TrustNamespace, Name: s.unique(), Labels: map[string]string{discoveryv1.LabelServiceName: name}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{"192.0.2.1"}}},
	}
	s.temporary(endpoints)
	return endpoints
}

// node creates a node with a version of the kubelet.
func (s *scene) node(name, kubelet string) {
	s.t.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: s.unique() + "-" + name}}
	s.temporary(node)
	node.Status.NodeInfo.KubeletVersion = kubelet
	if err := api.Status().Update(s.t.Context(), node); err != nil {
		s.t.Fatal(err)
	}
}
