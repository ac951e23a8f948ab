package diagnosis

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/ledger"
)

// want checks the status of checks, and that the detail of the first has a text.
func want(t *testing.T, name string, checks []Check, text string, statuses ...Status) {
	t.Helper()
	var got []Status
	for _, check := range checks {
		got = append(got, check.Status)
		if check.Name == "" || check.Detail == "" {
			t.Errorf("%s: incomplete: %+v", name, check)
		}
	}
	if diff := cmp.Diff(statuses, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s%+v", name, diff, checks)
	} else if len(checks) > 0 && !strings.Contains(checks[0].Detail, text) {
		t.Errorf("%s: %q, want %q", name, checks[0].Detail, text)
	}
}

// L9: the version of Kubernetes and the definitions.
func TestClusterIsJudged(t *testing.T) {
	t.Parallel()
	missing := []string{"spec.a", "spec.b", "spec.c", "spec.d", "spec.e", "spec.f"}
	for name, tc := range map[string]struct {
		check  Check
		status Status
		text   string
	}{
		"new Kubernetes":              {Kubernetes("v1.37.2"), Pass, "v1.37.2"},
		"oldest Kubernetes":           {Kubernetes("v1.28.0-eks-1"), Pass, "v1.28.0"},
		"old Kubernetes":              {Kubernetes("v1.27.9"), Fail, "1.28 or later"},
		"unknown Kubernetes":          {Kubernetes("latest"), Unknown, "latest"},
		"definition":                  {Definition{Kind: "Bundle", Served: true}.Installed(), Pass, "all fields"},
		"no definition":               {Definition{Kind: "Bundle"}.Installed(), Fail, "crds.enabled"},
		"no optional definition":      {Definition{Kind: "ClusterBundle", Optional: true}.Installed(), Skip, "ignored"},
		"old definition":              {Definition{Kind: "Bundle", Served: true, Missing: missing}.Installed(), Fail, "spec.e and 1 more"},
		"before: no definition":       {Definition{Kind: "Bundle"}.BeforeInstallation(), Pass, "not installed"},
		"before: the same definition": {Definition{Kind: "Bundle", Served: true}.BeforeInstallation(), Pass, "already"},
		"before: another definition":  {Definition{Kind: "Bundle", Served: true, Missing: missing}.BeforeInstallation(), Warn, "moving.md"},
		"ClusterTrustBundles":         {TrustBundles([]string{"v1", "v1beta1"}, nil), Pass, "v1, v1beta1"},
		"unused ClusterTrustBundles":  {TrustBundles(nil, nil), Skip, "not served"},
		"missing ClusterTrustBundles": {TrustBundles(nil, []string{"Bundle a"}), Fail, "used by Bundle a"},
		"policies":                    {Policy("MutatingAdmissionPolicy", []string{"v1"}, 36), Pass, "v1"},
		"no policies":                 {Policy("MutatingAdmissionPolicy", nil, 36), Skip, "1.36"},
		"namespace":                   {Namespace("cert-manager", true), Pass, "exists"},
		"no namespace":                {Namespace("cert-manager", false), Fail, "kubectl create namespace cert-manager"},
		"cert-manager":                {Issuer(true), Pass, "cert-manager will issue"},
		"no cert-manager":             {Issuer(false), Pass, "operator will issue"},
		"unknown":                     {Unreadable("x", errors.New("forbidden")), Unknown, "forbidden"},
	} {
		want(t, name, []Check{tc.check}, tc.text, tc.status)
	}
}

