package chart

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// An installation with default values creates objects with the names that users'
// manifests and an in-place upgrade rely on.
func TestDefaults(t *testing.T) {
	t.Parallel()
	all := render(t)
	want := []string{
		"ClusterRole /trust-manager", "ClusterRole /trust-manager-cluster-view", "ClusterRole /trust-manager:webhook",
		"ClusterRoleBinding /trust-manager", "ClusterRoleBinding /trust-manager:webhook",
		"CustomResourceDefinition /bundles.trust.cert-manager.io",
		"CustomResourceDefinition /clusterbundles.trust-manager.io",
		"Deployment install/trust-manager",
		"Role cert-manager/trust-manager", "Role default/trust-manager:events",
		"Role install/trust-manager:leaderelection", "Role install/trust-manager:webhook",
		"RoleBinding cert-manager/trust-manager", "RoleBinding default/trust-manager:events",
		"RoleBinding install/trust-manager:leaderelection", "RoleBinding install/trust-manager:webhook",
		"Service install/trust-manager", "Service install/trust-manager-metrics",
		"ServiceAccount install/trust-manager",
		"ValidatingWebhookConfiguration /trust-manager",
	}
	if diff := cmp.Diff(want, all.names()); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	deployment := all.get(t, "Deployment", "trust-manager")
	if selector := at(t, deployment, "spec", "selector"); selector != `{"matchLabels":{"app":"trust-manager"}}` {
		t.Errorf("selector %s: it is immutable, so an upgrade would fail", selector)
	}
	if container := at(t, deployment, "spec", "template", "spec", "initContainers", 0, "args"); container != `["/copyandmaybepause","/debian-package","/packages"]` {
		t.Errorf("the package's init container has the arguments %s", container)
	}
	if keep := at(t, all.get(t, "CustomResourceDefinition", "bundles.trust.cert-manager.io"), "metadata", "annotations", "helm.sh/resource-policy"); keep != `"keep"` {
		t.Errorf("the CRD has the policy %s", keep)
	}
	webhook := all.get(t, "ValidatingWebhookConfiguration", "trust-manager")
	if name := at(t, webhook, "webhooks", 0, "name"); name != `"trust.cert-manager.io"` || at(t, webhook, "webhooks", 0, "failurePolicy") != `"Ignore"` {
		t.Errorf("webhook %s", at(t, webhook, "webhooks"))
	}
}

// Users' labels apply to the pod template, but not to the selector, which is
// immutable.
func TestCommonLabelsAreNotInTheSelector(t *testing.T) {
	t.Parallel()
	deployment := render(t, "--set", "commonLabels.app=other,app.podLabels.app=other,nameOverride=trust").get(t, "Deployment", "trust")
	if selector := at(t, deployment, "spec", "selector", "matchLabels"); selector != `{"app":"trust"}` {
		t.Errorf("selector %s", selector)
	}
	if label := at(t, deployment, "spec", "template", "metadata", "labels", "app"); label != `"trust"` {
		t.Errorf("the pods have the label app=%s", label)
	}
}

// A values file of cert-manager's chart that sets every value renders.
func TestEveryValue(t *testing.T) {
	t.Parallel()
	all := render(t, "--values", "testdata/every-value.yaml")
	deployment := all.get(t, "Deployment", "trust")
	want := []string{
		"--log-format=json", "--log-level=3", "--metrics-port=9403", "--readiness-probe-port=6061", "--readiness-probe-path=/ready",
		"--leader-elect=true", "--leader-election-lease-duration=20s", "--leader-election-renew-deadline=12s",
		"--trust-namespace=trust-sources", "--target-namespaces=team-a,team-b", "--secret-targets-enabled=true", "--secret-targets-by-name=true",
		"--filter-expired-certificates=true", "--filter-non-ca-certs=true",
		"--default-package-location=/packages/cert-manager-package-debian.json",
		"--webhook-host=127.0.0.1", "--webhook-port=7443", "--webhook-certificate-dir=/tls", "--tls-min-version=VersionTLS13",
		"--tls-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
	}
	var args []string
	if err := json.Unmarshal([]byte(at(t, deployment, "spec", "template", "spec", "containers", 0, "args")), &args); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, args); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	const digest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	if image := at(t, deployment, "spec", "template", "spec", "containers", 0, "image"); image != `"other.example/trust/operator:v9`+digest+`"` {
		t.Errorf("image %s", image)
	}
	for _, object := range all {
		if name := object.GetName(); strings.HasSuffix(name, "-extra") || name == "extra-text" {
			continue
		}
		if object.GetLabels()["common"] != "label" || object.GetAnnotations()["common"] != "annotation" {
			t.Errorf("%s %s lacks the common label or annotation", object.GetKind(), object.GetName())
		}
	}
	all.get(t, "ConfigMap", "release-extra")
	all.get(t, "CertificateRequestPolicy", "trust-manager-policy")
	all.get(t, "ServiceMonitor", "trust")
	for _, own := range []struct{ kind, name, label string }{{"PrometheusRule", "trust", "rule"}, {"ConfigMap", "trust-dashboard", "dashboard"}} {
		object := all.get(t, own.kind, own.name)
		if object.GetLabels()[own.label] != "label" || object.GetAnnotations()[own.label] != "annotation" {
			t.Errorf("%s has labels %v and annotations %v", own.kind, object.GetLabels(), object.GetAnnotations())
		}
	}
}

