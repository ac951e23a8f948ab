package bundle_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/bundle"
)

// T6: an object of another name only carries the label.
func TestMarksHas(t *testing.T) {
	t.Parallel()
	marks := bundle.Marks{Label: "label"}
	for title, tc := range map[string]struct {
		name   string
		labels map[string]string
		want   bool
	}{
		"a target":    {"roots", map[string]string{"label": "roots"}, true},
		"a copy":      {"copy", map[string]string{"label": "roots"}, false},
		"no label":    {"roots", nil, false},
		"other label": {"roots", map[string]string{"other": "roots"}, false},
	} {
		if got := marks.Has(&metav1.ObjectMeta{Name: tc.name, Labels: tc.labels}); got != tc.want {
			t.Errorf("%s: %t, want %t", title, got, tc.want)
		}
	}
}