// L9: whether kubelets of each version can mount ClusterTrustBundles.
func TestNodes(t *testing.T) {
	t.Parallel()
	users := []string{"Bundle a"}
	for name, tc := range map[string]struct {
		kubelets, served, users []string
		text                    string
		statuses                []Status
	}{
		"new":                         {[]string{"v1.37.0", "v1.37.2"}, []string{"v1"}, users, "by default", []Status{Pass}},
		"skew":                        {[]string{"v1.36.1", "v1.37.2"}, []string{"v1"}, users, "by default", []Status{Pass, Warn}},
		"old on a new API server":     {[]string{"v1.36.1"}, []string{"v1"}, users, "looks for v1beta1, v1alpha1", []Status{Warn}},
		"old with v1beta1":            {[]string{"v1.36.1"}, []string{"v1", "v1beta1"}, users, "ClusterTrustBundles (v1beta1) needs the feature gate", []Status{Warn}},
		"alpha, with v1beta1":         {[]string{"v1.32.0"}, []string{"v1beta1"}, users, "looks for v1alpha1", []Status{Warn}},
		"alpha, with v1alpha1":        {[]string{"v1.30.0"}, []string{"v1alpha1"}, users, "(v1alpha1) needs", []Status{Warn}},
		"before the projection":       {[]string{"v1.28.3"}, []string{"v1alpha1"}, users, "cannot mount", []Status{Warn}},
		"not served":                  {[]string{"v1.37.0"}, nil, users, "does not serve", []Status{Warn}},
		"unused":                      {[]string{"v1.36.1"}, []string{"v1"}, nil, "cannot mount", []Status{Skip}},
		"no node":                     {nil, []string{"v1"}, users, "", nil},
		"a version that is no number": {[]string{"?"}, []string{"v1"}, users, "", nil},
	} {
		want(t, name, Nodes(tc.kubelets, tc.served, tc.users), tc.text, tc.statuses...)
	}
	checks := Nodes([]string{"v1.37.0", "v1.36.1", "v1.37.2"}, []string{"v1"}, nil)
	if checks[0].Subject != "kubelet 1.37 (2)" || checks[1].Subject != "kubelet 1.36 (1)" {
		t.Errorf("subjects %q and %q", checks[0].Subject, checks[1].Subject)
	}
}

// L9: the Deployments of the operator.
func TestOperators(t *testing.T) {
	t.Parallel()
	good := Operator{Name: "cert-manager/trust-manager", Version: "0.1.0", Replicas: 2, Available: 2}
	partly, off := good, good
	partly.Available, off.Replicas = 1, 0
	want(t, "available", Operators([]Operator{good}), "version 0.1.0, 2 of 2", Pass)
	want(t, "partly available", Operators([]Operator{partly}), "1 of 2", Fail)
	want(t, "scaled to 0", Operators([]Operator{off}), "scaled to 0", Fail)
	want(t, "none", Operators(nil), "--pre", Fail)
	want(t, "two", Operators([]Operator{good, good}), "", Pass, Pass, Fail)
	want(t, "before: none", []Check{OthersBeforeInstallation(nil)}, "yet", Pass)
	want(t, "before: one", []Check{OthersBeforeInstallation([]Operator{good})}, "moving.md", Warn)
}

// L9: the webhook's configuration, certificate and endpoints.
func TestWebhook(t *testing.T) {
	t.Parallel()
	configuration := func(group string, policy admissionregistrationv1.FailurePolicyType, caBundle string) admissionregistrationv1.ValidatingWebhookConfiguration {
		return admissionregistrationv1.ValidatingWebhookConfiguration{
			ObjectMeta: metav1.ObjectMeta{Name: "trust-manager"},
			Webhooks: []admissionregistrationv1.ValidatingWebhook{{
				ClientConfig:  admissionregistrationv1.WebhookClientConfig{CABundle: []byte(caBundle), Service: &admissionregistrationv1.ServiceReference{Namespace: "cert-manager", Name: "trust-manager"}},
				Rules:         []admissionregistrationv1.RuleWithOperations{{Rule: admissionregistrationv1.Rule{APIGroups: []string{group}}}},
				FailurePolicy: &policy,
			}},
		}
	}
	for name, tc := range map[string]struct {
		configuration admissionregistrationv1.ValidatingWebhookConfiguration
		ready         int
		text          string
		statuses      []Status
	}{
		"good":                     {configuration(bundleGroup, admissionregistrationv1.Ignore, "CA"), 2, "failurePolicy Ignore, 2 endpoints are ready", []Status{Pass}},
		"one endpoint":             {configuration(bundleGroup, admissionregistrationv1.Ignore, "CA"), 1, "1 endpoint is ready", []Status{Pass}},
		"no CA":                    {configuration(bundleGroup, admissionregistrationv1.Ignore, ""), 2, "no caBundle", []Status{Fail}},
		"no endpoint":              {configuration(bundleGroup, admissionregistrationv1.Ignore, "CA"), 0, "invalid Bundles are accepted", []Status{Fail}},
		"no endpoint, strict":      {configuration(bundleGroup, admissionregistrationv1.Fail, "CA"), 0, "cannot be created", []Status{Fail}},
		"webhook for other groups": {configuration("*", admissionregistrationv1.Fail, ""), 0, "", nil},
	} {
		var checks []Check
		for _, webhook := range WebhooksIn([]admissionregistrationv1.ValidatingWebhookConfiguration{tc.configuration}) {
			checks = append(checks, webhook.Judge(tc.ready))
		}
		want(t, name, checks, tc.text, tc.statuses...)
	}
	want(t, "disabled", []Check{NoWebhook(false)}, "--webhook-port=0", Skip)
	want(t, "missing", []Check{NoWebhook(true)}, "no ValidatingWebhookConfiguration", Fail)
}

