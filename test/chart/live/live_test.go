package live

import (
	"context"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/test/framework/helm"
)

const (
	release   = "release"
	installed = "install"
)

// sets are values of the chart that together enable every feature. has and lacks
// are objects, as "Kind namespace/name", that must and must not be rendered.
var sets = map[string]struct {
	args       []string
	has, lacks []string
}{
	"defaults": {
		has: []string{
			"Deployment install/trust-manager", "Certificate install/trust-manager", "Issuer install/trust-manager",
			"CustomResourceDefinition /bundles.trust.cert-manager.io", "ValidatingWebhookConfiguration /trust-manager",
		},
		lacks: []string{"ClusterRole /trust-manager:webhook", "PodDisruptionBudget install/trust-manager"},
	},
	"every value": {
		args: []string{"--values", "../testdata/every-value.yaml"},
		has: []string{
			"Deployment trust-system/trust", "CertificateRequestPolicy /trust-manager-policy", "ServiceMonitor trust-system/trust",
			"PodDisruptionBudget trust-system/trust", "Role team-a/trust:targets",
		},
	},
	"a certificate by Helm": {
		args:  set("app.webhook.tls.helmCert.enabled=true"),
		has:   []string{"Secret install/trust-manager-tls"},
		lacks: []string{"Certificate install/trust-manager"},
	},
	"a certificate by cert-manager": {
		args: set("app.webhook.tls.mode=certManager", "app.webhook.tls.certificate.duration=720h", "app.webhook.tls.certificate.secretTemplate.labels.a=b"),
		has:  []string{"Certificate install/trust-manager"},
	},
	"approver-policy": {
		args: set("app.webhook.tls.approverPolicy.enabled=true", "app.webhook.tls.approverPolicy.certManagerNamespace=cm"),
		has:  []string{"CertificateRequestPolicy /trust-manager-policy", "Role install/trust-manager-policy", "RoleBinding install/trust-manager-policy"},
	},
	"a self-managed certificate": {
		args:  set("app.webhook.tls.mode=selfManaged"),
		has:   []string{"ClusterRole /trust-manager:webhook", "Role install/trust-manager:webhook"},
		lacks: []string{"Certificate install/trust-manager"},
	},
	"no webhook": {
		args:  set("app.webhook.enabled=false"),
		lacks: []string{"ValidatingWebhookConfiguration /trust-manager", "Service install/trust-manager", "Certificate install/trust-manager"},
	},
	"Secret targets, all":   {args: set("secretTargets.enabled=true", "secretTargets.authorizedSecretsAll=true")},
	"Secret targets, named": {args: set("secretTargets.enabled=true", "secretTargets.authorizedSecrets={one,two}")},
	"target namespaces": {
		args: set("app.targetNamespaces={team-a,team-b}", "secretTargets.enabled=true", "secretTargets.authorizedSecrets={one}"),
		has:  []string{"Role team-a/trust-manager:targets", "RoleBinding team-b/trust-manager:targets", "Role default/trust-manager:events"},
	},
	"a ServiceMonitor": {
		args: set("app.metrics.service.servicemonitor.enabled=true", "app.metrics.service.servicemonitor.endpointAdditionalProperties.honorLabels=true"),
		has:  []string{"ServiceMonitor install/trust-manager", "Service install/trust-manager-metrics"},
	},
	"no metrics Service": {
		args:  set("app.metrics.service.enabled=false", "app.metrics.service.servicemonitor.enabled=true"),
		lacks: []string{"ServiceMonitor install/trust-manager", "Service install/trust-manager-metrics"},
	},
	"a disruption budget": {
		args: set("podDisruptionBudget.enabled=true", "replicaCount=2"),
		has:  []string{"PodDisruptionBudget install/trust-manager"},
	},
	"a disruption budget by percent": {args: set("podDisruptionBudget.enabled=true", "podDisruptionBudget.minAvailable=50%")},
	"the host's network": {
		args: set("app.webhook.hostNetwork=true", "app.webhook.host=::", "app.webhook.service.type=NodePort", "app.webhook.service.nodePort=30444",
			"app.webhook.service.ipFamilyPolicy=PreferDualStack", "app.webhook.timeoutSeconds=30", "app.webhook.port=7443"),
	},
	"another namespace": {
		args: set("namespace=other", "app.trust.namespace=sources"),
		has:  []string{"Deployment other/trust-manager", "Role sources/trust-manager", "Role other/trust-manager:leaderelection"},
	},
	"another name": {
		args: set("nameOverride="+strings.Repeat("n", 63), "serviceAccount.name=account", "commonLabels.team=ours", "commonAnnotations.team=ours"),
		has:  []string{"Deployment install/" + strings.Repeat("n", 63), "ServiceAccount install/account"},
	},
	"more objects": {
		args: []string{"--set-json", `extraObjects=["apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-text\n", {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"object"}}]`},
		has:  []string{"ConfigMap install/release-text", "ConfigMap install/object"},
	},
	"injection": {
		args: set("injection.enabled=true", "injection.waitForBundle=true", "injection.excludedNamespaces={a,b}", "nameOverride="+strings.Repeat("n", 63)),
		has:  []string{"MutatingAdmissionPolicy /" + strings.Repeat("n", 63) + "-inject-pods", "MutatingAdmissionPolicyBinding /" + strings.Repeat("n", 63) + "-inject-pods"},
	},
	"replicas null":      {args: set("replicaCount=null")},
	"replicas as a text": {args: []string{"--set-string", "replicaCount=3"}},
	"no replicas":        {args: set("replicaCount=0", "revisionHistoryLimit=0")},
	"no definition": {
		args:  set("crds.enabled=false"),
		lacks: []string{"CustomResourceDefinition /bundles.trust.cert-manager.io"},
	},
	"no roles": {
		args:  set("global.rbac.create=false", "serviceAccount.create=false"),
		lacks: []string{"ClusterRole /trust-manager", "ServiceAccount install/trust-manager"},
	},
	"pods": {
		args: append(set("imagePullSecrets[0].name=pull", "priorityClassName=system-cluster-critical", "defaultPackage.enabled=false",
			"podSecurityContext.fsGroup=1000", "resources.requests.cpu=10m", "filterExpiredCertificates.enabled=true", "filterNonCACerts.enabled=true",
			"app.podLabels.a=b", "app.podAnnotations.a=b", "image.digest=sha256:"+strings.Repeat("0", 64), "automountServiceAccountToken=false",
			"volumes[0].name=more", "volumes[0].configMap.name=more", "volumeMounts[0].name=more", "volumeMounts[0].mountPath=/more"),
			"--set-json", `affinity={"podAntiAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"weight":1,"podAffinityTerm":{"topologyKey":"zone"}}]}}`,
			"--set-json", `tolerations=[{"operator":"Exists"}]`,
			"--set-json", `topologySpreadConstraints=[{"maxSkew":1,"topologyKey":"zone","whenUnsatisfiable":"ScheduleAnyway"}]`),
	},
}