// leaves returns the paths of all values in a file. An empty map is a value.
func leaves(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := yaml.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	var paths []string
	var walk func(prefix string, value any)
	walk = func(prefix string, value any) {
		if parent, ok := value.(map[string]any); ok && len(parent) > 0 {
			for key, child := range parent {
				walk(prefix+"."+key, child)
			}
			return
		}
		paths = append(paths, strings.TrimPrefix(prefix, "."))
	}
	walk("", all)
	return paths
}

// Unknown values and values of the wrong type are rejected.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, set := range []string{
		"replicas=2", "app.webhook.tls.modes=x", "app.webhook.tls.mode=maybe", "app.logLevel=9", "app.logLevel=high", "app.logFormat=xml",
		"crds.keep=perhaps", "app.trust.namespaces=a", "secretTargets.authorizedSecrets=all", "app.webhook.port=0",
		"app.trust.namespace=", "app.trust.namespace=null", "app.leaderElection.enabled=null", "app.webhook.port=null",
		"app.webhook.tls.helmCert.enabled=true,app.webhook.tls.approverPolicy.enabled=true",
		"app.webhook.tls.helmCert.enabled=true,app.webhook.tls.mode=certManager",
		"app.webhook.tls.approverPolicy.enabled=true,app.webhook.tls.mode=selfManaged",
		// With these, the operator would not start.
		"clusterTrustBundles.sources={example/foo}", "clusterTrustBundles.sources={a.b:c/d}", "clusterTrustBundles.signers={example/foo}",
	} {
		if _, err := chart.Template(t.Context(), "release", "install", "--set", set); err == nil {
			t.Errorf("%s is accepted", set)
		}
	}
}

// Values are accepted as other charts set them: null, numbers as strings, and
// globals of a parent chart.
func TestAccepted(t *testing.T) {
	t.Parallel()
	for _, set := range []string{
		"replicaCount=null", "replicaCount=0", "global.parent.anything=1", "podDisruptionBudget.minAvailable=50%",
		"app.targetNamespaces=null", "image.digest=null", "commonLabels.a=b", "app.podAnnotations=null", "app.podLabels=null", "commonAnnotations=null",
		// A value of cert-manager's chart, next to this one in the same parent chart.
		"global.rbac.disableHTTPChallengesRole=true",
		"clusterTrustBundles.sources={roots,example.com:a:roots,example.com/a,example.com/*}", "clusterTrustBundles.signers={example.com/a}",
	} {
		render(t, "--set", set)
	}
	for want, args := range map[string][]string{
		"3 3": {"--set-string", "replicaCount=3,revisionHistoryLimit=3"},
		"0 0": {"--set", "replicaCount=0,revisionHistoryLimit=0"},
		" ":   {"--set", "replicaCount=null,revisionHistoryLimit=null"},
	} {
		deployment := render(t, args...).get(t, "Deployment", "trust-manager")
		if got := at(t, deployment, "spec", "replicas") + " " + at(t, deployment, "spec", "revisionHistoryLimit"); got != want {
			t.Errorf("%q: replicas and history %q, want %q", args, got, want)
		}
	}
	if all := render(t, "--set", "enabled=false"); len(all) > 0 {
		t.Errorf("disabled, the chart renders %q", all.names())
	}
}

