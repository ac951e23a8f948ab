package apis_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
)

// FuzzBundle verifies for any JSON of a Bundle that its conversion does not panic
// and is deterministic, that every problem names a field of the Bundle
// and that a Spec has no more sources and targets than the Bundle.
func FuzzBundle(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"spec": {"sources": [null, {}, {"useDefaultCAs": false}, {"inLine": "x"}]}}`,
		`{"metadata": {"name": "roots"}, "spec": {"sources": [{"configMap": {"name": "a", "key": "k"}}, {"secret": {"selector": {}, "includeAllKeys": true}}],
		  "target": {"configMap": {"key": "k", "metadata": {"labels": {"a": "b"}}}, "secret": {"key": "k"}, "additionalFormats": {"jks": {"key": "j"}, "pkcs12": {"key": "p", "password": ""}}}}}`,
		`{"spec": {"sources": [{"configMap": {"selector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}}]}}`,
		`{"spec": {"target": {"namespaceSelector": {"matchExpressions": [{"key": "/", "operator": "Maybe", "values": ["é"]}]}}}}`,
		`{"spec": {"target": {"namespaceSelector": {"matchLabels": {"a": "b", "c": ""}}}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var from v1alpha1.Bundle
		if json.Unmarshal(text, &from) != nil {
			return
		}
		spec, problems := apis.Bundle{}.Spec(&from)
		again, problemsAgain := apis.Bundle{}.Spec(&from)
		if len(problems) != len(problemsAgain) || described(spec) != described(again) {
			t.Fatalf("at first %s (%v), then %s (%v)", described(spec), problems, described(again), problemsAgain)
		}
		checkProblems(t, problems)
		if len(spec.Sources) > len(from.Spec.Sources) || len(spec.Targets) > 2 || spec.Namespaces == nil {
			t.Errorf("%s", described(spec))
		}
		for _, source := range spec.Sources {
			if !strings.HasPrefix(source.Field, "spec.sources[") {
				t.Errorf("a source is at %q", source.Field)
			}
		}
	})
}

// described returns a Spec as text, including its selectors.
func described(spec bundle.Spec) string {
	text := fmt.Sprintf("%s %s %v %v", spec.ID, spec.Owner.UID, spec.Targets, spec.Namespaces)
	for _, source := range spec.Sources {
		text += fmt.Sprintf("\n%s %t %q %v", source.Field, source.DefaultCAs, source.Text, source.Object)
	}
	return text
}

func checkProblems(t *testing.T, problems bundle.Problems) {
	t.Helper()
	for _, problem := range problems {
		if !strings.HasPrefix(problem.Origin.Field, "spec.") || problem.Detail == "" {
			t.Errorf("problem %+v", problem)
		}
	}
}
