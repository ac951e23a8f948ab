package admission_test

import "testing"

// K1: a source that reads objects may be optional, and no other.
func TestOptionalSource(t *testing.T) {
	checkPairs(t, map[string]pair{
		"K1 optional is a bool": {
			valid:   `sources: [{configMap: {name: o, key: k, optional: true}}]`,
			invalid: `sources: [{configMap: {name: o, key: k, optional: "true"}}]`,
			at:      "spec.sources[0].configMap.optional", says: "must be of type boolean",
		},
		"K1 an optional source is complete all the same": {
			valid:   `sources: [{secret: {selector: {}, includeAllKeys: true, optional: true}}]`,
			invalid: `sources: [{secret: {selector: {}, optional: true}}]`,
			at:      "spec.sources[0].secret", says: "exactly one of key and includeAllKeys: true must be set",
		},
		"V1, K1 an optional source is a source": {
			valid:   `sources: [{useDefaultCAs: false}, {secret: {name: o, key: k, optional: true}}]`,
			invalid: `sources: [{useDefaultCAs: false}]`,
			at:      "spec.sources", says: "adds no certificates",
		},
		"V7, K1 an optional source is not the own target": {
			name:    "own",
			valid:   "sources: [{configMap: {name: other, key: t, optional: true}}]\ntarget: {configMap: {key: t}}",
			invalid: "sources: [{configMap: {name: own, key: t, optional: true}}]\ntarget: {configMap: {key: t}}",
			at:      "spec", says: "must not read the",
		},
	})
}
