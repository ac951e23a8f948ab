package bundle_test

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/test/framework/ca"
)

// S1, S2, S6: the certificates of a bundle, their order, and the notes.
func TestBuild(t *testing.T) {
	t.Parallel()
	withNote := source("x", ca.Roots(1))
	withNote.Note = "a word about x"
	cases := map[string]struct {
		inputs []bundle.Input
		want   []string
		notes  []string
	}{
		"S1: the order of sources, keys and blocks": {
			inputs: []bundle.Input{source("z", ca.Roots(9, 1)), source("m", ca.Roots(8), ca.Roots(7, 2)), source("a", ca.Roots(3))},
			want:   []string{"z/a/1", "z/a/2", "m/a/1", "m/b/1", "m/b/2", "a/a/1"},
		},
		"S1: the last source's new certificate is the last": {
			inputs: []bundle.Input{source("x", ca.Roots(1, 2)), source("y", ca.Roots(3))},
			want:   []string{"x/a/1", "x/a/2", "y/a/1"},
		},
		"S2: a duplicate in one text stays at its first place": {
			inputs: []bundle.Input{source("x", ca.Roots(1, 2, 1, 3))},
			want:   []string{"x/a/1", "x/a/2", "x/a/4"},
		},
		"S2: a duplicate in another key or source stays at its first place": {
			inputs: []bundle.Input{source("x", ca.Roots(1), ca.Roots(1, 2)), source("y", ca.Roots(2, 3, 1))},
			want:   []string{"x/a/1", "x/b/2", "y/a/2"},
		},
		"S2: a source of nothing but duplicates is fine": {
			inputs: []bundle.Input{source("x", ca.Roots(1)), source("y", ca.Roots(1))},
			want:   []string{"x/a/1"},
		},
		"S8: an empty key beside one with certificates is fine": {
			inputs: []bundle.Input{source("x", "", ca.Roots(1), "# none here\n")},
			want:   []string{"x/b/1"},
		},
		"S6: EC-ACC is skipped with a note": {
			inputs: []bundle.Input{source("x", ca.Roots(1)+ecACC(t)+ca.Roots(2))},
			want:   []string{"x/a/1", "x/a/3"},
			notes: []string{`spec.sources.x: ConfigMap cert-manager/x, key "a", block 2: ` +
				`skipped the old EC-ACC root, whose negative serial number RFC 5280 forbids`},
		},
		"S6: a source of nothing but EC-ACC is fine": {
			inputs: []bundle.Input{source("x", ecACC(t)), source("y", ca.Roots(1))},
			want:   []string{"y/a/1"},
			notes: []string{`spec.sources.x: ConfigMap cert-manager/x, key "a", block 1: ` +
				`skipped the old EC-ACC root, whose negative serial number RFC 5280 forbids`},
		},
		"K1: what is absent, and may be, adds nothing but its note": {
			inputs: []bundle.Input{absent("w"), source("x", ca.Roots(1)), absent("y")},
			want:   []string{"x/a/1"},
			notes:  []string{"w is absent", "y is absent"},
		},
		"the note of a source is kept": {
			inputs: []bundle.Input{withNote},
			want:   []string{"x/a/1"},
			notes:  []string{"a word about x"},
		},
		"a text that is parsed already": {
			inputs: []bundle.Input{source("x", ca.Roots(1)), parsedSource(t, "p", ca.Roots(1, 2)), source("y", ca.Roots(2, 3))},
			want:   []string{"x/a/1", "p/parsed/2", "y/a/2"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var builder bundle.Builder
			got, err := builder.Build(tc.inputs, bundle.Filter{}, now)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, places(t, got)); diff != "" {
				t.Errorf("certificates (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.notes, got.Notes); diff != "" {
				t.Errorf("notes (-want +got):\n%s", diff)
			}
		})
	}
}

// absent returns the input of an optional source that does not exist.
func absent(name string) bundle.Input {
	return bundle.Input{Origin: source(name).Origin, Absent: true, Note: name + " is absent"}
}

// parsedSource returns an input with parsed text, like the default CA package. Its PEM
// is garbage, to show that it is not read.
func parsedSource(tb testing.TB, name, text string) bundle.Input {
	tb.Helper()
	input := source(name)
	origin := input.Origin
	origin.Key = "parsed"
	result, problem := certs.Parse(text, origin)
	if problem != nil {
		tb.Fatal(problem)
	}
	input.Texts = []bundle.Text{{PEM: "-----BEGIN RUBBISH-----", Parsed: &result}}
	return input
}

