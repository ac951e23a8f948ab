package encode_test

import (
	"testing"

	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/encode"
)

// defaultPackage returns Mozilla's roots, topped up to the 145 certificates that a Debian
// default package holds.
func defaultPackage(b *testing.B) []certs.Certificate {
	b.Helper()
	list := mozilla(b)
	for number := int64(1); len(list) < 145; number++ {
		list = append(list, certificate(number))
	}
	return list
}

func BenchmarkPEM(b *testing.B) {
	list := defaultPackage(b)
	b.ReportAllocs()
	for b.Loop() {
		b.SetBytes(int64(len(encode.PEM(list))))
	}
}

func BenchmarkJKS(b *testing.B) {
	list := defaultPackage(b)
	b.ReportAllocs()
	for b.Loop() {
		file, err := encode.JKS(list, password)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(file)))
	}
}

func BenchmarkPKCS12(b *testing.B) {
	list := defaultPackage(b)
	for title, tc := range stores() {
		b.Run(title, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				file, err := encode.PKCS12(list, tc.password, tc.profile)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(file)))
			}
		})
	}
}
