package target

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"testing"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/encode"
)

// certificates returns fake certificates.
func certificates(numbers ...byte) []certs.Certificate {
	var list []certs.Certificate
	for _, number := range numbers {
		list = append(list, certs.Certificate{DER: []byte{number}, Fingerprint: sha256.Sum256([]byte{number})})
	}
	return list
}

// digestWith returns the digest of a target that holds the certificates as PEM.
func digestWith(target bundle.Target, certificates []certs.Certificate) string {
	files, err := encodeFiles([]bundle.Target{target}, certificates, nil)
	if err != nil {
		panic(err) // only key stores can fail
	}
	return digestOf(bundle.Spec{}, target, files)
}

// withMetadata returns a ConfigMap target with changes.
func withMetadata(changes ...func(*bundle.Target)) bundle.Target {
	target := pemTarget(bundle.ConfigMap, "ca.pem")
	target.Labels, target.Annotations = map[string]string{"team": "a", "app": "x"}, map[string]string{"note": "b"}
	for _, change := range changes {
		change(&target)
	}
	return target
}

// The digest is on every target. If this test fails, the next version rewrites every
// target of every user: change the values here only if that is intended.
func TestDigestIsPinned(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"69a116d3202316e0218ba2ab8cbf023021f198583f30e48cf0814ba2756855a9": digestWith(withMetadata(), certificates(1, 2)),
		"4b05f0c0f04d5f3b32396a2ddfcf0c1102a80057bbc994e71c37bf3a082189ac": digestWith(pemTarget(bundle.Secret, "k"), nil),
	} {
		if got != want {
			t.Errorf("digest %s, want %s", got, want)
		}
	}
}

// T4: the digest depends on each input and on its position.
func TestDigestTellsInputsApart(t *testing.T) {
	t.Parallel()
	label := func(key, value string) func(*bundle.Target) {
		return func(t *bundle.Target) { t.Labels = map[string]string{key: value} }
	}
	annotation := func(key, value string) func(*bundle.Target) {
		return func(t *bundle.Target) { t.Annotations = map[string]string{key: value} }
	}
	digests := map[string]string{
		"as it is":                      digestWith(withMetadata(), certificates(1, 2)),
		"other kind":                    digestWith(withMetadata(func(t *bundle.Target) { t.Kind = bundle.Secret }), certificates(1, 2)),
		"other key":                     digestWith(withMetadata(func(t *bundle.Target) { t.Files[0].Key = "ca.crt" }), certificates(1, 2)),
		"other label":                   digestWith(withMetadata(label("team", "b")), certificates(1, 2)),
		"other annotation":              digestWith(withMetadata(annotation("note", "c")), certificates(1, 2)),
		"key and value of a label":      digestWith(withMetadata(label("ab", "c")), certificates(1, 2)),
		"the same letters otherwise":    digestWith(withMetadata(label("a", "bc")), certificates(1, 2)),
		"an entry as a label":           digestWith(withMetadata(label("k", "v"), func(t *bundle.Target) { t.Annotations = nil }), certificates(1, 2)),
		"the entry as an annotation":    digestWith(withMetadata(annotation("k", "v"), func(t *bundle.Target) { t.Labels = nil }), certificates(1, 2)),
		"no metadata":                   digestWith(withMetadata(func(t *bundle.Target) { t.Labels, t.Annotations = nil, nil }), certificates(1, 2)),
		"certificates in another order": digestWith(withMetadata(), certificates(2, 1)),
		"a certificate less":            digestWith(withMetadata(), certificates(1)),
		"a certificate more":            digestWith(withMetadata(), certificates(1, 2, 3)),
		"no certificate":                digestWith(withMetadata(), nil),
	}
	seen := map[string]string{}
	for name, digest := range digests {
		if other, ok := seen[digest]; ok {
			t.Errorf("%q and %q have the same digest", name, other)
		}
		seen[digest] = name
	}
}

func newFile(data string) encodedFile { return newEncodedFile([]encode.Entry{{Data: []byte(data)}}) }

