package admission_test

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// limit is a field whose length, in characters or items, has bounds.
type limit struct {
	min, max int
	spec     func(n int) string // a spec in which the field has the length n
	at       string             // where a refusal is reported, if not at the field
}

// A1, A3 to A11, V3: every limit, and the first length beyond it.
func TestLimits(t *testing.T) {
	limits := map[string]limit{
		"spec.sources":           {min: 1, max: 100, spec: func(n int) string { return "sources: [" + repeat(n, "{inLine: x}") + "]" }},
		"spec.sources[0].inLine": {min: 1, max: 1048576, spec: func(n int) string { return "sources: [{inLine: " + text(n) + "}]" }},
	}
	for _, kind := range []string{"configMap", "secret"} {
		for field, other := range map[string]string{"name": "key: k", "key": "name: o"} {
			limits["spec.sources[0]."+kind+"."+field] = limit{min: 1, max: 253, spec: func(n int) string {
				return "sources: [{" + kind + ": {" + other + ", " + field + ": " + text(n) + "}}]"
			}}
		}
		limits["spec.target."+kind+".key"] = limit{min: 1, max: 253, spec: func(n int) string {
			return withTarget(kind + ": {key: " + text(n) + "}")
		}}
	}
	for format, shortest := range map[string]int{"jks": 1, "pkcs12": 0} {
		spec := func(fields string) string {
			return withTarget("configMap: {key: k}, additionalFormats: {" + format + ": {" + fields + "}}")
		}
		at := "spec.target.additionalFormats." + format
		limits[at+".key"] = limit{min: 1, max: 253, spec: func(n int) string { return spec("key: " + text(n)) }}
		limits[at+".password"] = limit{min: shortest, max: 128, spec: func(n int) string { return spec("key: f, password: " + text(n)) }}
	}
	checkLimits(t, limits)
}

// V5: the limits that Kubernetes has for labels and annotations, and the number
// of labels.
func TestMetadataLimits(t *testing.T) {
	for _, kind := range []string{"configMap", "secret"} {
		checkLimits(t, metadataLimits(kind))
	}
}

func metadataLimits(kind string) map[string]limit {
	spec := func(field, entries string) string {
		return withTarget(kind + ": {key: k, metadata: {" + field + ": {" + entries + "}}}")
	}
	limits := map[string]limit{
		kind + " labels":       {max: 1000, spec: func(n int) string { return spec("labels", labels(n)) }},
		kind + " labels value": {max: 63, spec: func(n int) string { return spec("labels", "a: "+text(n)) }},
	}
	for _, field := range []string{"labels", "annotations"} {
		limits[kind+" "+field+" name"] = limit{max: 62, spec: func(n int) string { return spec(field, "a"+raw(n)+": v") }}
		limits[kind+" "+field+" prefix"] = limit{max: 252, spec: func(n int) string { return spec(field, "a"+raw(n)+"/b: v") }}
	}
	for name, l := range limits {
		l.at = "spec.target." + kind + ".metadata." + strings.Fields(name)[1]
		limits[name] = l
	}
	return limits
}

// A3, A11, V6: the limits of selectors, at each place that has one.
func TestSelectorLimits(t *testing.T) {
	for at, spec := range selectors {
		expression := func(fields string) string { return spec("{matchExpressions: [{" + fields + "}]}") }
		checkLimits(t, map[string]limit{
			at + ".matchLabels":              {max: 100, spec: func(n int) string { return spec("{matchLabels: {" + labels(n) + "}}") }},
			at + ".matchLabels value":        {max: 63, at: at, spec: func(n int) string { return spec("{matchLabels: {a: " + text(n) + "}}") }},
			at + ".matchLabels key's name":   {max: 62, at: at, spec: func(n int) string { return spec("{matchLabels: {a" + raw(n) + ": v}}") }},
			at + ".matchLabels key's prefix": {max: 252, at: at, spec: func(n int) string { return spec("{matchLabels: {a" + raw(n) + "/b: v}}") }},
			at + ".matchExpressions": {max: 100, spec: func(n int) string {
				return spec("{matchExpressions: [" + repeat(n, "{key: k, operator: Exists}") + "]}")
			}},
			at + ".matchExpressions key's name": {max: 62, at: at + ".matchExpressions[0].key", spec: func(n int) string {
				return expression("operator: Exists, key: a" + raw(n))
			}},
			at + ".matchExpressions key's prefix": {max: 252, at: at, spec: func(n int) string {
				return expression("operator: Exists, key: a" + raw(n) + "/b")
			}},
			at + ".matchExpressions value": {max: 63, at: at + ".matchExpressions[0].values[0]", spec: func(n int) string {
				return expression("key: k, operator: In, values: [" + text(n) + "]")
			}},
		})
	}
}

// A selector's expression has any number of values, as in Kubernetes.
func TestManyValues(t *testing.T) {
	for _, spec := range selectors {
		expectAccepted(t, bundle(t, "", spec("{matchExpressions: [{key: k, operator: In, values: ["+repeat(10000, "v")+"]}]}")))
	}
}

func checkLimits(t *testing.T, limits map[string]limit) {
	t.Helper()
	checkLimitsOf(t, bundle, limits)
}

// checkLimitsOf is checkLimits for another API kind, as checkPairsOf is checkPairs.
func checkLimitsOf(t *testing.T, object func(t *testing.T, name, spec string) *unstructured.Unstructured, limits map[string]limit) {
	t.Helper()
	for name, l := range limits {
		if l.at == "" {
			l.at = name
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expectAccepted(t, object(t, "", l.spec(l.min)))
			expectAccepted(t, object(t, "", l.spec(l.max)))
			expectRefused(t, object(t, "", l.spec(l.max+1)), l.at, "")
			if l.min > 0 {
				expectRefused(t, object(t, "", l.spec(l.min-1)), l.at, "")
			}
		})
	}
}

// raw returns n letters, and text the same as a YAML string.
func raw(n int) string  { return strings.Repeat("x", n) }
func text(n int) string { return `"` + raw(n) + `"` }

// repeat returns n times a YAML item, for a list.
func repeat(n int, item string) string {
	return strings.TrimSuffix(strings.Repeat(item+", ", n), ", ")
}

// labels returns n different entries of a YAML map.
func labels(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "example.com/label-%d: value-%d, ", i, i)
	}
	return b.String()
}
