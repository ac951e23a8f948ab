package bundle_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/test/framework/ca"
)

// build builds a bundle, and fails the test on an error.
func build(t *testing.T, builder *bundle.Builder, inputs ...bundle.Input) bundle.Bundle {
	t.Helper()
	built, err := builder.Build(inputs, bundle.Filter{}, now)
	if err != nil {
		t.Fatal(err)
	}
	return built
}

// parsedOnce reports whether two bundles share the bytes of a certificate, which they do
// only if its text was not parsed again.
func parsedOnce(a, b bundle.Bundle, at int) bool {
	return &a.Certificates[at].DER[0] == &b.Certificates[at].DER[0]
}

// S3: the same input makes the same bundle, with a new builder and with a used one.
func TestBuildIsDeterministic(t *testing.T) {
	t.Parallel()
	inputs := []bundle.Input{
		source("x", ca.Roots(5, 1, 4), ca.Roots(2), ecACC(t)),
		source("y", ca.Roots(3, 5)),
		parsedSource(t, "p", ca.Roots(6, 2)),
	}
	var used bundle.Builder
	first := build(t, &used, inputs...)
	for range 20 {
		var fresh bundle.Builder
		if diff := cmp.Diff(first, build(t, &fresh, inputs...)); diff != "" {
			t.Fatalf("a new builder (-first +again):\n%s", diff)
		}
		if diff := cmp.Diff(first, build(t, &used, inputs...)); diff != "" {
			t.Fatalf("the same builder (-first +again):\n%s", diff)
		}
	}
}

func TestUnchangedTextIsParsedOnce(t *testing.T) {
	t.Parallel()
	var builder bundle.Builder
	x, y := source("x", ca.Roots(1), ca.Roots(2)), source("y", ca.Roots(3))
	first := build(t, &builder, x, y)

	// An equal text is unchanged, even if it is a different string in memory.
	x.Texts[0].PEM = strings.Clone(x.Texts[0].PEM)
	x.Texts[1].PEM = ca.Roots(4)
	second := build(t, &builder, x, y)
	for at, unchanged := range []bool{true, false, true} {
		if parsedOnce(first, second, at) != unchanged {
			t.Errorf("certificate %d: parsed once = %t, want %t", at, !unchanged, unchanged)
		}
	}
	if diff := cmp.Diff(build(t, new(bundle.Builder), x, y), second); diff != "" {
		t.Errorf("the changed bundle (-built from scratch +got):\n%s", diff)
	}
}

// A failure of another source does not discard parsed texts: the next build comes soon.
func TestFailedBuildKeepsWhatIsParsed(t *testing.T) {
	t.Parallel()
	var builder bundle.Builder
	x := source("x", ca.Roots(1))
	first := build(t, &builder, x)
	if _, err := builder.Build([]bundle.Input{failed("w", certs.SourceNotFound), x, source("y", "")}, bundle.Filter{}, now); err == nil {
		t.Fatal("no error")
	}
	if !parsedOnce(first, build(t, &builder, x), 0) {
		t.Error("the good source was parsed again")
	}
}

// A text that is no longer a source is evicted; otherwise memory would grow forever.
func TestRemovedSourceIsForgotten(t *testing.T) {
	t.Parallel()
	var builder bundle.Builder
	x, y := source("x", ca.Roots(1)), source("y", ca.Roots(2))
	first := build(t, &builder, x)
	build(t, &builder, y)
	if parsedOnce(first, build(t, &builder, x), 0) {
		t.Error("the source was remembered while it was gone")
	}
}

// The same text in another place must be reported with the origin of that place.
func TestMovedTextGetsItsNewOrigin(t *testing.T) {
	t.Parallel()
	var builder bundle.Builder
	build(t, &builder, source("x", ca.Roots(1)))
	got := build(t, &builder, source("y", "", ca.Roots(1)))
	if diff := cmp.Diff([]string{"y/b/1"}, places(t, got)); diff != "" {
		t.Errorf("origin (-want +got):\n%s", diff)
	}
}

// Later builds do not change a bundle, and changes to the lists of a bundle do not affect
// later builds.
func TestBuildsShareNoLists(t *testing.T) {
	t.Parallel()
	var builder bundle.Builder
	x, y := source("x", ca.Roots(1, 2)+ecACC(t)), source("y", ca.Roots(3))
	first := build(t, &builder, x, y)
	want := build(t, new(bundle.Builder), x, y)

	build(t, &builder, y, x)
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("the first bundle after a second build (-want +got):\n%s", diff)
	}
	clear(first.Certificates)
	clear(first.Notes)
	if diff := cmp.Diff(want, build(t, &builder, x, y)); diff != "" {
		t.Errorf("a build after the first bundle was changed (-want +got):\n%s", diff)
	}
}
