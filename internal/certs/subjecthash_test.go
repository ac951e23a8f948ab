package certs_test

import (
	edwards "crypto/ed25519"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	roots "golang.org/x/crypto/x509roots/fallback/bundle"

	"trust-manager.io/internal/certs"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/program"
)

// L4: the hash of a subject is that of openssl, for all roots of Mozilla's list and for odd
// subjects.
func TestOpenSSLHash(t *testing.T) {
	t.Parallel()
	var all [][]byte
	for root := range roots.Roots() {
		all = append(all, root.Certificate)
	}
	for _, subject := range oddSubjects() {
		all = append(all, withSubject(t, subject))
	}
	dir := t.TempDir()
	text := ""
	for _, der := range all {
		text += ca.PEM(der)
	}
	want := hashesOf(t, dir, all)
	parsed, problem := certs.Parse(text, certs.Origin{})
	if problem != nil {
		t.Fatal(problem)
	}
	for i := range parsed.Certificates {
		if got, err := parsed.Certificates[i].OpenSSLHash(); err != nil || got != want[i] {
			t.Errorf("%s: %s (%v), want %s", parsed.Certificates[i].Subject(), got, err, want[i])
		}
	}
}

// hashesOf returns the hashes of the links that openssl makes in a directory.
func hashesOf(t *testing.T, dir string, all [][]byte) (hashes []string) {
	t.Helper()
	for i, der := range all {
		if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(i)+".pem"), []byte(ca.PEM(der)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := program.Run(t, "openssl", "rehash", dir); err != nil {
		t.Fatalf("openssl: %v: %s", err, out)
	}
	hashes = make([]string, len(all))
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		target, err := os.Readlink(filepath.Join(dir, entry.Name()))
		if err != nil {
			continue // it is a certificate
		}
		number, err := strconv.Atoi(strings.TrimSuffix(target, ".pem"))
		if err != nil {
			t.Fatal(err)
		}
		hashes[number], _, _ = strings.Cut(entry.Name(), ".")
	}
	return hashes
}

// attributeOf is an AttributeTypeAndValue.
type attributeOf struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue
}

type setOfSET []attributeOf

// oddSubjects returns Names with every string type, white space, several values in one set, and no
// value at all.
func oddSubjects() (subjects [][]setOfSET) {
	commonName, organization := asn1.ObjectIdentifier{2, 5, 4, 3}, asn1.ObjectIdentifier{2, 5, 4, 10}
	value := func(tag int, text string) asn1.RawValue { return asn1.RawValue{Tag: tag, Bytes: []byte(text)} }
	subjects = append(subjects, nil)
	for _, v := range []asn1.RawValue{
		value(asn1.TagUTF8String, "Root"), value(asn1.TagPrintableString, "Root"), value(asn1.TagIA5String, "Root"),
		value(asn1.TagNumericString, "12 34"), value(asn1.TagT61String, "R\xf6\xd6t"), value(asn1.TagBMPString, "\x00R\x00\xd6\x20\xac"),
		value(28, "\x00\x00\x00R\x00\x01\xf6\x00"), value(asn1.TagUTF8String, "  Two \t\n Words  "), value(asn1.TagUTF8String, "Größe ÄÖ"),
		value(asn1.TagPrintableString, "R\xf6\xd6t"), value(asn1.TagIA5String, "R\xf6\xd6t"),
		value(asn1.TagUTF8String, ""), value(asn1.TagUTF8String, " \t "), value(asn1.TagBitString, "\x00\x01"), value(asn1.TagUTF8String, "a\u00a0b"),
	} {
		subjects = append(subjects, []setOfSET{{{organization, value(asn1.TagPrintableString, "Org")}}, {{commonName, v}}})
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		var set setOfSET
		for range 1 + random.IntN(3) {
			text := strings.Repeat(string(rune('A'+random.IntN(26))), random.IntN(3)) + " " + string(rune('a'+random.IntN(26)))
			set = append(set, attributeOf{asn1.ObjectIdentifier{2, 5, 4, 3 + random.IntN(8)}, value(asn1.TagUTF8String, text)})
		}
		subjects = append(subjects, []setOfSET{set})
	}
	return subjects
}

// withSubject returns a self-signed certificate with a subject.
func withSubject(t *testing.T, subject []setOfSET) []byte {
	t.Helper()
	if subject == nil {
		subject = []setOfSET{}
	}
	raw, err := asn1.Marshal(subject)
	if err != nil {
		t.Fatal(err)
	}
	key := edwards.NewKeyFromSeed(make([]byte, edwards.SeedSize))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), RawSubject: raw, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<31, 0), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	if err != nil {
		t.Fatalf("%x: %v", raw, err)
	}
	return der
}