// of returns a bundle with targets of these kinds.
func of(name string, kinds ...bundle.Kind) Bundle {
	spec := bundle.Spec{ID: bundle.ID{Kind: bundle.APIBundle, Name: name}, Marks: apis.Bundle{}.Marks()}
	for _, kind := range kinds {
		spec.Targets = append(spec.Targets, bundle.Target{Kind: kind})
	}
	return Bundle{Spec: spec}
}

func (b Bundle) with(conditions ...metav1.Condition) Bundle {
	b.Report.Conditions = conditions
	return b
}

func condition(kind string, status metav1.ConditionStatus, message string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Reason: "Reason", Message: message}
}

// L9: the conditions of bundles.
func TestBundles(t *testing.T) {
	t.Parallel()
	synced, ready := condition(ledger.ConditionSynced, "True", "all"), condition(ledger.ConditionReady, "True", "all")
	notReady := condition(ledger.ConditionReady, "False", "one of two")
	good := of("good").with(synced, ready)
	want(t, "none", Bundles(nil), "there is no bundle", Pass)
	want(t, "one", Bundles([]Bundle{good}), "1 of 1 is in sync", Pass)
	want(t, "good", Bundles([]Bundle{good, good}), "2 of 2", Pass)
	want(t, "failed", Bundles([]Bundle{of("bad").with(condition(ledger.ConditionSynced, "False", "no CA"), notReady), good}), "Reason: no CA", Fail, Fail)
	want(t, "stalled", Bundles([]Bundle{of("bad").with(synced, notReady, condition(ledger.ConditionStalled, "True", "too large"))}), "too large", Fail, Fail)
	want(t, "in progress", Bundles([]Bundle{of("new").with(synced, notReady, condition(ledger.ConditionReconciling, "True", "1 of 2"))}), "1 of 2", Warn, Warn)
	want(t, "not ready", Bundles([]Bundle{of("new").with(notReady)}), "one of two", Warn, Warn)
	want(t, "no status", Bundles([]Bundle{of("new")}), "is the operator running?", Warn, Warn)
	want(t, "superseded", Bundles([]Bundle{of("old").with(condition(ledger.ConditionSuperseded, "True", "x"), notReady)}), "superseded", Pass)
	mixed := Bundles([]Bundle{of("new"), good, of("old").with(condition(ledger.ConditionSuperseded, "True", "x")), of("bad").with(condition(ledger.ConditionSynced, "False", "no CA"))})
	want(t, "the count has the worst status", mixed[3:], "1 of 3 is in sync", Fail)
}

// L9: the age of the default CAs.
func TestPackages(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		ids      []string
		text     string
		statuses []Status
	}{
		"unused":                     {nil, "no bundle", []Status{Skip}},
		"new":                        {[]string{"", "mozilla-20261030-0123456789abcdef"}, "30 days", []Status{Pass}},
		"the same twice":             {[]string{"mozilla-20261030-0123456789abcdef", "mozilla-20261030-0123456789abcdef"}, "30 days", []Status{Pass}},
		"old":                        {[]string{"cert-manager-debian-20230311-deb12u1.0-0123456789abcdef"}, "newer package", []Status{Warn}},
		"180 days":                   {[]string{"mozilla-20260602-0123456789abcdef"}, "180 days", []Status{Pass}},
		"181 days":                   {[]string{"mozilla-20260601-0123456789abcdef"}, "181 days", []Status{Warn}},
		"without a date":             {[]string{"own-1.0-0123456789abcdef"}, "no date", []Status{Skip}},
		"digits in the digest":       {[]string{"own-1.0-20230311"}, "no date", []Status{Skip}},
		"digits that are not a date": {[]string{"own-20239999-0123456789abcdef"}, "is not a date", []Status{Skip}},
		"two":                        {[]string{"m-20261030-0", "m-20261031-1"}, "30 days", []Status{Pass, Pass, Warn}},
	} {
		var bundles []Bundle
		for _, id := range tc.ids {
			b := of("a")
			b.Report.DefaultCAVersion = id
			bundles = append(bundles, b)
		}
		want(t, name, Packages(bundles, now), tc.text, tc.statuses...)
	}
}

