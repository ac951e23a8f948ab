package encode_test

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/internal/encode"
)

// T2: the rendering of a subject, rule by rule.
func TestSubject(t *testing.T) {
	t.Parallel()
	for title, tc := range oddSubjects(t) {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			checkSubject(t, tc.der, tc.text)
		})
	}
}

// Go's parser rejects these values today. If it accepts them one day, a bundle must not
// fail because of them.
func TestSubjectWithDamagedValues(t *testing.T) {
	t.Parallel()
	for title, tc := range map[string]struct {
		value []byte
		text  string
	}{
		"InvalidUTF8":             {attribute(t, cn, asn1.TagUTF8String, "a\xff"), "CN=#0c0261ff"},
		"ASurrogateInUTF8":        {attribute(t, cn, asn1.TagUTF8String, "\xed\xa0\x80"), "CN=#0c03eda080"},
		"ABMPStringOfOddLength":   {attribute(t, cn, asn1.TagBMPString, "\x00A\x00"), "CN=#1e03004100"},
		"ABMPStringOfSurrogates":  {attribute(t, cn, asn1.TagBMPString, "\xd8\x3d\xde\x00"), "CN=#1e04d83dde00"},
		"AnotherType":             {attribute(t, unit, asn1.TagOctetString, "a"), "OU=#040161"},
		"AnotherTypeWithoutAName": {attribute(t, identifier, asn1.TagOctetString, "a"), "2.5.4.97=#040161"},
		"APrintableStringBeyond":  {attribute(t, cn, asn1.TagPrintableString, "a@b_ü"), "CN=a@b_ü"},
		"AStringInParts": {constructed(t, asn1.TagSequence, marshal(t, asn1.ObjectIdentifier(cn)),
			constructed(t, asn1.TagUTF8String, marshal(t, "a"))), "CN=#2c03130161"},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			checkSubject(t, name(t, rdn(t, tc.value)), tc.text)
		})
	}
}

func TestSubjectRefusesInvalidNames(t *testing.T) {
	t.Parallel()
	whole := name(t, rdn(t, attribute(t, cn, asn1.TagUTF8String, "secret")))
	for title, der := range map[string][]byte{
		"Nothing":          nil,
		"CutOff":           whole[:len(whole)-1],
		"MoreAfterIt":      append(whole[:len(whole):len(whole)], 0),
		"AnotherType":      marshal(t, "secret"),
		"AnRDNOfText":      name(t, marshal(t, "secret")),
		"AnAttributeOfOne": name(t, rdn(t, constructed(t, asn1.TagSequence, marshal(t, asn1.ObjectIdentifier(cn))))),
		"AnEmptyType": name(t, rdn(t, constructed(t, asn1.TagSequence,
			marshal(t, asn1.RawValue{Tag: asn1.TagOID}), marshal(t, "secret")))),
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			text, err := encode.Subject(der)
			if err == nil || text != "" {
				t.Fatalf("%q and error %v, want an error alone", text, err)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error %q has content", err)
			}
		})
	}
}

func checkSubject(t *testing.T, der []byte, want string) {
	t.Helper()
	got, err := encode.Subject(der)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("subject (-want +got):\n%s", diff)
	}
}

// mozillaSubjects has a line for each root that Mozilla has trusted: the subject's DER in
// base64, a space, and its rendering.
const mozillaSubjects = "testdata/mozilla.subjects.golden"

// T2: the rendering of real subjects. Lines of roots that have left the list are kept, and
// -update only adds lines: an existing line never changes, since users look up entries by
// these names.
func TestSubjectsOfMozillaGolden(t *testing.T) {
	t.Parallel()
	known := readSubjects(t)
	for der, want := range known {
		checkSubject(t, []byte(der), want)
	}
	var added strings.Builder
	for _, certificate := range mozilla(t) {
		parsed, err := x509.ParseCertificate(certificate.DER)
		if err != nil {
			t.Fatal(err)
		}
		if _, found := known[string(parsed.RawSubject)]; found {
			continue
		}
		text, err := encode.Subject(parsed.RawSubject)
		if err != nil {
			t.Fatal(err)
		}
		known[string(parsed.RawSubject)] = text
		fmt.Fprintf(&added, "%s %s\n", base64.StdEncoding.EncodeToString(parsed.RawSubject), text)
	}
	if added.Len() > 0 && !*update {
		t.Fatalf("new roots are not in %s; run the test with -update and read what is added:\n%s", mozillaSubjects, &added)
	}
	appendTo(t, mozillaSubjects, added.String())
}

func readSubjects(t *testing.T) map[string]string {
	t.Helper()
	file, err := os.ReadFile(mozillaSubjects)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]string{}
	for line := range strings.Lines(string(file)) {
		der, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		raw, err := base64.StdEncoding.DecodeString(der)
		if err != nil {
			t.Fatal(err)
		}
		known[string(raw)] = text
	}
	return known
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	if text == "" {
		return
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// T2: subjects are rendered like in Go 1.26, so that names are those that users of
// cert-manager's trust-manager know, except for characters that no store can hold.
func TestSubjectIsThatOfGo126(t *testing.T) {
	t.Parallel()
	list, _ := oddCertificates(t)
	for _, certificate := range append(list, mozilla(t)...) {
		checkLikeGo126(t, certificate.DER)
	}
}

// checkLikeGo126 compares with the standard library, if it is of the release that the
// rules were taken from and can read the certificate.
func checkLikeGo126(t *testing.T, der []byte) {
	t.Helper()
	parsed, err := x509.ParseCertificate(der)
	if err != nil || !strings.HasPrefix(runtime.Version(), "go1.26") {
		return
	}
	var want strings.Builder
	for _, r := range parsed.Subject.String() {
		if r != 0 && r <= 0xffff {
			want.WriteRune(r)
			continue
		}
		for _, b := range []byte(string(r)) {
			fmt.Fprintf(&want, `\%02x`, b)
		}
	}
	checkSubject(t, parsed.RawSubject, want.String())
}
