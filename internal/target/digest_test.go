package target

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"testing"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
)

// certificates gives made-up ones: a digest reads nothing but fingerprints.
func certificates(numbers ...byte) []certs.Certificate {
	var list []certs.Certificate
	for _, number := range numbers {
		list = append(list, certs.Certificate{Fingerprint: sha256.Sum256([]byte{number})})
	}
	return list
}

// withMetadata is a target of the kind ConfigMap, with changes.
func withMetadata(changes ...func(*bundle.Target)) bundle.Target {
	target := bundle.Target{
		Kind: bundle.ConfigMap, Key: "ca.pem",
		Labels:      map[string]string{"team": "a", "app": "x"},
		Annotations: map[string]string{"note": "b"},
	}
	for _, change := range changes {
		change(&target)
	}
	return target
}

// Design rule 6: the digest stands on every target. Where this test fails,
// every target of every user is about to be rewritten: let encoding go up if
// that is meant, and change the values here.
func TestDigestIsPinned(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"facee8007ced5d6e5ced5a904c3f53f880a35dd143dffbcd21b2243c18a712f7": digestOf(withMetadata(), certificates(1, 2)),
		"53fb7e27959367fe977f417e01778ede7454ae01eb562cc2722081f7a024792f": digestOf(bundle.Target{Kind: bundle.Secret, Key: "k"}, nil),
	} {
		if got != want {
			t.Errorf("digest %s, want %s", got, want)
		}
	}
}

// T4: each input shapes the digest, and by its place.
func TestDigestTellsInputsApart(t *testing.T) {
	t.Parallel()
	label := func(key, value string) func(*bundle.Target) {
		return func(t *bundle.Target) { t.Labels = map[string]string{key: value} }
	}
	annotation := func(key, value string) func(*bundle.Target) {
		return func(t *bundle.Target) { t.Annotations = map[string]string{key: value} }
	}
	digests := map[string]string{
		"as it is":                      digestOf(withMetadata(), certificates(1, 2)),
		"other kind":                    digestOf(withMetadata(func(t *bundle.Target) { t.Kind = bundle.Secret }), certificates(1, 2)),
		"other key":                     digestOf(withMetadata(func(t *bundle.Target) { t.Key = "ca.crt" }), certificates(1, 2)),
		"other label":                   digestOf(withMetadata(label("team", "b")), certificates(1, 2)),
		"other annotation":              digestOf(withMetadata(annotation("note", "c")), certificates(1, 2)),
		"key and value of a label":      digestOf(withMetadata(label("ab", "c")), certificates(1, 2)),
		"the same letters otherwise":    digestOf(withMetadata(label("a", "bc")), certificates(1, 2)),
		"an entry as a label":           digestOf(withMetadata(label("k", "v"), func(t *bundle.Target) { t.Annotations = nil }), certificates(1, 2)),
		"the entry as an annotation":    digestOf(withMetadata(annotation("k", "v"), func(t *bundle.Target) { t.Labels = nil }), certificates(1, 2)),
		"no metadata":                   digestOf(withMetadata(func(t *bundle.Target) { t.Labels, t.Annotations = nil, nil }), certificates(1, 2)),
		"certificates in another order": digestOf(withMetadata(), certificates(2, 1)),
		"a certificate less":            digestOf(withMetadata(), certificates(1)),
		"a certificate more":            digestOf(withMetadata(), certificates(1, 2, 3)),
		"no certificate":                digestOf(withMetadata(), nil),
	}
	seen := map[string]string{}
	for name, digest := range digests {
		if other, ok := seen[digest]; ok {
			t.Errorf("%q and %q have one digest", name, other)
		}
		seen[digest] = name
	}
}

// S3: the order of a map is no input, nor is who holds the memory.
func TestDigestIsStable(t *testing.T) {
	t.Parallel()
	many := map[string]string{}
	for i := range 100 {
		many[fmt.Sprint("key-", i)] = fmt.Sprint(i)
	}
	backwards := map[string]string{}
	for _, key := range slices.Backward(slices.Sorted(maps.Keys(many))) {
		backwards[key] = many[key]
	}
	want := digestOf(bundle.Target{Labels: many, Annotations: backwards}, certificates(1))
	for range 20 {
		if got := digestOf(bundle.Target{Labels: backwards, Annotations: many}, certificates(1)); got != want {
			t.Fatalf("digest %s, then %s", want, got)
		}
	}
	if digestOf(bundle.Target{Labels: map[string]string{}}, certificates()) != digestOf(bundle.Target{}, nil) {
		t.Error("an empty map and none differ")
	}
}

// inputs are a target and certificates as a fuzzer gives them: one label, one
// annotation, and as many certificates as there are bytes.
type inputs struct {
	key, label, labelValue, annotation, annotationValue string
	certificates                                        string
}

func (i inputs) digest() string {
	return digestOf(bundle.Target{
		Kind: bundle.ConfigMap, Key: i.key,
		Labels:      map[string]string{i.label: i.labelValue},
		Annotations: map[string]string{i.annotation: i.annotationValue},
	}, certificates([]byte(i.certificates)...))
}

// Different inputs give different digests, and the same the same.
func FuzzDigest(f *testing.F) {
	f.Add("k", "a", "b", "c", "d", "12", "k", "a", "b", "cd", "", "12")
	f.Add("", "", "", "", "", "", "", "", "", "", "", "\x00")
	f.Add("k", "a", "bc", "d", "e", "1", "ka", "b", "c", "d", "e", "1")
	f.Fuzz(func(t *testing.T, k1, l1, v1, a1, w1, c1, k2, l2, v2, a2, w2, c2 string) {
		one, two := inputs{k1, l1, v1, a1, w1, c1}, inputs{k2, l2, v2, a2, w2, c2}
		if same := one.digest() == two.digest(); same != (one == two) {
			t.Errorf("one digest: %t, for %q and %q", same, one, two)
		}
	})
}