func set(values ...string) (args []string) {
	for _, value := range values {
		args = append(args, "--set", value)
	}
	return args
}

// The API server accepts the objects of each set of values, in a dry run and when
// they are applied.
func TestAccepted(t *testing.T) {
	for name, tc := range sets {
		t.Run(name, func(t *testing.T) {
			objects := render(t, tc.args...)
			names := namesOf(objects)
			for _, name := range tc.has {
				if !slices.Contains(names, name) {
					t.Errorf("no %s among %q", name, names)
				}
			}
			for _, name := range tc.lacks {
				if slices.Contains(names, name) {
					t.Errorf("unexpected %s", name)
				}
			}
			for _, object := range objects {
				inNamespace(t, object)
				apply(t, object, client.DryRunAll)
			}
			for _, object := range objects {
				apply(t, object)
			}
			for _, object := range objects {
				if object.GetKind() != "CustomResourceDefinition" { // deleting it would delete all Bundles
					remove(t, object)
				}
			}
		})
	}
}

// An unknown field is rejected, which proves that the check is strict.
func TestUnknownFieldIsRefused(t *testing.T) {
	for _, kind := range []string{"Deployment", "Certificate", "ServiceMonitor", "CertificateRequestPolicy", "ClusterRole"} {
		objects := render(t, "--values", "../testdata/every-value.yaml")
		i := slices.IndexFunc(objects, func(o *unstructured.Unstructured) bool { return o.GetKind() == kind })
		if i < 0 {
			t.Fatalf("no %s", kind)
		}
		inNamespace(t, objects[i])
		objects[i].Object["unknown"] = "field"
		if err := tryApply(objects[i], client.DryRunAll); err == nil || !strings.Contains(err.Error(), "unknown") {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// render renders the release with the API server's capabilities.
func render(t *testing.T, args ...string) helm.Objects {
	t.Helper()
	objects, err := chart.Template(t.Context(), release, installed, append(args, "--kubeconfig", kubeconfig, "--dry-run=server")...)
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		// Helm adds these on installation and does not adopt objects without them.
		annotations := object.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations["meta.helm.sh/release-name"], annotations["meta.helm.sh/release-namespace"] = release, installed
		object.SetAnnotations(annotations)
	}
	return objects
}

// namesOf returns "Kind namespace/name" of each object. As in Helm, an object
// without a namespace gets that of the release.
func namesOf(objects helm.Objects) (names []string) {
	for _, object := range objects {
		names = append(names, object.GetKind()+" "+namespaceOf(object)+"/"+object.GetName())
	}
	return names
}

func namespaceOf(object *unstructured.Unstructured) string {
	if namespaced, err := api.IsObjectNamespaced(object); err == nil && namespaced && object.GetNamespace() == "" {
		return installed
	}
	return object.GetNamespace()
}

// inNamespace sets the namespace of an object and creates it if necessary.
func inNamespace(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	name := namespaceOf(object)
	if name == "" {
		return
	}
	object.SetNamespace(name)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := api.Create(t.Context(), namespace); client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
}

func apply(t *testing.T, object *unstructured.Unstructured, options ...client.PatchOption) {
	t.Helper()
	if err := tryApply(object, options...); err != nil {
		t.Errorf("%s %s: %v", object.GetKind(), object.GetName(), err)
	}
}

func tryApply(object *unstructured.Unstructured, options ...client.PatchOption) error {
	options = append(options, client.FieldOwner("helm"), client.FieldValidation(metav1.FieldValidationStrict))
	return api.Patch(context.Background(), object.DeepCopy(), client.Apply, options...) //nolint:staticcheck // client.Apply has no option for field validation
}

func remove(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	if err := api.Delete(t.Context(), object); err != nil {
		t.Errorf("%s %s: %v", object.GetKind(), object.GetName(), err)
	}
}