// S7, S8, S9: what fails a build, and that an error comes without a result.
func TestBuildRefuses(t *testing.T) {
	t.Parallel()
	const none = "no certificate found; at least one PEM block of type CERTIFICATE is required"
	good := source("good", ca.Roots(1))
	damaged := ca.Roots(1, 2) + "-----BEGIN CERTIFICATE-----\n"
	cases := map[string]struct {
		inputs []bundle.Input
		reason string
		text   string
	}{
		"S7: a source that is missing": {
			[]bundle.Input{good, failed("x", certs.SourceNotFound)},
			"SourceNotFound",
			"spec.sources.x: ConfigMap cert-manager/x: it could not be read",
		},
		"S8: an invalid block": {
			[]bundle.Input{source("x", ca.Roots(3), damaged), good},
			"SourceBuildError",
			`spec.sources.x: ConfigMap cert-manager/x, key "b", block 3: ` +
				"the block is cut off: BEGIN CERTIFICATE is not followed by END CERTIFICATE",
		},
		"S8: a key without a certificate": {
			[]bundle.Input{source("x", "# to come\n"), good},
			"SourceBuildError",
			`spec.sources.x: ConfigMap cert-manager/x, key "a": ` + none,
		},
		"S8: several keys without a certificate": {
			[]bundle.Input{good, source("x", "", "\n")},
			"SourceBuildError",
			"spec.sources.x: ConfigMap cert-manager/x: " + none,
		},
		"S8: an object without a key": {
			[]bundle.Input{good, source("x")},
			"SourceBuildError",
			"spec.sources.x: ConfigMap cert-manager/x: " + none,
		},
		"S9: no source": {nil, "SourceNotFound", "the sources contain no certificates, and an empty bundle is never written"},
		"K1, S9: nothing but absent sources": {
			[]bundle.Input{absent("x"), absent("y")},
			"SourceNotFound", "the sources contain no certificates, and an empty bundle is never written",
		},
		"K1, S8: what is there has to be valid": {
			[]bundle.Input{absent("x"), source("y", "")},
			"SourceBuildError", `spec.sources.y: ConfigMap cert-manager/y, key "a": ` + none,
		},
		"S9: nothing but EC-ACC": {
			[]bundle.Input{source("x", ecACC(t))},
			"SourceNotFound", "the sources contain no certificates, and an empty bundle is never written",
		},
		"what a person has to change gives the reason: last": {
			[]bundle.Input{failed("x", certs.SourceNotFound), good, source("y", "")},
			"SourceBuildError",
			`spec.sources.y: ConfigMap cert-manager/y, key "a": ` + none +
				"; spec.sources.x: ConfigMap cert-manager/x: it could not be read",
		},
		"what a person has to change gives the reason: first": {
			[]bundle.Input{source("y", ""), good, failed("x", certs.SourceNotFound)},
			"SourceBuildError",
			`spec.sources.y: ConfigMap cert-manager/y, key "a": ` + none +
				"; spec.sources.x: ConfigMap cert-manager/x: it could not be read",
		},
		"more problems than a message shows": {
			[]bundle.Input{
				failed("v", "A"), failed("w", "B"), failed("x", "C"), failed("y", "D"), failed("z", "E"),
			},
			"A",
			"spec.sources.v: ConfigMap cert-manager/v: it could not be read; " +
				"spec.sources.w: ConfigMap cert-manager/w: it could not be read; " +
				"spec.sources.x: ConfigMap cert-manager/x: it could not be read; and 2 more",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var builder bundle.Builder
			got, err := builder.Build(tc.inputs, bundle.Filter{}, now)
			checkProblems(t, got, err, tc.reason, tc.text)
		})
	}
}

func checkProblems(t *testing.T, got bundle.Bundle, err error, reason, text string) {
	t.Helper()
	if diff := cmp.Diff(bundle.Bundle{}, got); diff != "" {
		t.Errorf("a bundle beside the error (-want +got):\n%s", diff)
	}
	var problems bundle.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("error %v is not Problems", err)
	}
	if problems.Reason() != reason {
		t.Errorf("reason %q, want %q", problems.Reason(), reason)
	}
	if diff := cmp.Diff(text, problems.Error()); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
}

