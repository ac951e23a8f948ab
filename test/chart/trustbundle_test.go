package chart

import (
	"strings"
	"testing"
)

// F6: the chart grants no right on ClusterTrustBundles unless they are enabled, and writes only by
// name.
func TestClusterTrustBundles(t *testing.T) {
	t.Parallel()
	rules := func(flags ...string) string {
		return at(t, render(t, flags...).get(t, "ClusterRole", "trust-manager"), "rules")
	}
	if text := rules(); strings.Contains(text, "certificates.k8s.io") {
		t.Errorf("rules: %s", text)
	}
	if text := rules("--set", "clusterTrustBundles.names={a},clusterTrustBundles.signers={a.b/c}"); strings.Contains(text, "certificates.k8s.io") {
		t.Errorf("rules without enabled: %s", text)
	}
	text := rules("--set", "clusterTrustBundles.enabled=true,clusterTrustBundles.names={a},clusterTrustBundles.signers={a.b/c},clusterTrustBundles.sources={x,a.b/*}")
	for _, rule := range []string{
		`{"apiGroups":["certificates.k8s.io"],"resources":["clustertrustbundles"],"verbs":["list","watch"]}`,
		`{"apiGroups":["certificates.k8s.io"],"resourceNames":["a"],"resources":["clustertrustbundles"],"verbs":["get","create","update","patch","delete"]}`,
		`{"apiGroups":["certificates.k8s.io"],"resourceNames":["a.b/c"],"resources":["signers"],"verbs":["attest"]}`,
	} {
		if !strings.Contains(text, rule) {
			t.Errorf("rules: %s, want %s", text, rule)
		}
	}
	sources := render(t, "--set", "clusterTrustBundles.sources={x,a.b/*}")
	arguments := at(t, sources.get(t, "Deployment", "trust-manager"), "spec", "template", "spec", "containers", 0, "args")
	if !strings.Contains(arguments, `"--cluster-trust-bundle-sources=x,a.b/*"`) || strings.Contains(arguments, "bundles-enabled") {
		t.Errorf("arguments: %s", arguments)
	}
	if text := at(t, sources.get(t, "ClusterRole", "trust-manager"), "rules"); strings.Contains(text, `"patch","delete"],"resources":["clustertrustbundles"`) ||
		!strings.Contains(text, "clustertrustbundles") {
		t.Errorf("rules of sources: %s", text)
	}
}