// The values select who issues the webhook's certificate.
func TestTLSModes(t *testing.T) {
	t.Parallel()
	certManager := []string{"--api-versions", "cert-manager.io/v1"}
	set := func(values string) []string { return []string{"--set", values} }
	for name, tc := range map[string]struct {
		args []string
		mode string
	}{
		"auto, without cert-manager":      {nil, "self"},
		"auto, with cert-manager":         {certManager, "certManager"},
		"auto, a Helm certificate":        {append(set("app.webhook.tls.helmCert.enabled=true"), certManager...), "helm"},
		"auto, approver-policy":           {set("app.webhook.tls.approverPolicy.enabled=true"), "certManager"},
		"auto, a duration":                {set("app.webhook.tls.certificate.duration=24h"), "certManager"},
		"auto, a template":                {set("app.webhook.tls.certificate.secretTemplate.labels.a=b"), "certManager"},
		"self-managed, with cert-manager": {append(set("app.webhook.tls.mode=selfManaged"), certManager...), "self"},
		"by Helm":                         {set("app.webhook.tls.mode=helm"), "helm"},
		"by cert-manager":                 {set("app.webhook.tls.mode=certManager"), "certManager"},
		"no webhook":                      {set("app.webhook.enabled=false"), "none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := render(t, tc.args...)
			has := func(name string) bool { return slices.Contains(all.names(), name) }
			got := map[string]bool{
				"certManager": has("Certificate install/trust-manager") && has("Issuer install/trust-manager"),
				"helm":        has("Secret install/trust-manager-tls"),
				"self":        has("ClusterRole /trust-manager:webhook"),
				"none":        !has("ValidatingWebhookConfiguration /trust-manager") && !has("Service install/trust-manager"),
			}
			for mode, active := range got {
				if active != (mode == tc.mode) {
					t.Errorf("mode %s: %t; objects %q", mode, active, all.names())
				}
			}
			deployment := all.get(t, "Deployment", "trust-manager")
			mounted := strings.Contains(at(t, deployment, "spec", "template", "spec", "volumes"), "trust-manager-tls")
			if want := tc.mode == "helm" || tc.mode == "certManager"; mounted != want {
				t.Errorf("the Secret is mounted: %t", mounted)
			}
		})
	}
}

// An annotation on the webhook configuration states whether the operator manages
// its caBundle. Helm sets the caBundle only with a certificate of its own.
func TestMaker(t *testing.T) {
	t.Parallel()
	for mode, setsBundle := range map[string]bool{"helm": true, "certManager": false, "selfManaged": false} {
		all := render(t, "--set", "app.webhook.tls.mode="+mode)
		webhook := all.get(t, "ValidatingWebhookConfiguration", "trust-manager")
		if maker := at(t, webhook, "metadata", "annotations", "trust-manager.io/webhook-certificate"); maker != `"`+mode+`"` {
			t.Errorf("%s: the maker is %s", mode, maker)
		}
		bundle := at(t, webhook, "webhooks", 0, "clientConfig", "caBundle")
		if (bundle != "") != setsBundle {
			t.Errorf("%s: the caBundle is %q", mode, bundle)
		}
		if setsBundle && bundle != at(t, all.get(t, "Secret", "trust-manager-tls"), "data", "ca.crt") {
			t.Errorf("%s: the caBundle is not the CA of the Secret", mode)
		}
	}
}

// The issuer name of Helm's certificate differs from that of cert-manager's
// Certificate, so that cert-manager replaces the certificate when it finds it,
// even before Helm deletes it.
func TestHelmIsNoIssuer(t *testing.T) {
	t.Parallel()
	secret := render(t, "--set", "app.webhook.tls.mode=helm").get(t, "Secret", "trust-manager-tls")
	issuer := at(t, secret, "metadata", "annotations", "cert-manager.io/issuer-name")
	certificate := render(t, "--set", "app.webhook.tls.mode=certManager").get(t, "Certificate", "trust-manager")
	if issuer == "" || issuer == at(t, certificate, "spec", "issuerRef", "name") {
		t.Errorf("the Secret's issuer is %q", issuer)
	}
}