// C6: a problem that a person has to solve determines the reason, and is described first,
// whatever the order of the sources.
func TestProblemsByUrgency(t *testing.T) {
	t.Parallel()
	missing := func(field string) *certs.Problem {
		return &certs.Problem{Origin: certs.Origin{Field: field}, Reason: certs.SourceNotFound, Detail: "missing"}
	}
	damaged := &certs.Problem{Origin: certs.Origin{Field: "d"}, Reason: certs.SourceBuildError, Detail: "damaged"}
	problems := bundle.Problems{missing("a"), missing("b"), missing("c"), damaged}
	if reason := problems.Reason(); reason != "SourceBuildError" {
		t.Errorf("reason %s", reason)
	}
	if text := problems.Error(); !strings.HasPrefix(text, damaged.Error()) || !strings.HasSuffix(text, "and 1 more") {
		t.Errorf("message %q", text)
	}
	if reason := problems[:3].Reason(); reason != "SourceNotFound" {
		t.Errorf("reason %s", reason)
	}
}

// The error has every problem, in the order of the sources, including those that the
// message only counts.
func TestBuildReportsAllProblems(t *testing.T) {
	t.Parallel()
	var builder bundle.Builder
	_, err := builder.Build([]bundle.Input{
		source("v", ""), failed("w", certs.SourceNotFound), source("x", ca.Roots(1)),
		source("y", "-----BEGIN X-----"), failed("z", certs.SourceNotFound),
	}, bundle.Filter{}, now)
	var problems bundle.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("error %v is not Problems", err)
	}
	var fields []string
	for _, problem := range problems {
		fields = append(fields, problem.Origin.Field)
	}
	want := []string{"spec.sources.v", "spec.sources.w", "spec.sources.y", "spec.sources.z"}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestBuildLimit(t *testing.T) {
	t.Parallel()
	var builder bundle.Builder
	got, err := builder.Build([]bundle.Input{distinct("x", bundle.MaxCertificates), distinct("y", 1)}, bundle.Filter{}, now)
	if err != nil || len(got.Certificates) != bundle.MaxCertificates {
		t.Fatalf("MaxCertificates give a bundle of %d, error %v", len(got.Certificates), err)
	}
	got, err = builder.Build([]bundle.Input{distinct("x", bundle.MaxCertificates+1)}, bundle.Filter{}, now)
	checkProblems(t, got, err, "SourceBuildError", "the sources contain 10001 certificates, the limit is 10000")
}

// distinct returns a parsed source with this many certificates, which differ from one
// another and are the same in each such source.
func distinct(name string, count int) bundle.Input {
	var result certs.Result
	for number := range count {
		der := binary.BigEndian.AppendUint32(nil, uint32(number))
		result.Certificates = append(result.Certificates, certs.Certificate{DER: der, Fingerprint: sha256.Sum256(der)})
	}
	input := source(name)
	input.Texts = []bundle.Text{{Parsed: &result}}
	return input
}

// S5: a key in another encoding makes the source invalid. Only key stores are ignored if
// other keys of the object have certificates: they are often beside the PEM file.
func TestOtherEncodings(t *testing.T) {
	t.Parallel()
	der := string(ca.Fixed(1).DER())
	_, err := new(bundle.Builder).Build([]bundle.Input{source("x", "# none", der)}, bundle.Filter{}, now)
	if err == nil || !strings.Contains(err.Error(), `ConfigMap cert-manager/x, key "b": the value is a certificate in DER`) {
		t.Errorf("alone: %v", err)
	}
	if _, err := new(bundle.Builder).Build([]bundle.Input{source("x", der, ca.Roots(1, 1))}, bundle.Filter{}, now); err == nil {
		t.Error("a certificate in DER beside others is lost")
	}
	const jks = "\xfe\xed\xfe\xed\x00"
	built, err := new(bundle.Builder).Build([]bundle.Input{source("x", jks, ca.Roots(1, 1), jks)}, bundle.Filter{}, now)
	if err != nil || len(built.Certificates) != 1 {
		t.Fatalf("key stores beside a certificate: %d certificates, error %v", len(built.Certificates), err)
	}
	notes := strings.Join(built.Notes, "\n")
	for _, part := range []string{`key "a": the key is ignored, since other keys have certificates: the value is a Java KeyStore`, "; so are 1 more key stores"} {
		if !strings.Contains(notes, part) {
			t.Errorf("no %q in the notes %q", part, notes)
		}
	}
}
