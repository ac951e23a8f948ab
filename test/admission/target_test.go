package admission_test

import "testing"

// withTarget returns a spec with this target.
func withTarget(target string) string {
	return "sources: [{inLine: x}]\ntarget: {" + target + "}"
}

// V3: the validation of a target.
func TestTarget(t *testing.T) {
	checkPairs(t, map[string]pair{
		"V3 a target has a kind of object, or is unset": {
			valid:   `sources: [{inLine: x}]`,
			invalid: withTarget(``),
			at:      "spec.target", says: "at least one of configMap, secret and clusterTrustBundle",
		},
		"V3 a namespace selector needs a kind of object": {
			valid:   withTarget(`configMap: {key: k}, namespaceSelector: {}`),
			invalid: withTarget(`namespaceSelector: {}`),
			at:      "spec.target", says: "at least one of configMap, secret and clusterTrustBundle",
		},
		"V3 additional formats need a kind of object": {
			valid:   withTarget(`secret: {key: k}, additionalFormats: {jks: {key: j}}`),
			invalid: withTarget(`additionalFormats: {jks: {key: j}}`),
			at:      "spec.target", says: "at least one of configMap, secret and clusterTrustBundle",
		},
		"A16 overwrite is a boolean": {
			valid:   withTarget(`configMap: {key: k}, overwrite: true`),
			invalid: withTarget(`configMap: {key: k}, overwrite: "true"`),
			at:      "spec.target.overwrite", says: "must be of type boolean",
		},
		"A17 a deletion policy is known": {
			valid:   withTarget(`configMap: {key: k}, deletionPolicy: Orphan`),
			invalid: withTarget(`configMap: {key: k}, deletionPolicy: Keep`),
			at:      "spec.target.deletionPolicy", says: `supported values: "Delete", "Orphan"`,
		},
		"V3 a ConfigMap target has a key": {
			valid:   withTarget(`configMap: {key: k}, secret: {key: k}`),
			invalid: withTarget(`configMap: {}, secret: {key: k}`),
			at:      "spec.target.configMap.key", says: "Required value",
		},
		"V3 a Secret target has a key": {
			valid:   withTarget(`configMap: {key: k}, secret: {key: other}`),
			invalid: withTarget(`configMap: {key: k}, secret: {metadata: {labels: {a: b}}}`),
			at:      "spec.target.secret.key", says: "Required value",
		},
	})
}

