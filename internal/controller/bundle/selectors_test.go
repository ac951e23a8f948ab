package bundle

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/test/framework/fake"
)

// selecting returns a source of all keys that selects objects by labels.
func selecting(labels map[string]v1alpha1.LabelValue) *v1alpha1.SourceObject {
	return &v1alpha1.SourceObject{Selector: &v1alpha1.LabelSelector{MatchLabels: labels}, IncludeAllKeys: true}
}

// S13: an event of an object enqueues the Bundles whose selectors match its old or new
// version, and those that name it, each once.
func TestSourceEventsOfSelectors(t *testing.T) {
	t.Parallel()
	team := func(name string) map[string]v1alpha1.LabelValue {
		return map[string]v1alpha1.LabelValue{"team": name}
	}
	b, w := newWorld()
	w.cache.Bundles = []*v1alpha1.Bundle{
		fake.Bundle("a", v1alpha1.BundleSource{ConfigMap: selecting(team("a"))}),
		fake.Bundle("b", fake.FromConfigMap("other"), v1alpha1.BundleSource{ConfigMap: selecting(team("b"))}),
		fake.Bundle("all", v1alpha1.BundleSource{ConfigMap: selecting(nil)}),
		fake.Bundle("secrets", v1alpha1.BundleSource{Secret: selecting(nil)}),
		fake.Bundle("mixed", fake.FromConfigMap("roots"), v1alpha1.BundleSource{Secret: selecting(team("a"))}),
		fake.Bundle("unusable", v1alpha1.BundleSource{ConfigMap: &v1alpha1.SourceObject{Key: "k", Selector: &v1alpha1.LabelSelector{
			MatchExpressions: []v1alpha1.LabelSelectorRequirement{{Key: "team", Operator: "Likes"}},
		}}}),
	}
	configMaps := sourceEvents[*corev1.ConfigMap](b, bundle.ConfigMap)
	secrets := sourceEvents[*corev1.Secret](b, bundle.Secret)
	object := func(name, of string) *corev1.ConfigMap {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"team": of}}}
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "s", Labels: map[string]string{"team": "a"}}}
	cases := []struct {
		name    string
		happens func()
		want    []string
	}{
		{"there at the start", func() { fake.Initially(configMaps, object("x", "a")) }, nil},
		{"new", func() { fake.Create(configMaps, object("x", "a")) }, []string{"a", "all"}},
		{"without labels", func() { fake.Create(configMaps, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "x"}}) }, []string{"all"}},
		{"changed", func() { fake.Update(configMaps, object("x", "b"), object("x", "b")) }, []string{"b", "all"}},
		{"from one selector to another", func() { fake.Update(configMaps, object("x", "a"), object("x", "b")) }, []string{"a", "b", "all"}},
		{"loses its label", func() { fake.Update(configMaps, object("x", "a"), object("x", "")) }, []string{"a", "all"}},
		{"gains a label", func() { fake.Update(configMaps, object("x", ""), object("x", "b")) }, []string{"b", "all"}},
		{"deleted", func() { fake.Remove(configMaps, object("x", "a"), false) }, []string{"a", "all"}},
		{"deleted, not seen", func() { fake.Remove(configMaps, object("x", "a"), true) }, []string{"a", "all"}},
		{"named and selected", func() { fake.Create(configMaps, object("roots", "a")) }, []string{"mixed", "a", "all"}},
		{"a Secret", func() { fake.Create(secrets, secret) }, []string{"secrets", "mixed"}},
	}
	for _, tc := range cases {
		tc.happens()
		var got []string
		for _, one := range w.bundleNotes.Take() {
			got = append(got, one.Key.Name)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}
