package admission_test

import (
	"fmt"
	"strings"
	"testing"
)

// clusterTarget returns the spec of a ClusterBundle with a source and a target that selects all
// namespaces.
func clusterTarget(target string) string {
	return "inLineCAs: x\ntarget: {namespaceSelector: {}, " + target + "}"
}

// E5, V1 to V3: the sources and targets of a ClusterBundle. Whatever the CustomResourceDefinition
// that cert-manager's trust-manager has published accepts is accepted.
func TestClusterBundle(t *testing.T) {
	refs := func(ref string) string { return "sourceRefs: [{" + ref + "}]" }
	checkPairsOf(t, clusterBundle, map[string]pair{
		"E5 a spec has a property": {
			valid:   `{inLineCAs: x}`,
			invalid: `{}`,
			at:      "spec", says: "at least 1 propert",
		},
		"E5 V1 a target needs a source": {
			valid:   clusterTarget(`configMap: {data: [{key: k}]}`),
			invalid: `target: {namespaceSelector: {}, configMap: {data: [{key: k}]}}`,
			at:      "spec.sourceRefs", says: "needs a source",
		},
		"E5 V1 disabled default CAs are no source": {
			valid:   "defaultCAs: {provider: System}\ntarget: {namespaceSelector: {}, configMap: {data: [{key: k}]}}",
			invalid: "defaultCAs: {provider: Disabled}\ntarget: {namespaceSelector: {}, configMap: {data: [{key: k}]}}",
			at:      "spec.sourceRefs", says: "needs a source",
		},
		"E5 V1 no source is needed without a target": {
			valid:   `{defaultCAs: {provider: Disabled}}`,
			invalid: `{defaultCAs: {provider: system}}`,
			at:      "spec.defaultCAs.provider", says: "Unsupported value",
		},
		"E5 a provider is required": {
			valid:   `{defaultCAs: {provider: System}}`,
			invalid: `{defaultCAs: {}}`,
			at:      "spec.defaultCAs.provider", says: "Required value",
		},
		"E5 V2 a kind is required": {
			valid:   refs(`kind: Secret, name: o, key: k`),
			invalid: refs(`name: o, key: k`),
			at:      "spec.sourceRefs[0].kind", says: "Required value",
		},
		"E5 V2 a kind is one of two": {
			valid:   refs(`kind: ConfigMap, name: o, key: k`),
			invalid: refs(`kind: Pod, name: o, key: k`),
			at:      "spec.sourceRefs[0].kind", says: "Unsupported value",
		},
		"E5 V2 a name or a selector": {
			valid:   refs(`kind: ConfigMap, selector: {}, key: k`),
			invalid: refs(`kind: ConfigMap, key: k`),
			at:      "spec.sourceRefs[0]", says: "exactly one of name and selector",
		},
		"E5 V2 not both a name and a selector": {
			valid:   refs(`kind: ConfigMap, name: o, key: k`),
			invalid: refs(`kind: ConfigMap, name: o, selector: {}, key: k`),
			at:      "spec.sourceRefs[0]", says: "exactly one of name and selector",
		},
		"E5 V2 a key is required": {
			valid:   refs(`kind: ConfigMap, name: o, key: "*"`),
			invalid: refs(`kind: ConfigMap, name: o`),
			at:      "spec.sourceRefs[0].key", says: "Required value",
		},
		"E5 V2 a pattern has no other wildcards": {
			valid:   refs(`kind: ConfigMap, name: o, key: "ca-*.crt"`),
			invalid: refs(`kind: ConfigMap, name: o, key: "ca-?.crt"`),
			at:      "spec.sourceRefs[0].key", says: "should match",
		},
		"E5 V3 a target has a kind": {
			valid:   clusterTarget(`secret: {data: [{key: k}]}`),
			invalid: "inLineCAs: x\ntarget: {namespaceSelector: {}}",
			at:      "spec.target", says: "at least one of configMap, secret and clusterTrustBundle",
		},
		"E5 V3 a target selects namespaces": {
			valid:   clusterTarget(`configMap: {data: [{key: k}]}`),
			invalid: "inLineCAs: x\ntarget: {configMap: {data: [{key: k}]}}",
			at:      "spec.target.namespaceSelector", says: "Required value",
		},
		"E1 F5 a ClusterTrustBundle has no keys": {
			valid:   refs(`kind: ClusterTrustBundle, name: "example.com:a:b"`),
			invalid: refs(`kind: ClusterTrustBundle, name: o, key: k`),
			at:      "spec.sourceRefs[0].key", says: "no keys",
		},
		"E1 F5 only a ClusterTrustBundle has a signer": {
			valid:   refs(`kind: ClusterTrustBundle, signerName: example.com/a, selector: {}`),
			invalid: refs(`kind: ConfigMap, name: o, key: k, signerName: example.com/a`),
			at:      "spec.sourceRefs[0].signerName", says: "only the kind ClusterTrustBundle",
		},
		"E1 F1 a ClusterTrustBundle needs no selector, and other targets do": {
			valid:   "inLineCAs: x\ntarget: {clusterTrustBundle: {}}",
			invalid: "inLineCAs: x\ntarget: {clusterTrustBundle: {}, secret: {data: [{key: k}]}}",
			at:      "spec.target.namespaceSelector", says: "Required value",
		},
		"E5 V2 the name of a ConfigMap": {
			valid:   refs(`kind: ConfigMap, name: ` + strings.Repeat("n", 253) + `, key: k`),
			invalid: refs(`kind: ConfigMap, name: ` + strings.Repeat("n", 254) + `, key: k`),
			at:      "spec.sourceRefs[0].name", says: "253",
		},
		"E5 V3 a target has a file": {
			valid:   clusterTarget(`configMap: {data: [{key: k}]}`),
			invalid: clusterTarget(`configMap: {data: []}`),
			at:      "spec.target.configMap.data", says: "at least 1 item",
		},
		"E5 V3 a key is no pattern": {
			valid:   clusterTarget(`configMap: {data: [{key: a.b_c-D}]}`),
			invalid: clusterTarget(`configMap: {data: [{key: "a*"}]}`),
			at:      "spec.target.configMap.data[0].key", says: "should match",
		},
		"E5 V4 keys differ": {
			valid:   clusterTarget(`configMap: {data: [{key: a}, {key: b}]}`),
			invalid: clusterTarget(`configMap: {data: [{key: a}, {key: a, format: PKCS12}]}`),
			at:      "spec.target.configMap.data[1]", says: "Duplicate value",
		},
		"E5 V3 a format is known": {
			valid:   clusterTarget(`configMap: {data: [{key: a, format: PEM}, {key: b, format: PKCS12}, {key: c, format: JKS}]}`),
			invalid: clusterTarget(`configMap: {data: [{key: a, format: pem}]}`),
			at:      "spec.target.configMap.data[0].format", says: "Unsupported value",
		},
		"E1 T3b a hashed directory is a format, once in an object": {
			valid:   clusterTarget(`configMap: {data: [{key: a, format: HashedDirectory}]}, secret: {data: [{key: a, format: HashedDirectory}]}`),
			invalid: clusterTarget(`configMap: {data: [{key: a, format: HashedDirectory}, {key: b, format: HashedDirectory}]}`),
			at:      "spec.target.configMap.data", says: "at most one file",
		},
		"E5 V4 a key is not one of a hashed directory": {
			valid:   clusterTarget(`configMap: {data: [{key: 5ad8a5d6.0}, {key: b, format: JKS}]}`),
			invalid: clusterTarget(`configMap: {data: [{key: 5ad8a5d6.0}, {key: b, format: HashedDirectory}]}`),
			at:      "spec.target.configMap.data", says: "no key may have the form",
		},
		"E5 V3 PEM has no password": {
			valid:   clusterTarget(`configMap: {data: [{key: a, format: PKCS12, password: ""}]}`),
			invalid: clusterTarget(`configMap: {data: [{key: a, password: p}]}`),
			at:      "spec.target.configMap.data[0].password", says: "only the formats PKCS12 and JKS",
		},
		"E5 V3 a JKS password is not empty": {
			valid:   clusterTarget(`secret: {data: [{key: a, format: JKS, password: p}]}`),
			invalid: clusterTarget(`secret: {data: [{key: a, format: JKS, password: ""}]}`),
			at:      "spec.target.secret.data[0].password", says: "at least 1 character",
		},
		"E5 V3 only PKCS12 has a profile": {
			valid:   clusterTarget(`configMap: {data: [{key: a, format: PKCS12, profile: Modern2023}]}`),
			invalid: clusterTarget(`configMap: {data: [{key: a, format: PEM, profile: Modern2023}]}`),
			at:      "spec.target.configMap.data[0].profile", says: "only the format PKCS12",
		},
		"E5 V3 a profile is known": {
			valid:   clusterTarget(`configMap: {data: [{key: a, format: PKCS12, profile: LegacyRC2}]}`),
			invalid: clusterTarget(`configMap: {data: [{key: a, format: PKCS12, profile: Modern}]}`),
			at:      "spec.target.configMap.data[0].profile", says: "Unsupported value",
		},
		"E1 exclusions, filters, rotation and a policy": {
			valid: "inLineCAs: x\nfilters: {expired: Drop}\nrotation: {retain: 1h}\nexclude: [{subject: CN=a}]\n" +
				"target: {namespaceSelector: {}, overwrite: true, deletionPolicy: Orphan, configMap: {data: [{key: k}]}}",
			invalid: "inLineCAs: x\ntarget: {namespaceSelector: {}, deletionPolicy: Keep, configMap: {data: [{key: k}]}}",
			at:      "spec.target.deletionPolicy", says: "Unsupported value",
		},
	})
}