// V3, V4: the validation of additional formats.
func TestAdditionalFormats(t *testing.T) {
	formats := func(f string) string {
		return withTarget("configMap: {key: c}, secret: {key: s}, additionalFormats: {" + f + "}")
	}
	const at = "spec.target.additionalFormats"
	checkPairs(t, map[string]pair{
		"V3 additional formats have a format": {
			valid:   formats(`pkcs12: {key: p}`),
			invalid: formats(``),
			at:      at, says: "at least one of jks, pkcs12 and hashedDirectory",
		},
		"V3 a hashed directory is a format": {
			valid:   formats(`hashedDirectory: {}`),
			invalid: formats(`hashedDirectory: true`),
			at:      at + ".hashedDirectory", says: "must be of type object",
		},
		"V3 a hashed directory has no options": {
			valid:   formats(`hashedDirectory: {}`),
			invalid: formats(`hashedDirectory: {key: a}`),
			at:      at + ".hashedDirectory", says: "must have at most 0",
		},
		"V4 a jks key is not one of a hashed directory": {
			valid:   formats(`hashedDirectory: {}, jks: {key: 5ad8a5d6.a}`),
			invalid: formats(`hashedDirectory: {}, jks: {key: 5ad8a5d6.0}`),
			at:      at + ".hashedDirectory", says: "no other key may have the form",
		},
		"V4 a pkcs12 key is not one of a hashed directory": {
			valid:   formats(`pkcs12: {key: 5ad8a5d6.10}`),
			invalid: formats(`hashedDirectory: {}, pkcs12: {key: 5ad8a5d6.10}`),
			at:      at + ".hashedDirectory", says: "no other key may have the form",
		},
		"V4 the ConfigMap's key is not one of a hashed directory": {
			valid:   withTarget(`configMap: {key: 5AD8A5D6.0}, additionalFormats: {hashedDirectory: {}}`),
			invalid: withTarget(`configMap: {key: 5ad8a5d6.0}, additionalFormats: {hashedDirectory: {}}`),
			at:      at + ".hashedDirectory", says: "no other key may have the form",
		},
		"V4 the Secret's key is not one of a hashed directory": {
			valid:   withTarget(`secret: {key: 5ad8a5d.0}, additionalFormats: {hashedDirectory: {}}`),
			invalid: withTarget(`secret: {key: 5ad8a5d6.0}, additionalFormats: {hashedDirectory: {}}`),
			at:      at + ".hashedDirectory", says: "no other key may have the form",
		},
		"V3 a jks has a key": {
			valid:   formats(`jks: {key: j}`),
			invalid: formats(`jks: {password: changeit}`),
			at:      at + ".jks.key", says: "Required value",
		},
		"V3 a pkcs12 has a key": {
			valid:   formats(`pkcs12: {key: p}`),
			invalid: formats(`pkcs12: {}`),
			at:      at + ".pkcs12.key", says: "Required value",
		},
		"V3 LegacyRC2 is a profile, the empty one is not": {
			valid:   formats(`pkcs12: {key: p, profile: LegacyRC2}`),
			invalid: formats(`pkcs12: {key: p, profile: ""}`),
			at:      at + ".pkcs12.profile", says: "supported values",
		},
		"V3 LegacyDES is a profile, in no other case": {
			valid:   formats(`pkcs12: {key: p, profile: LegacyDES}`),
			invalid: formats(`pkcs12: {key: p, profile: legacyDES}`),
			at:      at + ".pkcs12.profile", says: "supported values",
		},
		"V3 Modern2023 is a profile, an unknown one is not": {
			valid:   formats(`pkcs12: {key: p, profile: Modern2023}`),
			invalid: formats(`pkcs12: {key: p, profile: Modern2026}`),
			at:      at + ".pkcs12.profile", says: "supported values",
		},
		"V4 the jks key is not the ConfigMap's": {
			valid:   formats(`jks: {key: j}`),
			invalid: formats(`jks: {key: c}`),
			at:      at + ".jks.key", says: "must differ",
		},
		"V4 the jks key is not the Secret's": {
			valid:   formats(`jks: {key: j}`),
			invalid: formats(`jks: {key: s}`),
			at:      at + ".jks.key", says: "must differ",
		},
		"V4 the pkcs12 key is not the ConfigMap's": {
			valid:   formats(`pkcs12: {key: p}`),
			invalid: formats(`pkcs12: {key: c}`),
			at:      at + ".pkcs12.key", says: "must differ",
		},
		"V4 the pkcs12 key is not the Secret's": {
			valid:   formats(`pkcs12: {key: p}`),
			invalid: formats(`pkcs12: {key: s}`),
			at:      at + ".pkcs12.key", says: "must differ",
		},
		"V4 two formats have two keys": {
			valid:   formats(`jks: {key: j}, pkcs12: {key: p}`),
			invalid: formats(`jks: {key: j}, pkcs12: {key: j}`),
			at:      at + ".pkcs12.key", says: "different keys",
		},
	})
}

// V4 with one kind of target only: the rule does not depend on the other.
func TestFormatKeyWithOneKindOfTarget(t *testing.T) {
	for _, kind := range []string{"configMap", "secret"} {
		for _, format := range []string{"jks", "pkcs12"} {
			spec := func(key string) string {
				return withTarget(kind + ": {key: k}, additionalFormats: {" + format + ": {key: " + key + "}}")
			}
			checkPairs(t, map[string]pair{
				"V4 " + format + " beside " + kind: {
					valid:   spec("other"),
					invalid: spec("k"),
					at:      "spec.target.additionalFormats." + format + ".key", says: "must differ",
				},
			})
		}
	}
}
