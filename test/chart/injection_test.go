package chart

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// P3: injection.enabled adds policies and their bindings, and changes nothing else: no right and no
// flag of the operator.
func TestInjection(t *testing.T) {
	t.Parallel()
	without, with := render(t), render(t, "--set", "injection.enabled=true")
	want := slices.Sorted(slices.Values(append(without.names(),
		"MutatingAdmissionPolicy /trust-manager-inject-namespaces", "MutatingAdmissionPolicy /trust-manager-inject-pods",
		"MutatingAdmissionPolicyBinding /trust-manager-inject-namespaces", "MutatingAdmissionPolicyBinding /trust-manager-inject-pods",
	)))
	if diff := cmp.Diff(want, with.names()); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	for _, object := range without {
		if diff := cmp.Diff(object, with.get(t, object.GetKind(), object.GetName())); diff != "" {
			t.Errorf("%s %s (-without +with):\n%s", object.GetKind(), object.GetName(), diff)
		}
	}
	if all := render(t, "--set", "injection.enabled=true,enabled=false"); len(all) > 0 {
		t.Errorf("disabled, the chart renders %q", all.names())
	}
}

// P3: policies concern the creation of pods only, have no parameters, and cannot fail a request.
func TestInjectionCannotBlock(t *testing.T) {
	t.Parallel()
	all := render(t, "--set", "injection.enabled=true,namespace=other,injection.excludedNamespaces={a,b,kube-system}")
	const excluded = `{"key":"kubernetes.io/metadata.name","operator":"NotIn","values":["kube-system","other","install","a","b"]}`
	for name, namespaces := range map[string]string{
		"trust-manager-inject-pods": "[" + excluded + "]",
		// Pods in other namespaces do not even match.
		"trust-manager-inject-namespaces": "[" + excluded + `,{"key":"trust.cert-manager.io/inject","operator":"Exists"},` +
			`{"key":"trust.cert-manager.io/inject","operator":"NotIn","values":["none"]}]`,
	} {
		policy, binding := all.get(t, "MutatingAdmissionPolicy", name), all.get(t, "MutatingAdmissionPolicyBinding", name)
		if got := at(t, binding, "spec"); got != `{"policyName":"`+name+`"}` {
			t.Errorf("the binding has the spec %s", got)
		}
		if got := at(t, policy, "spec", "failurePolicy") + at(t, policy, "spec", "paramKind"); got != `"Ignore"` {
			t.Errorf("%s: failure policy and parameters %s", name, got)
		}
		if got := at(t, policy, "spec", "matchConstraints", "resourceRules"); got !=
			`[{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE"],"resources":["pods"]}]` {
			t.Errorf("%s: rules %s", name, got)
		}
		if got := at(t, policy, "spec", "matchConstraints", "namespaceSelector", "matchExpressions"); got != namespaces {
			t.Errorf("%s: namespaces %s", name, got)
		}
	}
}

// P3: the chart refuses injection on a Kubernetes that would not accept the policies.
func TestInjectionNeedsKubernetes136(t *testing.T) {
	t.Parallel()
	for version, accepted := range map[string]bool{
		"1.28.0": false, "1.35.9": false, "v1.35.2-eks-1234": false, "1.36.0": true, "v1.36.0-gke.100": true, "1.37.2": true, "2.0.0": true,
	} {
		_, err := chart.Template(t.Context(), "release", "install", "--set", "injection.enabled=true", "--kube-version", version)
		if accepted && err != nil {
			t.Errorf("%s: %v", version, err)
		}
		if !accepted && (err == nil || !strings.Contains(err.Error(), "injection.enabled: requires Kubernetes 1.36 or later")) {
			t.Errorf("%s: %v", version, err)
		}
		render(t, "--kube-version", version) // without injection
	}
}

// Values that the API server would not accept, or with which no pod would be changed, are refused.
func TestInjectionValues(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		`key=""`, `key="a/b"`, `key="."`, `key=".."`, `key="..a"`, `key="` + strings.Repeat("x", 254) + `"`, `key=null`, `keys="a"`, `enabled="yes"`,
		`waitForBundle="yes"`, `variables=null`, `variables.file=null`, `variables.file=["A B"]`, `variables.file=["1A"]`, `variables.directory=["a\"b"]`,
		`variables.other=["A"]`, `variables.file=["A","A"]`, `variables.directory=["A","A"]`,
		`excludedNamespaces=["A"]`, `excludedNamespaces="a"`, `excludedNamespaces=["a","a"]`, `excludedNamespaces=["` + strings.Repeat("a", 64) + `"]`,
	} {
		if _, err := chart.Template(t.Context(), "release", "install", "--set-json", "injection."+value); err == nil {
			t.Errorf("%s is accepted", value)
		}
	}
	for _, value := range []string{`key=".a_B-9"`, `variables.file=[]`, `variables.directory=[]`, `excludedNamespaces=null`, `waitForBundle=null`} {
		if all := render(t, "--set", "injection.enabled=true", "--set-json", "injection."+value); len(all.names()) != len(render(t).names())+4 {
			t.Errorf("%s: objects %q", value, all.names())
		}
	}
}

// P3: a variable without a valid name, with which the API server would refuse each pod that opts in, is
// refused without the schema of the values too.
func TestInjectionVariables(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		`file=["A=B"]`:                `"A=B" is not the name of an environment variable`,
		`file=[""]`:                   `"" is not the name of an environment variable`,
		`file=["A\n"]`:                `"A\n" is not the name of an environment variable`,
		`file=[true]`:                 `"true" is not the name of an environment variable`,
		`directory=["1A"]`:            `"1A" is not the name of an environment variable`,
		`file=["A","B","A"]`:          "A is listed twice",
		`directory=["A","A"]`:         "A is listed twice",
		`directory=["SSL_CERT_FILE"]`: "SSL_CERT_FILE is listed twice",
	} {
		_, err := chart.Template(t.Context(), "release", "install", "--kube-version", "1.36.0", "--skip-schema-validation",
			"--set", "injection.enabled=true", "--set-json", "injection.variables."+value)
		if err == nil || !strings.Contains(err.Error(), "injection.variables: "+want) {
			t.Errorf("%s: %v", value, err)
		}
	}
}