// A terminating replica keeps serving for some seconds, so that no request
// reaches one that has ended. This requires a webhook and a Kubernetes version
// with the sleep action.
func TestPreStop(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"now":        {nil, `{"preStop":{"sleep":{"seconds":5}}}`},
		"1.30":       {[]string{"--kube-version", "1.30.0"}, `{"preStop":{"sleep":{"seconds":5}}}`},
		"1.30, beta": {[]string{"--kube-version", "1.30.0-gke.1"}, `{"preStop":{"sleep":{"seconds":5}}}`},
		"1.29":       {[]string{"--kube-version", "1.29.9"}, ""},
		"no webhook": {[]string{"--set", "app.webhook.enabled=false"}, ""},
	} {
		deployment := render(t, tc.args...).get(t, "Deployment", "trust-manager")
		if got := at(t, deployment, "spec", "template", "spec", "containers", 0, "lifecycle"); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

// Zero replicas are kept, and without a value Kubernetes sets the default.
func TestReplicas(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{"0": "0", "3": "3", "null": ""} {
		deployment := render(t, "--set", "replicaCount="+value).get(t, "Deployment", "trust-manager")
		if got := at(t, deployment, "spec", "replicas"); got != want {
			t.Errorf("%s: %s replicas", value, got)
		}
	}
}

// Each feature adds only the permissions that it requires.
func TestRights(t *testing.T) {
	t.Parallel()
	secrets := func(all manifests, kind, name string) string {
		var found []string
		var rules []map[string]any
		if err := json.Unmarshal([]byte(at(t, all.get(t, kind, name), "rules")), &rules); err != nil {
			t.Fatal(err)
		}
		for _, rule := range rules {
			text, err := json.Marshal(rule)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "secrets") {
				found = append(found, string(text))
			}
		}
		return strings.Join(found, "\n")
	}
	if rules := secrets(render(t), "ClusterRole", "trust-manager"); rules != "" {
		t.Errorf("without Secret targets the operator has rights on all Secrets: %s", rules)
	}
	named := secrets(render(t, "--set", "secretTargets.enabled=true,secretTargets.authorizedSecrets={one,two}"), "ClusterRole", "trust-manager")
	if !strings.Contains(named, `"resourceNames":["one","two"],"resources":["secrets"],"verbs":["get","create","update","patch","delete"]`) ||
		strings.Count(named, "create") != 1 {
		t.Errorf("named Secrets: %s", named)
	}
	all := secrets(render(t, "--set", "secretTargets.enabled=true,secretTargets.authorizedSecretsAll=true"), "ClusterRole", "trust-manager")
	if strings.Contains(all, "resourceNames") || !strings.Contains(all, "create") {
		t.Errorf("all Secrets: %s", all)
	}
	none := secrets(render(t, "--set", "secretTargets.enabled=true"), "ClusterRole", "trust-manager")
	if strings.Contains(none, "create") || strings.Contains(none, "get") {
		t.Errorf("no Secrets: %s", none)
	}
	limited := render(t, "--set", "app.targetNamespaces={team-a},secretTargets.enabled=true,secretTargets.authorizedSecretsAll=true")
	if rules := at(t, limited.get(t, "ClusterRole", "trust-manager"), "rules"); strings.Contains(rules, "configmaps") || strings.Contains(rules, "secrets") {
		t.Errorf("with target namespaces, the ClusterRole contains %s", rules)
	}
	if role := limited.get(t, "Role", "trust-manager:targets"); role.GetNamespace() != "team-a" {
		t.Errorf("the role is in %s", role.GetNamespace())
	}
}

// The schema contains exactly the values of values.yaml.
func TestSchemaIsThatOfTheValues(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(chart.Chart, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	type schema struct {
		Properties map[string]*schema
	}
	var root schema
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	var inSchema []string
	var walk func(prefix string, s *schema)
	walk = func(prefix string, s *schema) {
		if len(s.Properties) == 0 {
			inSchema = append(inSchema, strings.TrimPrefix(prefix, "."))
		}
		for name, child := range s.Properties {
			walk(prefix+"."+name, child)
		}
	}
	walk("", &root)
	values := leaves(t, filepath.Join(chart.Chart, "values.yaml"))
	for _, path := range inSchema {
		if !slices.ContainsFunc(values, func(value string) bool { return value == path || strings.HasPrefix(value, path+".") }) {
			t.Errorf("%s is only in the schema", path)
		}
	}
	for _, value := range values {
		if !slices.ContainsFunc(inSchema, func(path string) bool { return value == path || strings.HasPrefix(value, path+".") }) {
			t.Errorf("%s is only in values.yaml", value)
		}
	}
}