// E5, V5, V6: metadata and selectors of a ClusterBundle.
func TestClusterBundleMetadata(t *testing.T) {
	metadata := func(fields string) string {
		return clusterTarget("secret: {data: [{key: k}], metadata: {" + fields + "}}")
	}
	rules := map[string]pair{
		"E5 V5 metadata is not empty": {
			valid:   metadata(`labels: {a: b}`),
			invalid: metadata(``),
			at:      "spec.target.secret.metadata", says: "at least 1 propert",
		},
		"E5 V6 a selector of namespaces": {
			valid:   "inLineCAs: x\ntarget: {configMap: {data: [{key: k}]}, namespaceSelector: {matchLabels: {a: b}}}",
			invalid: "inLineCAs: x\ntarget: {configMap: {data: [{key: k}]}, namespaceSelector: {matchLabels: {a: \"b*\"}}}",
			at:      "spec.target.namespaceSelector", says: "selectors have no wildcards",
		},
		"E5 V6 a selector of sources": {
			valid:   `sourceRefs: [{kind: Secret, key: k, selector: {matchExpressions: [{key: a, operator: Exists}]}}]`,
			invalid: `sourceRefs: [{kind: Secret, key: k, selector: {matchExpressions: [{key: a, operator: Has}]}}]`,
			at:      "spec.sourceRefs[0].selector", says: "an operator must be",
		},
	}
	for _, field := range []string{"labels", "annotations"} {
		for _, domain := range []string{"trust-manager.io", "trust.cert-manager.io"} {
			rules["E5 V5 "+field+" of "+domain] = pair{
				valid:   metadata(field + ": {my-" + domain + "/a: b}"),
				invalid: metadata(field + ": {" + domain + "/a: b}"),
				at:      "spec.target.secret.metadata." + field, says: "belong to the operator",
			}
		}
		rules["E5 V5 "+field+" are not empty"] = pair{
			valid:   metadata(field + ": {a: b}"),
			invalid: metadata(field + ": {}"),
			at:      "spec.target.secret.metadata." + field, says: "at least 1 propert",
		}
	}
	checkPairsOf(t, clusterBundle, rules)
}

