package quickstart

import (
	"encoding/json"
	"maps"
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"
)

// merge merges the values of a YAML block into a YAML document, as a reader does
// by hand. The result is JSON, which is YAML too.
func merge(text, block []byte) ([]byte, error) {
	var values, changes map[string]any
	if err := yaml.Unmarshal(text, &values); err != nil {
		return nil, err
	}
	if err := yaml.Unmarshal(block, &changes); err != nil {
		return nil, err
	}
	if values == nil {
		values = map[string]any{}
	}
	put(values, changes)
	return json.Marshal(values)
}

func put(values, changes map[string]any) {
	for key, change := range changes {
		inner, isMap := change.(map[string]any)
		old, wasMap := values[key].(map[string]any)
		if isMap && wasMap {
			old = maps.Clone(old)
			put(old, inner)
			values[key] = old
			continue
		}
		values[key] = change
	}
}

func TestMergeKeepsWhatIsNotInTheBlock(t *testing.T) {
	got, err := merge([]byte("a:\n  b: 1\n  c: 2\nd: 3\n"), []byte("# file\na:\n  c: \"20\"\n"))
	if want := `{"a":{"b":1,"c":"20"},"d":3}`; err != nil || string(got) != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}
