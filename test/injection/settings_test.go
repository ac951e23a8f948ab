package injection

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// long returns a name of this length.
func long(size int) string { return strings.Repeat("x", size) }

func adding(a *addition)        { a.mode = "add" }
func trustBundle(a *addition)   { a.from = "ClusterTrustBundle" }
func otherKey(a *addition)      { a.key = "other.pem" }
func withKeyStore(a *addition)  { a.javaKey = "cacerts.jks" }
func signedBundle(a *addition)  { a.bundle = "example.com:a.signer:roots" }
func longestBundle(a *addition) { a.bundle = long(253) }

// P3: each setting is a label of the namespace or an annotation of the pod, which has precedence.
func TestSettings(t *testing.T) {
	t.Parallel()
	in := func(pairs ...string) map[string]string { return labels(append(pairs, bundleKey, "example")...) }
	examples := map[string]example{
		"add a ClusterTrustBundle":             {labels: in(modeKey, "add", fromKey, "ClusterTrustBundle"), want: injected(adding, trustBundle)},
		"add with a key store":                 {labels: in(modeKey, "add", javaKey, "cacerts.jks"), want: injected(adding, withKeyStore)},
		"another key and a key store":          {labels: in(keyKey, "other.pem", javaKey, "cacerts.jks"), want: injected(otherKey, withKeyStore)},
		"a ClusterTrustBundle has no keys":     {labels: in(fromKey, "ClusterTrustBundle", keyKey, "other.pem", javaKey, "cacerts.jks"), want: injected(trustBundle)},
		"a ClusterTrustBundle with a signer":   {pod: annotated(bundleKey, "example.com:a.signer:roots", fromKey, "ClusterTrustBundle"), want: injected(signedBundle, trustBundle)},
		"the longest name of a ConfigMap":      {pod: annotated(bundleKey, long(253)), want: injected(longestBundle)},
		"the longest key":                      {pod: annotated(keyKey, long(253)), want: injected(func(a *addition) { a.key = long(253) })},
		"a key with each kind of character":    {pod: annotated(keyKey, ".a_B-9.pem"), want: injected(func(a *addition) { a.key = ".a_B-9.pem" })},
		"a pod that opts in uses labels too":   {labels: labels(modeKey, "add"), pod: annotated(bundleKey, "example"), want: injected(adding)},
		"no key store although the others do":  {labels: in(javaKey, "cacerts.jks"), pod: annotated(javaKey, ""), want: injected()},
		"a setting that is none of the policy": {labels: in("trust.cert-manager.io/inject-other", "x"), want: injected()},
	}
	for name, tc := range map[string]struct {
		key, value, standard string
		changed              func(*addition)
	}{
		"mode":     {modeKey, "add", "replace", adding},
		"source":   {fromKey, "ClusterTrustBundle", "ConfigMap", trustBundle},
		"key":      {keyKey, "other.pem", defaultKey, otherKey},
		"key of a": {javaKey, "cacerts.jks", "", withKeyStore},
	} {
		byPod, standardByPod := annotated(tc.key, tc.value), annotated(tc.key, tc.standard)
		examples[name+" by the namespace"] = example{labels: in(tc.key, tc.value), want: injected(tc.changed)}
		examples[name+" by the pod"] = example{pod: byPod, want: injected(tc.changed)}
		examples[name+" by both"] = example{labels: in(tc.key, tc.value), pod: standardByPod, want: injected()}
		examples[name+" by a pod that opts in"] = example{labels: labels("a", "b"), pod: all(byPod, annotated(bundleKey, "example")), want: injected(tc.changed)}
	}
	checkAll(t, examples)
}

// P3: whatever a setting contains, the pod is created. If the API server would refuse the pod with
// it, or a node could not mount it, the pod is not changed.
func TestInvalidSettings(t *testing.T) {
	t.Parallel()
	examples := map[string]example{
		"a bundle in a label": {labels: labels(bundleKey, "Example")},
		"a mode in a label":   {labels: labels(bundleKey, "example", modeKey, "Replace")},
		// With the stamp, the annotations would have more than 256 KiB.
		"annotations without space": {pod: annotated("large", strings.Repeat("x", 256*1024-100))},
		"annotations of multi-byte": {pod: annotated("large", strings.Repeat("€", 256*1024/3-40))},
	}
	for name, annotation := range map[string][]string{
		"bundle in capitals": {bundleKey, "Example"}, "bundle with a slash": {bundleKey, "a/b"}, "bundle with a dash": {bundleKey, "-a"},
		"bundle with an empty label": {bundleKey, "a..b"}, "long bundle": {bundleKey, long(254)}, "bundle with a newline": {bundleKey, "example\n"},
		"bundle of spaces": {bundleKey, " "}, "bundle with a signer": {bundleKey, "example.com:signer:roots"}, "bundle with a quote": {bundleKey, `a"b`},
		"mode": {modeKey, "both"}, "no mode": {modeKey, ""}, "mode in capitals": {modeKey, "Add"},
		"source": {fromKey, "Secret"}, "no source": {fromKey, ""}, "source in lower case": {fromKey, "configmap"},
		"no key": {keyKey, ""}, "key with a slash": {keyKey, "a/b"}, "key that is a folder": {keyKey, "."}, "key with dots": {keyKey, ".."},
		"key above": {keyKey, "..a"}, "long key": {keyKey, long(254)}, "key with a newline": {keyKey, "a\n"},
		"Java key with a slash": {javaKey, "a/b"}, "Java key with dots": {javaKey, "..a"}, "long Java key": {javaKey, long(254)},
	} {
		examples[name] = example{pod: annotated(annotation...)}
	}
	for i, name := range []string{
		"Example", "a:b", "example.com:a", "a:b:c", ":", "::", "example.com:a:", "example.com::b", ":a:b", "example.com:a:b:c", "example.com:A:b",
		"example.com:a:" + long(254), long(64) + ".com:a:b", "-.com:a:b", long(254),
	} {
		examples[fmt.Sprintf("ClusterTrustBundle %d %.20s", i, name)] = example{pod: annotated(bundleKey, name, fromKey, "ClusterTrustBundle")}
	}
	checkAll(t, examples)
}

// The chart's values decide whether pods wait for their bundle, and which variables they get.
func TestValues(t *testing.T) {
	if err := install(t.Context(), "injection.waitForBundle=true", `injection.variables.file=["A","B"]`, "injection.variables.directory=[]"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(reinstall(t))
	for from, change := range map[string]func(*addition){"ConfigMap": func(*addition) {}, "ClusterTrustBundle": trustBundle} {
		want := injected(change, func(a *addition) { a.required, a.key = true, currentKey(make([]string, 3)) })
		check(t, namespaceWith(t, labels(bundleKey, "example", fromKey, from)), newPod(), func(p *corev1.Pod) {
			want(p)
			p.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "A", Value: replaced + file}, {Name: "B", Value: replaced + file}}
		})
	}
	if err := install(t.Context(), "injection.variables.file=[]", "injection.variables.directory=[]"); err != nil {
		t.Fatal(err)
	}
	check(t, namespaceWith(t, labels(bundleKey, "example")), newPod(), func(p *corev1.Pod) {
		injected(func(a *addition) { a.mountOnly, a.key = []string{"app"}, currentKey(make([]string, 2)) })(p)
	})
}