// E5, V7: a source that is a target of the ClusterBundle itself, by key or by pattern.
func TestClusterBundleReadsOwnTarget(t *testing.T) {
	for kind, field := range map[string]string{"ConfigMap": "configMap", "Secret": "secret"} {
		spec := func(name, key string) string {
			return fmt.Sprintf("sourceRefs: [{kind: %s, name: %s, key: %q}]\ntarget: {namespaceSelector: {}, %s: {data: [{key: a.pem}, {key: b.p12, format: PKCS12}]}}",
				kind, name, key, field)
		}
		rules := map[string]pair{}
		for _, key := range []string{"a.pem", "b.p12", "*", "a*", "*.p12", "b*2", "*.*"} {
			rules["E5 V7 "+kind+" "+key] = pair{name: "own", valid: spec("other", key), invalid: spec("own", key), at: "spec", says: "must not read the " + kind + " target"}
		}
		for _, key := range []string{"c.pem", "*.crt", "c*", "a.pem*x", "a.pem*pem", "a*bcde*m"} {
			rules["E5 V7 "+kind+" "+key] = pair{name: "own", valid: spec("own", key), invalid: spec("own", "*"), at: "spec", says: "must not read the " + kind + " target"}
		}
		for _, key := range []string{"5ad8a5d6.0", "5ad8*", "*.0", "*.*", "*0"} {
			hashed := strings.ReplaceAll(spec("own", key), "a.pem", "a.pem, format: HashedDirectory")
			rules["E5 V7 "+kind+" hashed "+key] = pair{name: "own", valid: spec("other", key), invalid: hashed, at: "spec", says: "must not read the " + kind + " target"}
		}
		for _, key := range []string{"5ad8a5d6.x", "x*", "x*.0", "5ad8a5d6", "1.0"} {
			hashed := strings.ReplaceAll(spec("own", key), "a.pem", "a.pem, format: HashedDirectory")
			rules["E5 V7 "+kind+" beside hashed "+key] = pair{name: "own", valid: hashed, invalid: spec("own", "*"), at: "spec", says: "must not read the " + kind + " target"}
		}
		checkPairsOf(t, clusterBundle, rules)
	}
}

