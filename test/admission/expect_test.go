package admission_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/api/trustmanager/v1alpha2"
)

// wholeObject is what the API server calls the field of a rule that is about
// the object itself.
const wholeObject = "<nil>"

// statusField precedes the fields of the status, but not where an old API server
// (such as 1.28) refuses a write of the status.
const statusField = "status."

// pair is one rule: a valid spec, and an invalid one that is as similar as
// possible. Both are YAML.
type pair struct {
	name    string // of the Bundle; "example" if empty
	valid   string
	invalid string
	at      string // the field that the refusal is reported at
	says    string // a part of its message, which identifies the rule
}

func checkPairs(t *testing.T, rules map[string]pair) {
	t.Helper()
	checkPairsOf(t, bundle, rules)
}

// checkPairsOf is checkPairs for the API kind of the objects that a function returns, by name
// and spec.
func checkPairsOf(t *testing.T, object func(t *testing.T, name, spec string) *unstructured.Unstructured, rules map[string]pair) {
	t.Helper()
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			expectAccepted(t, object(t, rule.name, rule.valid))
			expectRefused(t, object(t, rule.name, rule.invalid), rule.at, rule.says)
		})
	}
}

// bundle returns a Bundle with a spec in YAML, which can be one that the Go
// types cannot express.
func bundle(t *testing.T, name, spec string) *unstructured.Unstructured {
	t.Helper()
	return objectOf(t, v1alpha1.GroupVersion.WithKind(v1alpha1.BundleKind), name, spec)
}

// clusterBundle is bundle for a ClusterBundle.
func clusterBundle(t *testing.T, name, spec string) *unstructured.Unstructured {
	t.Helper()
	return objectOf(t, v1alpha2.GroupVersion.WithKind(v1alpha2.ClusterBundleKind), name, spec)
}

func objectOf(t *testing.T, kind schema.GroupVersionKind, name, spec string) *unstructured.Unstructured {
	t.Helper()
	if name == "" {
		name = "example"
	}
	var content map[string]any
	if err := yaml.UnmarshalStrict([]byte(spec), &content); err != nil {
		t.Fatalf("the test's spec is not YAML: %v\n%s", err, spec)
	}
	b := &unstructured.Unstructured{Object: map[string]any{"spec": content}}
	b.SetGroupVersionKind(kind)
	b.SetName(name)
	return b
}

func expectAccepted(t *testing.T, b *unstructured.Unstructured) {
	t.Helper()
	if err := apiClient.Create(requestContext(t), b.DeepCopy(), client.DryRunAll); err != nil {
		t.Errorf("refused, want accepted: %v", shorten(err.Error()))
	}
}

// expectRefused checks that the API server refuses b as invalid, for one field
// only, with a message that contains says.
func expectRefused(t *testing.T, b *unstructured.Unstructured, at, says string) {
	t.Helper()
	checkRefusal(t, apiClient.Create(requestContext(t), b.DeepCopy(), client.DryRunAll), at, says)
}

func checkRefusal(t *testing.T, err error, at, says string) {
	t.Helper()
	if err == nil {
		t.Errorf("accepted, want refused at %s: %s", at, says)
		return
	}
	causes := invalidCauses(t, err)
	fields := make([]string, 0, len(causes))
	for _, cause := range causes {
		fields = append(fields, strings.TrimPrefix(cause.Field, statusField))
	}
	slices.Sort(fields)
	if diff := cmp.Diff([]string{strings.TrimPrefix(at, statusField)}, slices.Compact(fields)); diff != "" {
		t.Errorf("fields of the refusal (-want +got):\n%s%s", diff, shorten(err.Error()))
	}
	if !slices.ContainsFunc(causes, func(c metav1.StatusCause) bool { return strings.Contains(c.Message, says) }) {
		t.Errorf("no cause says %q: %s", says, shorten(err.Error()))
	}
}

// invalidCauses returns the causes in the Status of a refusal by validation. It
// leaves out the API server's note that it has stopped before the CEL rules.
func invalidCauses(t *testing.T, err error) []metav1.StatusCause {
	t.Helper()
	var status apierrors.APIStatus
	if !errors.As(err, &status) || !apierrors.IsInvalid(err) || status.Status().Details == nil {
		t.Fatalf("got the error %v, want a refusal as invalid", shorten(err.Error()))
	}
	return slices.DeleteFunc(status.Status().Details.Causes, func(c metav1.StatusCause) bool {
		return c.Field == wholeObject && strings.Contains(c.Message, "some validation rules were not checked")
	})
}

// shorten truncates values of megabytes, which API servers repeat, in the
// output.
func shorten(s string) string {
	const limit = 2000
	if len(s) > limit {
		return s[:limit] + " …"
	}
	return s
}
