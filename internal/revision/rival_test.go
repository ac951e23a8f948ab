package revision

import (
	"testing"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
)

// E4: of a Bundle and a ClusterBundle of one name, only one has a revision: the ClusterBundle,
// from its first revision with a target on.
func TestOneOfTwoKindsIsActive(t *testing.T) {
	t.Parallel()
	s := New()
	superior := bundle.ID{Kind: bundle.APIClusterBundle, Name: "roots"}
	revision := &target.Revision{Shapes: map[bundle.Kind]*target.Shape{bundle.ConfigMap: {}}}
	expect := func(when string, isSuperseded, hasInferior bool) {
		t.Helper()
		if got := s.IsSuperseded(id("roots")); got != isSuperseded {
			t.Errorf("%s: superseded: %t", when, got)
		}
		if got, _ := s.Get(id("roots")); (got != nil) != hasInferior {
			t.Errorf("%s: the Bundle has a revision: %t", when, got != nil)
		}
		if s.IsSuperseded(superior) || s.IsSuperseded(id("other")) {
			t.Errorf("%s: another one is superseded", when)
		}
	}
	s.Set(id("roots"), revision)
	s.Set(superior, &target.Revision{}) // without a target
	expect("without a target", false, true)
	if s.Set(superior, revision) == 0 {
		t.Error("the ClusterBundle is refused")
	}
	expect("with a target", true, false)
	if s.Set(id("roots"), revision) != 0 {
		t.Error("the Bundle is accepted beside an active ClusterBundle")
	}
	expect("after the attempt", true, false)
	s.Delete(superior)
	if s.Set(id("roots"), revision) == 0 {
		t.Error("the Bundle is refused after the ClusterBundle is gone")
	}
	expect("at last", false, true)
}