// E5, V8: the name of a ClusterBundle with a target is the value of a label.
func TestClusterBundleName(t *testing.T) {
	name := strings.Repeat("n", 64)
	target := clusterTarget(`configMap: {data: [{key: k}]}`)
	expectAccepted(t, clusterBundle(t, name[:63], target))
	expectRefused(t, clusterBundle(t, name, target), wholeObject, "at most 63 characters")
	expectAccepted(t, clusterBundle(t, name, `{inLineCAs: x}`))
	unset := clusterBundle(t, name, `{inLineCAs: x}`)
	delete(unset.Object, "spec")
	expectAccepted(t, unset)
}

// E5: every limit of a ClusterBundle, and the first length beyond it.
func TestClusterBundleLimits(t *testing.T) {
	limits := map[string]limit{
		"spec.sourceRefs": {max: 100, spec: func(n int) string {
			return "inLineCAs: x\nsourceRefs: [" + repeat(n, "{kind: Secret, name: o, key: k}") + "]"
		}},
		"spec.inLineCAs": {min: 1, max: 1048576, spec: func(n int) string { return "inLineCAs: " + text(n) }},
		"spec.sourceRefs[0].name": {min: 1, max: 253, spec: func(n int) string {
			return "sourceRefs: [{kind: Secret, key: k, name: " + text(n) + "}]"
		}},
		"spec.sourceRefs[0].key": {min: 1, max: 253, spec: func(n int) string {
			return "sourceRefs: [{kind: Secret, name: o, key: " + text(n) + "}]"
		}},
	}
	for _, kind := range []string{"configMap", "secret"} {
		at := "spec.target." + kind + ".data"
		limits[at] = limit{min: 1, max: 10, spec: func(n int) string {
			var files []string
			for i := range n {
				files = append(files, fmt.Sprintf("{key: k%d}", i))
			}
			return clusterTarget(kind + ": {data: [" + strings.Join(files, ", ") + "]}")
		}}
		limits[at+"[0].key"] = limit{min: 1, max: 253, spec: func(n int) string { return clusterTarget(kind + ": {data: [{key: " + text(n) + "}]}") }}
		limits[at+"[0].password"] = limit{max: 128, spec: func(n int) string {
			return clusterTarget(kind + ": {data: [{key: k, format: PKCS12, password: " + text(n) + "}]}")
		}}
	}
	checkLimitsOf(t, clusterBundle, limits)
}
