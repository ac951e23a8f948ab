package encode_test

import (
	"bytes"
	"crypto/x509"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pavlo-v-chernykh/keystore-go/v4"
	"software.sslmate.com/src/go-pkcs12"

	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/encode"
)

// FuzzSubject proves, for any bytes as a subject: the rendering does not panic,
// is the same each time, is what Go 1.26 gives but for NUL and characters
// outside the Basic Multilingual Plane, and has neither; all that Go's parser
// takes is taken; and two certificates of that subject whose fingerprints start
// alike are two entries in a store of each format.
func FuzzSubject(f *testing.F) {
	for _, subject := range oddSubjects(f) {
		if len(subject.der) < 2000 {
			f.Add(subject.der)
		}
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		text, err := encode.Subject(der)
		if again, _ := encode.Subject(der); again != text {
			t.Fatalf("%q at first, %q then", text, again)
		}
		checkStorable(t, text)
		checkStorable(t, encode.Lower(text))
		one, two := withSubject(t, der, 2000), withSubject(t, der, 2001)
		_, refused := x509.ParseCertificate(one.DER)
		if refused != nil {
			return
		}
		if err != nil {
			t.Fatalf("a subject that Go takes is refused: %v", err)
		}
		checkLikeGo126(t, one.DER)
		copy(two.Fingerprint[:4], one.Fingerprint[:4])
		checkTwoEntries(t, []certs.Certificate{one, two})
	})
}

func checkStorable(t *testing.T, text string) {
	t.Helper()
	unfit := func(r rune) bool { return r == 0 || r > 0xffff }
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unfit) {
		t.Fatalf("%q has characters that a store cannot hold", text)
	}
}

func checkTwoEntries(t *testing.T, list []certs.Certificate) {
	t.Helper()
	file, err := encode.JKS(list, password)
	if err != nil {
		t.Fatal(err)
	}
	store := keystore.New(keystore.WithCaseExactAliases())
	if err := store.Load(bytes.NewReader(file), []byte(password)); err != nil {
		t.Fatal(err)
	}
	if got := len(store.Aliases()); got != 2 {
		t.Fatalf("the JKS has %d entries, want 2", got)
	}
	if file, err = encode.PKCS12(list, "", ""); err != nil {
		t.Fatal(err)
	}
	if read, err := pkcs12.DecodeTrustStore(file, ""); err != nil || len(read) != 2 {
		t.Fatalf("the PKCS#12 store has %d entries, want 2; error %v", len(read), err)
	}
	found := bags(t, file)
	if len(found) != 2 || strings.EqualFold(found[0].name, found[1].name) {
		t.Fatalf("the names %q are not two", found)
	}
}