// A target without PEM has another digest than one with PEM and the same files.
func TestDigestWithoutPEM(t *testing.T) {
	t.Parallel()
	with := pemTarget(bundle.ConfigMap, "a", bundle.File{Format: bundle.JKS, Key: "b", Password: "c"})
	without := with
	without.Files = with.Files[1:]
	if digestWith(with, nil) == digestWith(without, nil) {
		t.Error("they have the same digest")
	}
}

// T4: the digest depends on the format, key, profile and bytes of each key store, and on
// their order.
func TestDigestOfEachStore(t *testing.T) {
	t.Parallel()
	type store struct {
		file bundle.File
		data string
	}
	jks := store{bundle.File{Format: bundle.JKS, Key: "ca.jks"}, "jks"}
	p12 := store{bundle.File{Format: bundle.PKCS12, Key: "ca.p12", Profile: "LegacyRC2"}, "p12"}
	pem := store{bundle.File{Format: bundle.PEM, Key: "more.pem"}, "pem"}
	with := func(from store, change func(*store)) store {
		change(&from)
		return from
	}
	seen := map[string]string{}
	for name, stores := range map[string][]store{
		"none":           nil,
		"JKS":            {jks},
		"PKCS#12":        {p12},
		"both":           {jks, p12},
		"another PEM":    {pem},
		"keys exchanged": {with(jks, func(s *store) { s.file.Key = "ca.p12" }), with(p12, func(s *store) { s.file.Key = "ca.jks" })},
		"other key":      {with(p12, func(s *store) { s.file.Key = "x" })},
		"other profile":  {with(p12, func(s *store) { s.file.Profile = "Modern2023" })},
		"other format":   {with(p12, func(s *store) { s.file.Format = bundle.JKS })},
		"other bytes":    {with(p12, func(s *store) { s.data = "p12 with a password" })},
	} {
		target := withMetadata()
		files := &encodedFiles{encoded: map[encoding]encodedFile{encodingOf(target.Files[0]): newFile("pem")}}
		for _, store := range stores {
			target.Files = append(target.Files, store.file)
			files.encoded[encodingOf(store.file)] = newFile(store.data)
		}
		digest := digestOf(bundle.Spec{}, target, files)
		if other, ok := seen[digest]; ok {
			t.Errorf("%q and %q have the same digest", name, other)
		}
		seen[digest] = name
	}
}

// T15: the targets are written when the deletion policy changes.
func TestDigestOfOutlivingTargets(t *testing.T) {
	t.Parallel()
	files, err := encodeFiles([]bundle.Target{withMetadata()}, certificates(1), nil)
	if err != nil {
		t.Fatal(err)
	}
	if digestOf(bundle.Spec{}, withMetadata(), files) == digestOf(bundle.Spec{Orphan: true}, withMetadata(), files) {
		t.Error("the digest is the same")
	}
}

// S3: the order of a map does not matter, nor does the identity of its memory.
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
	want := digestWith(bundle.Target{Labels: many, Annotations: backwards}, certificates(1))
	for range 20 {
		if got := digestWith(bundle.Target{Labels: backwards, Annotations: many}, certificates(1)); got != want {
			t.Fatalf("digest %s, then %s", want, got)
		}
	}
	if digestWith(bundle.Target{Labels: map[string]string{}}, certificates()) != digestWith(bundle.Target{}, nil) {
		t.Error("an empty map and none differ")
	}
}

// inputs are a target and certificates made from fuzzer input: one label, one annotation,
// and a certificate for each byte.
type inputs struct {
	key, label, labelValue, annotation, annotationValue string
	certificates                                        string
}

func (i inputs) digest() string {
	target := pemTarget(bundle.ConfigMap, i.key)
	target.Labels, target.Annotations = map[string]string{i.label: i.labelValue}, map[string]string{i.annotation: i.annotationValue}
	return digestWith(target, certificates([]byte(i.certificates)...))
}

// Different inputs have different digests, and equal inputs the same.
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
