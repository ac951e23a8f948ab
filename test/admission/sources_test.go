package admission_test

import "testing"

// V1: the validation of the list of sources as a whole.
func TestSources(t *testing.T) {
	checkPairs(t, map[string]pair{
		"V1 there is a list of sources": {
			valid:   `sources: [{inLine: x}]`,
			invalid: `target: {configMap: {key: k}}`,
			at:      "spec.sources", says: "Required value",
		},
		"V1 there is a source": {
			valid:   `sources: [{inLine: x}]`,
			invalid: `sources: []`,
			at:      "spec.sources", says: "at least 1 item",
		},
		"V1 useDefaultCAs: false alone counts as no source": {
			valid:   `sources: [{useDefaultCAs: true}]`,
			invalid: `sources: [{useDefaultCAs: false}]`,
			at:      "spec.sources", says: "adds no certificates",
		},
		"V1 useDefaultCAs: false beside another source is fine, twice is not": {
			valid:   `sources: [{useDefaultCAs: false}, {inLine: x}]`,
			invalid: `sources: [{useDefaultCAs: false}, {inLine: x}, {useDefaultCAs: false}]`,
			at:      "spec.sources", says: "at most one",
		},
		"V1 useDefaultCAs: true appears once": {
			valid:   `sources: [{useDefaultCAs: true}, {inLine: x}]`,
			invalid: `sources: [{useDefaultCAs: true}, {useDefaultCAs: true}]`,
			at:      "spec.sources", says: "at most one",
		},
		"V1 useDefaultCAs appears once whatever its value": {
			valid:   `sources: [{inLine: x}, {useDefaultCAs: true}]`,
			invalid: `sources: [{useDefaultCAs: false}, {useDefaultCAs: true}]`,
			at:      "spec.sources", says: "at most one",
		},
	})
}

// A2, V2: the validation of one source.
func TestSource(t *testing.T) {
	checkPairs(t, map[string]pair{
		"V2 a source has a kind": {
			valid:   `sources: [{inLine: x}, {useDefaultCAs: true}]`,
			invalid: `sources: [{inLine: x}, {}]`,
			at:      "spec.sources[1]", says: "exactly one of configMap, secret, clusterTrustBundle, inLine and useDefaultCAs",
		},
		"V2 a source has one kind only": {
			valid:   `sources: [{inLine: x}]`,
			invalid: `sources: [{inLine: x, useDefaultCAs: true}]`,
			at:      "spec.sources[0]", says: "exactly one of configMap, secret, clusterTrustBundle, inLine and useDefaultCAs",
		},
		"V2 a source is a configMap or a secret": {
			valid:   `sources: [{configMap: {name: o, key: k}}, {secret: {name: o, key: k}}]`,
			invalid: `sources: [{configMap: {name: o, key: k}, secret: {name: o, key: k}}]`,
			at:      "spec.sources[0]", says: "exactly one of configMap, secret, clusterTrustBundle, inLine and useDefaultCAs",
		},
		"V2 useDefaultCAs: false is a kind as well": {
			valid:   `sources: [{inLine: x}, {secret: {name: o, key: k}}, {useDefaultCAs: false}]`,
			invalid: `sources: [{inLine: x}, {secret: {name: o, key: k}, useDefaultCAs: false}]`,
			at:      "spec.sources[1]", says: "exactly one of configMap, secret, clusterTrustBundle, inLine and useDefaultCAs",
		},
	})
}

// V2: the validation of a source that reads objects, for either kind of object.
func TestSourceObject(t *testing.T) {
	for _, kind := range []string{"configMap", "secret"} {
		at := "spec.sources[0]." + kind
		object := func(fields string) string { return "sources: [{" + kind + ": {" + fields + "}}]" }
		checkPairs(t, map[string]pair{
			"V2 " + kind + " has a name or a selector": {
				valid:   object(`name: o, key: k`),
				invalid: object(`key: k`),
				at:      at, says: "exactly one of name and selector",
			},
			"V2 " + kind + " has not both a name and a selector": {
				valid:   object(`selector: {}, key: k`),
				invalid: object(`name: o, selector: {}, key: k`),
				at:      at, says: "exactly one of name and selector",
			},
			"V2 " + kind + " has a key or all keys": {
				valid:   object(`name: o, includeAllKeys: true`),
				invalid: object(`name: o`),
				at:      at, says: "exactly one of key and includeAllKeys: true must be set",
			},
			"V2 " + kind + " has a key where includeAllKeys is false": {
				valid:   object(`name: o, key: k, includeAllKeys: false`),
				invalid: object(`name: o, includeAllKeys: false`),
				at:      at, says: "exactly one of key and includeAllKeys: true must be set",
			},
			"V2 " + kind + " has not both a key and all keys": {
				valid:   object(`selector: {matchLabels: {a: b}}, includeAllKeys: true`),
				invalid: object(`selector: {matchLabels: {a: b}}, key: k, includeAllKeys: true`),
				at:      at, says: "exactly one of key and includeAllKeys: true must be set",
			},
		})
	}
}

// V1: a Bundle without a spec has no sources either.
func TestSpecIsRequired(t *testing.T) {
	b := bundle(t, "", `{}`)
	delete(b.Object, "spec")
	expectRefused(t, b, "spec", "Required value")
}
