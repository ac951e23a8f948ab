package admission_test

import (
	"strings"
	"testing"
)

// V5: invalid labels and annotations, in either kind of target.
func TestTargetMetadata(t *testing.T) {
	for _, kind := range []string{"configMap", "secret"} {
		checkPairs(t, labelPairs(kind))
		checkPairs(t, annotationPairs(kind))
	}
}

func labelPairs(kind string) map[string]pair {
	label := func(key, value string) string {
		return withTarget(kind + `: {key: k, metadata: {labels: {` + quote(key) + `: ` + quote(value) + `}}}`)
	}
	at := "spec.target." + kind + ".metadata.labels"
	rule := func(what, valid, invalid, says string) pair {
		p := pair{valid: label(valid, "v"), invalid: label(invalid, "v"), at: at, says: says}
		if what == "value" {
			p.valid, p.invalid = label("k", valid), label("k", invalid)
		}
		return p
	}
	of := func(name string) string { return "V5 " + kind + " label: " + name }
	const own, key, value = "belong to the operator", "a label key must be", "a label value must be"
	return map[string]pair{
		of("no key of the group"):                  rule("key", "cert-manager.io/x", "trust.cert-manager.io/x", own),
		of("no key of the project"):                rule("key", "manager.io/x", "trust-manager.io/x", own),
		of("keys beneath other domains are fine"):  rule("key", "x.trust-manager.io/x", "trust-manager.io/bundle", own),
		of("one slash in a key"):                   rule("key", "a.b/c", "a.b/c/d", key),
		of("a name after the slash"):               rule("key", "a.b/c", "a.b/", key),
		of("a prefix before the slash"):            rule("key", "a/c", "/c", key),
		of("no empty key"):                         rule("key", "a", "", key),
		of("a name starts with a letter or digit"): rule("key", "0-_.A", "_a", key),
		of("a name ends with a letter or digit"):   rule("key", "A_a", "a-", key),
		of("a name has no space"):                  rule("key", "a_b", "a b", key),
		of("a name has ASCII letters"):             rule("key", "oe", "ö", key),
		of("a prefix is in lower case"):            rule("key", "example.com/A", "Example.com/A", key),
		of("a prefix has no empty part"):           rule("key", "a.b/c", "a..b/c", key),
		of("no part of a prefix starts with -"):    rule("key", "a.b--c/d", "a.-b/d", key),
		of("no part of a prefix ends with -"):      rule("key", "a-0.b/d", "a-.b/d", key),
		of("a prefix has no _"):                    rule("key", "a-b/c", "a_b/c", key),
		of("a value has no space"):                 rule("value", "a_b", "a b", value),
		of("a value may be empty, but not a dot"):  rule("value", "", ".", value),
		of("a value has no slash"):                 rule("value", "a.b", "a/b", value),
		of("a value has ASCII letters"):            rule("value", "oe", "ö", value),
		of("a value has no line end"):              rule("value", "0", `a\n`, value),
	}
}

func annotationPairs(kind string) map[string]pair {
	at := "spec.target." + kind + ".metadata.annotations"
	rule := func(valid, invalid, says string) pair {
		annotation := func(key string) string {
			return withTarget(kind + `: {key: k, metadata: {annotations: {` + quote(key) + `: "any text, even\nö"}}}`)
		}
		return pair{valid: annotation(valid), invalid: annotation(invalid), at: at, says: says}
	}
	of := func(name string) string { return "V5 " + kind + " annotation: " + name }
	const own, key = "belong to the operator", "an annotation key must be"
	return map[string]pair{
		of("no key of the group"):                  rule("cert-manager.io/x", "trust.cert-manager.io/hash", own),
		of("no key of the project"):                rule("manager.io/x", "trust-manager.io/x", own),
		of("one slash in a key"):                   rule("a.b/c", "a.b/c/d", key),
		of("a name after the slash"):               rule("a.b/c", "a.b/", key),
		of("no empty key"):                         rule("a", "", key),
		of("a name starts with a letter or digit"): rule("0-_.A", "-a", key),
		of("a name has no space"):                  rule("a_b", "a b", key),
		of("a prefix may have upper case"):         rule("Example.COM/A", "Example..COM/A", key),
		of("a prefix has no _"):                    rule("A-b/c", "A_b/c", key),
	}
}

// V5: the size that Kubernetes allows for one annotation. CEL counts characters.
func TestAnnotationSize(t *testing.T) {
	for _, kind := range []string{"configMap", "secret"} {
		annotation := func(n int) string {
			return withTarget(kind + `: {key: k, metadata: {annotations: {a: "` + strings.Repeat("x", n-len("a")) + `"}}}`)
		}
		checkPairs(t, map[string]pair{
			"V5 " + kind + ": an annotation has at most 262144 characters": {
				valid:   annotation(262144),
				invalid: annotation(262145),
				at:      "spec.target." + kind + ".metadata.annotations", says: "at most 262144",
			},
		})
	}
}

// quote returns s as a YAML string in which \n is a line end.
func quote(s string) string { return `"` + s + `"` }
