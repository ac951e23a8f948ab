package admission_test

import (
	"strings"
	"testing"
)

// V7: a source that is a target of the Bundle itself. Whether a source is one
// does not depend on namespaces, which the API server does not know.
func TestSourceIsOwnTarget(t *testing.T) {
	for kind, other := range map[string]string{"configMap": "secret", "secret": "configMap"} {
		spec := func(source, target string) string {
			return "sources: [{inLine: x}, {" + source + "}]\ntarget: {" + target + "}"
		}
		target := kind + ": {key: t}"
		own := kind + ": {name: own, key: t}"
		formats := target + ", additionalFormats: {jks: {key: j}, pkcs12: {key: p}}"
		rule := func(valid, invalid, says string) pair {
			return pair{name: "own", valid: valid, invalid: invalid, at: "spec", says: says}
		}
		of := func(name string) string { return "V7 " + kind + ": " + name }
		checkPairs(t, map[string]pair{
			of("another name"):          rule(spec(kind+": {name: owner, key: t}", target), spec(own, target), "must not read the"),
			of("another key"):           rule(spec(kind+": {name: own, key: u}", target), spec(own, target), "must not read the"),
			of("a target of one kind"):  rule(spec(own, other+": {key: t}"), spec(own, target), "must not read the"),
			of("a target of two kinds"): rule(spec(own, other+": {key: t}"), spec(own, target+", "+other+": {key: u}"), "must not read the"),
			of("all keys"): rule(
				spec(kind+": {name: owner, includeAllKeys: true}", target),
				spec(kind+": {name: own, includeAllKeys: true}", target), "must not read the"),
			of("a selector"):    rule(spec(kind+": {selector: {}, includeAllKeys: true}", target), spec(own, target), "must not read the"),
			of("the JKS file"):  rule(spec(kind+": {name: own, key: j}", target), spec(kind+": {name: own, key: j}", formats), "must not read an additional format"),
			of("the PKCS file"): rule(spec(kind+": {name: own, key: p}", target), spec(kind+": {name: own, key: p}", formats), "must not read an additional format"),
			of("a hashed directory"): rule(
				spec(kind+": {name: own, key: 5ad8a5d6.a}", target+", additionalFormats: {hashedDirectory: {}}"),
				spec(kind+": {name: own, key: 5ad8a5d6.0}", target+", additionalFormats: {hashedDirectory: {}}"), "must not read an additional format"),
			of("a key store's name in another object"): rule(
				spec(kind+": {name: owner, key: j}", formats),
				spec(kind+": {name: own, key: j}", formats), "must not read an additional format"),
		})
	}
}

// V7 is about targets: with none, a Bundle may read an object of its own name.
func TestSourceOfOwnNameWithoutTarget(t *testing.T) {
	expectAccepted(t, bundle(t, "own", `sources: [{configMap: {name: own, includeAllKeys: true}}]`))
}

// V8: the name of a Bundle with a target is the value of a label.
func TestBundleName(t *testing.T) {
	name := strings.Repeat("n", 64)
	expectAccepted(t, bundle(t, name[:63], withTarget(`configMap: {key: k}`)))
	expectRefused(t, bundle(t, name, withTarget(`configMap: {key: k}`)), wholeObject, "at most 63 characters")
	expectRefused(t, bundle(t, name, withTarget(`secret: {key: k}`)), wholeObject, "at most 63 characters")
	// Without a target the label is not set.
	expectAccepted(t, bundle(t, strings.Repeat("n", 253), `sources: [{inLine: x}]`))
}
