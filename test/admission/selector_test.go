package admission_test

import "testing"

// selectors are the places of a spec that hold a selector: the field, and a
// spec with this selector in it.
var selectors = map[string]func(selector string) string{
	"spec.sources[0].configMap.selector": func(s string) string { return "sources: [{configMap: {key: k, selector: " + s + "}}]" },
	"spec.sources[0].secret.selector":    func(s string) string { return "sources: [{secret: {key: k, selector: " + s + "}}]" },
	"spec.target.namespaceSelector":      func(s string) string { return withTarget("configMap: {key: k}, namespaceSelector: " + s) },
}

// V6: selectors that Kubernetes rejects, at each place.
func TestSelector(t *testing.T) {
	for at, spec := range selectors {
		checkPairs(t, matchLabelsPairs(at, spec))
		checkPairs(t, operatorPairs(at, spec))
		checkPairs(t, expressionSyntaxPairs(at, spec))
	}
}

func matchLabelsPairs(at string, spec func(string) string) map[string]pair {
	rule := func(valid, invalid, says string) pair {
		return pair{
			valid:   spec(`{matchLabels: {` + valid + `}}`),
			invalid: spec(`{matchLabels: {` + invalid + `}}`),
			at:      at, says: says,
		}
	}
	of := func(name string) string { return "V6 " + at + " matchLabels: " + name }
	const key, value = "a key of matchLabels must be", "a value of matchLabels must be"
	return map[string]pair{
		of("keys of the operator can be selected on"): rule(`trust.cert-manager.io/bundle: other`, `trust.cert-manager.io/: other`, key),
		of("no empty key"):                            rule(`a: b`, `"": b`, key),
		of("a name ends with a letter"):               rule(`a_A: b`, `a_: b`, key),
		of("a prefix is in lower case"):               rule(`example.com/A: b`, `Example.com/A: b`, key),
		of("every label is checked"):                  rule(`a: b, c: d`, `a: b, c/: d`, key),
		of("a value has no space"):                    rule(`a: b_c`, `a: b c`, value),
		of("a value may be empty"):                    rule(`a: ""`, `a: "-"`, value),
		of("every value is checked"):                  rule(`a: b, c: d`, `a: b, c: .d`, value),
		of("a value starts with a character"):         rule(`a: Z9`, `a: _Z9`, value),
		of("a value has no wildcard"):                 rule(`a: kube-a`, `a: kube-*`, "selectors have no wildcards"),
	}
}

func operatorPairs(at string, spec func(string) string) map[string]pair {
	rule := func(valid, invalid, says string) pair {
		return pair{
			valid:   spec(`{matchExpressions: [{key: k, ` + valid + `}]}`),
			invalid: spec(`{matchExpressions: [{key: k, ` + invalid + `}]}`),
			at:      at, says: says,
		}
	}
	of := func(name string) string { return "V6 " + at + " operator: " + name }
	const unknown, need, none = "an operator must be", "In and NotIn need values", "take no values"
	return map[string]pair{
		of("known"):                      rule(`operator: Exists`, `operator: Equals`, unknown),
		of("in its own case"):            rule(`operator: DoesNotExist`, `operator: doesnotexist`, unknown),
		of("not empty"):                  rule(`operator: Exists`, `operator: ""`, unknown),
		of("In with a value"):            rule(`operator: In, values: [a]`, `operator: In`, need),
		of("NotIn with a value"):         rule(`operator: NotIn, values: [a, ""]`, `operator: NotIn, values: []`, need),
		of("Exists with no value"):       rule(`operator: Exists, values: []`, `operator: Exists, values: [a]`, none),
		of("DoesNotExist with no value"): rule(`operator: DoesNotExist`, `operator: DoesNotExist, values: [""]`, none),
	}
}

// expressionSyntaxPairs returns syntax errors of keys and values in expressions, with
// the fields at which they are reported.
func expressionSyntaxPairs(at string, spec func(string) string) map[string]pair {
	rule := func(valid, invalid, below, says string) pair {
		return pair{
			valid:   spec(`{matchExpressions: [{key: a, operator: Exists}, {` + valid + `}]}`),
			invalid: spec(`{matchExpressions: [{key: a, operator: Exists}, {` + invalid + `}]}`),
			at:      at + ".matchExpressions[1]" + below, says: says,
		}
	}
	key := func(valid, invalid string) pair {
		return rule(`operator: Exists, key: `+valid, `operator: Exists, key: `+invalid, ".key", "should match")
	}
	value := func(valid, invalid string) pair {
		return rule(`key: a, operator: In, values: [a, `+valid+`]`, `key: a, operator: In, values: [a, `+invalid+`]`, ".values[1]", "should match")
	}
	of := func(name string) string { return "V6 " + at + " expression: " + name }
	return map[string]pair{
		of("a key is there"):             rule(`key: a, operator: Exists`, `operator: Exists`, ".key", "Required value"),
		of("an operator is there"):       rule(`key: a, operator: Exists`, `key: a`, ".operator", "Required value"),
		of("a key is not empty"):         key(`a`, `""`),
		of("a key has one slash"):        key(`a.b/c`, `a.b/c/d`),
		of("a prefix is in lower case"):  key(`example.com/A`, `Example.com/A`),
		of("a prefix has no empty part"): key(`a--b.c/d`, `a..c/d`),
		of("a name ends with a letter"):  key(`a_A`, `a_`),
		of("a key has no wildcard"):      rule(`operator: Exists, key: team-a`, `operator: Exists, key: "team-*"`, ".key", "label_key_without_wildcards"),
		of("a value has no space"):       value(`b_c`, `b c`),
		of("a value may be empty"):       value(`""`, `"-"`),
		of("a value ends with a letter"): value(`a.Z`, `Z.`),
		of("a value has no wildcard"):    rule(`key: a, operator: In, values: [kube-a]`, `key: a, operator: In, values: [kube-*]`, ".values[0]", "label_value_without_wildcards"),
	}
}
