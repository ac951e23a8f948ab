package admission_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Bundles as users write them, persisted: the API server keeps every field that
// they set.
func TestBundlesInUse(t *testing.T) {
	for name, spec := range map[string]string{
		"public-roots-only": `
sources: [{useDefaultCAs: true}]
target: {configMap: {key: trust-bundle.pem}}
`,
		"public-roots-and-a-private-root": `
sources:
- useDefaultCAs: true
- secret: {name: trust-manager-example-ca-secret, key: tls.crt}
target:
  configMap: {key: trust-bundle.pem}
  namespaceSelector: {matchLabels: {trust: enabled}}
`,
		"every-field": `
sources:
- configMap: {name: roots, key: root-certs.pem}
- configMap: {selector: {matchLabels: {app.kubernetes.io/part-of: roots}}, includeAllKeys: true}
- secret: {name: db-tls, key: ca.crt, includeAllKeys: false}
- secret:
    selector:
      matchExpressions:
      - {key: trust.example.com/root, operator: Exists}
      - {key: tier, operator: In, values: [db, web, ""]}
      - {key: tier, operator: NotIn, values: [old]}
      - {key: paused, operator: DoesNotExist}
    key: ca.crt
- useDefaultCAs: true
- inLine: |
    # Our first root
    -----BEGIN CERTIFICATE-----
    MIIB
    -----END CERTIFICATE-----
target:
  configMap:
    key: ca.pem
    metadata:
      labels: {app.kubernetes.io/managed-by: platform, empty: ""}
      annotations: {argocd.argoproj.io/sync-options: Prune=false, Example.com/Note: "any text, ö"}
  secret:
    key: ca.pem
    metadata:
      labels: {reflector: "true"}
  additionalFormats:
    jks: {key: ca.jks, password: changeit}
    pkcs12: {key: ca.p12, password: "", profile: Modern2023}
  namespaceSelector:
    matchLabels: {kubernetes.io/metadata.name: shop}
    matchExpressions: [{key: env, operator: In, values: [prod, staging]}]
`,
	} {
		t.Run(name, func(t *testing.T) {
			created(t, name, spec)
			got := bundle(t, name, `{}`)
			if err := apiClient.Get(requestContext(t), client.ObjectKeyFromObject(got), got); err != nil {
				t.Fatal(err)
			}
			typed(t, got)
			var want any
			if err := yaml.Unmarshal([]byte(spec), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got.Object["spec"]); diff != "" {
				t.Errorf("stored spec (-want +got):\n%s", diff)
			}
		})
	}
}

// The largest Bundles that fit into a request: the cost of checking them stays
// within what an API server spends on one object.
func TestLargeBundles(t *testing.T) {
	for name, spec := range map[string]string{
		"an-inline-source-of-1-mib":     "sources: [{inLine: " + text(1<<20) + "}]",
		"100-sources-with-selectors":    largeSelectors(100, 20, 20, 10),
		"100-sources-with-full-lists":   largeSelectors(100, 100, 100, 1),
		"20-sources-with-full-lists":    largeSelectors(20, 100, 100, 5),
		"1000-labels-10000-annotations": largeMetadata(1000, 10000),
	} {
		t.Run(name, func(t *testing.T) { created(t, name, spec) })
	}
}

// largeSelectors returns a spec with sources that read by selectors with this
// many labels, expressions and values in each.
func largeSelectors(sources, labelCount, expressions, values int) string {
	expression := "{key: tier.example.com/kind-of-service, operator: In, values: [" + repeat(values, "a-value-of-a-label") + "]}"
	selector := "{matchLabels: {" + labels(labelCount) + "}, matchExpressions: [" + repeat(expressions, expression) + "]}"
	return "sources: [" + repeat(sources, "{configMap: {key: ca.crt, selector: "+selector+"}}") + "]\n" +
		"target: {configMap: {key: ca.pem}, secret: {key: ca.pem}, namespaceSelector: " + selector + "}"
}

// largeMetadata returns a spec whose target asks for this many labels and
// annotations.
func largeMetadata(labelCount, annotationCount int) string {
	var annotations strings.Builder
	for i := range annotationCount {
		fmt.Fprintf(&annotations, "example.com/a-%d: v, ", i)
	}
	return withTarget("configMap: {key: k, metadata: {labels: {" + labels(labelCount) + "}, annotations: {" + annotations.String() + "}}}")
}
