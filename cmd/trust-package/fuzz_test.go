package main

import (
	"io"
	"strings"
	"testing"

	"trust-manager.io/internal/capackage"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/encode"
)

// FuzzPEM checks that any text on standard input is either rejected or becomes a
// package that operators read as the same certificates.
func FuzzPEM(f *testing.F) {
	for _, seed := range []string{"", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "\xff", "# nothing\n", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		f.Add(seed)
	}
	for _, name := range []string{"one.pem", "two.pem", "ec-acc.pem"} {
		_, text, err := readText("testdata/pem/"+name, nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		f.Add("# a comment\r\n" + strings.ReplaceAll(text, "\n", "\r\n"))
	}
	f.Fuzz(func(t *testing.T, text string) {
		certificates, err := readCertificates(standardStream, strings.NewReader(text), io.Discard)
		if err != nil {
			if certificates != nil {
				t.Fatal("certificates together with an error")
			}
			return
		}
		data, err := capackage.Encode(capackage.Package{Name: "n", Version: "v", Bundle: string(encode.PEM(certificates))})
		if err != nil {
			t.Fatal(err)
		}
		read, err := capackage.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		again, problem := certs.Parse(read.Bundle, certs.Origin{})
		if problem != nil || len(again.Certificates) != len(certificates) {
			t.Fatalf("%d certificates, want %d; problem %v", len(again.Certificates), len(certificates), problem)
		}
		for i := range certificates {
			if again.Certificates[i].Fingerprint != certificates[i].Fingerprint {
				t.Errorf("certificate %d differs", i)
			}
		}
	})
}
