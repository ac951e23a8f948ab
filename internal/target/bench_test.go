package target

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
)

// benchmarkSize is the number of certificates in a Debian default package.
const benchmarkSize = 145

// BenchmarkNewRevision measures the revision of a bundle from scratch, and with a previous
// revision of the same content.
func BenchmarkNewRevision(b *testing.B) {
	asked := spec(configMap("ca.pem"))
	var content bundle.Bundle
	for number := range benchmarkSize {
		der := make([]byte, 1100)
		copy(der, fmt.Sprint(number))
		content.Certificates = append(content.Certificates, certs.Certificate{DER: der, Fingerprint: sha256.Sum256(der)})
	}
	before, err := NewRevision(asked, content, nil)
	if err != nil {
		b.Fatal(err)
	}
	for name, known := range map[string]*Revision{"cold": nil, "warm": before} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := NewRevision(asked, content, known); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
