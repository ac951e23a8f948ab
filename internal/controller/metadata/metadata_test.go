package metadata

import (
	"testing"

	"trust-manager.io/api/trust/v1alpha1"
)

// T6: an object of another name merely carries the label.
func TestBundleOf(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ name, label, want string }{
		"a target": {"roots", "roots", "roots"},
		"a copy":   {"copy", "roots", ""},
		"no label": {"roots", "", ""},
	} {
		object := New(ConfigMap)
		object.Name, object.Labels = tc.name, map[string]string{v1alpha1.BundleLabelKey: tc.label}
		if got := BundleOf(object); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}