// L9: the rights that bundles need, and how missing ones are reported.
func TestRights(t *testing.T) {
	t.Parallel()
	texts := func(setup Setup) []string { return describe(Needed(setup)) }
	setup := Setup{TrustNamespace: "trust", Bundles: []Bundle{of("a", bundle.ConfigMap)}}
	everywhere := texts(setup)
	for _, text := range []string{"watch namespaces", "list bundles.trust.cert-manager.io", "patch bundles.trust.cert-manager.io/status", "list secrets in trust", "update configmaps"} {
		if !slices.Contains(everywhere, text) {
			t.Errorf("%q is missing in %q", text, everywhere)
		}
	}
	if slices.Contains(everywhere, "list secrets") || slices.Contains(everywhere, "list clustertrustbundles.certificates.k8s.io") {
		t.Errorf("rights on other kinds in %q", everywhere)
	}

	setup.TargetNamespaces = []string{"team-a", "team-b"}
	setup.Bundles = []Bundle{of("a", bundle.ConfigMap, bundle.Secret, bundle.ClusterTrustBundle)}
	setup.Bundles[0].Spec.Targets[2].Signer = "example.com/ca"
	limited := texts(setup)
	for _, text := range []string{
		"delete configmaps in team-a", "watch secrets in team-b", `patch secrets "a" in team-b`, "create configmaps in trust",
		"list clustertrustbundles.certificates.k8s.io", `update clustertrustbundles.certificates.k8s.io "example.com:ca:a"`, `attest signers.certificates.k8s.io "example.com/ca"`,
	} {
		if !slices.Contains(limited, text) {
			t.Errorf("%q is missing in %q", text, limited)
		}
	}
	if slices.Contains(limited, "update configmaps") {
		t.Errorf("rights in all namespaces in %q", limited)
	}

	denied := []Permission{{Verb: "update", Resource: "secrets", Name: "a"}, {Verb: "update", Resource: "secrets", Name: "a"}}
	want(t, "all", []Check{Rights("x", nil)}, "all rights", Pass)
	want(t, "denied", []Check{Rights("x", denied)}, `it may not update secrets "a"; see`, Fail)
	want(t, "to install: all", []Check{InstallRights(nil, true)}, "you may create", Pass)
	want(t, "to install: no escalation", []Check{InstallRights(nil, false)}, "escalate", Warn)
	want(t, "to install: denied", []Check{InstallRights(denied, true)}, "administrator", Fail)
	needed := describe(NeededToInstall("release", "trust", true))
	for _, text := range []string{"create customresourcedefinitions.apiextensions.k8s.io", "create roles.rbac.authorization.k8s.io in trust", "create issuers.cert-manager.io in release"} {
		if !slices.Contains(needed, text) {
			t.Errorf("%q is missing in %q", text, needed)
		}
	}
}

// L9: what check says at the end, and what it must be able to read.
func TestSummary(t *testing.T) {
	t.Parallel()
	checks := []Check{{Status: Pass}, {Status: Skip}, {Name: NameNodes, Status: Unknown}}
	if got := Summary(checks); got != "0 of 3 failed, 1 unknown" {
		t.Error(got)
	}
	if got := Unread(checks); got != nil {
		t.Errorf("%q matter", got)
	}
	checks = append(checks, Check{Status: Fail}, Check{Status: Warn}, Unreadable(NameOperator, errors.New("forbidden")), Unreadable(NameBundles, errors.New("forbidden")))
	if got := Summary(checks); got != "1 of 7 failed, 1 warning, 3 unknown" {
		t.Error(got)
	}
	if diff := cmp.Diff([]string{NameOperator, NameBundles}, Unread(checks)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
