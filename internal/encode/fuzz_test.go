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

// FuzzSubject verifies for any bytes as a subject that the rendering does not panic, is
// deterministic, equals that of Go 1.26 except for NUL and characters outside the Basic
// Multilingual Plane, and has neither; that everything is accepted that Go's parser
// accepts; and that two certificates of that subject with the same fingerprint prefix are
// two entries in a store of each format.
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

// FuzzStores verifies for all certificates that a source may hold and any password that a
// store of each format either holds all of them, each once, and opens with the password,
// or is rejected with a reason; and that it is deterministic.
func FuzzStores(f *testing.F) {
	odd, _ := oddCertificates(f)
	for _, seed := range [][]certs.Certificate{certificates(1), append(certificates(3), certificates(2)...), odd} {
		f.Add(string(encode.PEM(seed)), password, byte(0))
		f.Add(string(encode.PEM(seed)), "", byte(2))
	}
	f.Add(string(encode.PEM(certificates(2))), "pä\x00\xff😀", byte(1))
	profiles := []encode.Profile{encode.LegacyRC2, encode.LegacyDES, encode.Modern2023}
	f.Fuzz(func(t *testing.T, text, password string, profile byte) {
		result, problem := certs.Parse(text, certs.Origin{Field: "spec.sources[0].inLine"})
		if problem != nil || len(result.Certificates) > 50 {
			return
		}
		want := map[string]bool{}
		for _, certificate := range result.Certificates {
			want[string(certificate.DER)] = true
		}
		if file, err := encode.JKS(result.Certificates, password); err == nil {
			checkJKS(t, file, password, want)
			if again, _ := encode.JKS(result.Certificates, password); !bytes.Equal(file, again) {
				t.Error("another JKS the second time")
			}
		}
		chosen := profiles[int(profile)%len(profiles)]
		if file, err := encode.PKCS12(result.Certificates, password, chosen); err == nil {
			checkPKCS12(t, file, password, want)
			if again, _ := encode.PKCS12(result.Certificates, password, chosen); !bytes.Equal(file, again) {
				t.Error("another PKCS#12 store the second time")
			}
		}
	})
}

func checkJKS(t *testing.T, file []byte, password string, want map[string]bool) {
	t.Helper()
	if strings.ContainsFunc(password, func(r rune) bool { return r > 0x7f }) {
		return // the library encodes it differently than Java, and rejects the checksum
	}
	store := keystore.New(keystore.WithCaseExactAliases())
	if err := store.Load(bytes.NewReader(file), []byte(password)); err != nil {
		t.Fatalf("the JKS cannot be read: %v", err)
	}
	for _, alias := range store.Aliases() {
		entry, err := store.GetTrustedCertificateEntry(alias)
		if err != nil || !want[string(entry.Certificate.Content)] {
			t.Fatalf("entry %q: %v", alias, err)
		}
	}
	if got := len(store.Aliases()); got != len(want) {
		t.Fatalf("the JKS has %d entries, want %d", got, len(want))
	}
}

func checkPKCS12(t *testing.T, file []byte, password string, want map[string]bool) {
	t.Helper()
	read, err := pkcs12.DecodeTrustStore(file, password)
	if len(want) == 0 {
		return // the library refuses to read a store without entries
	}
	if err != nil || len(read) != len(want) {
		t.Fatalf("the PKCS#12 store has %d entries, want %d; error %v", len(read), len(want), err)
	}
	for _, certificate := range read {
		if !want[string(certificate.Raw)] {
			t.Fatal("a certificate in the PKCS#12 store is another")
		}
	}
}
