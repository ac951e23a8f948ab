package target

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
)

// benchmarkSize is how many certificates a Debian default package holds.
const benchmarkSize = 145

// BenchmarkNewRevision makes the revision of a bundle whose certificates are known:
// anew, and where nothing has changed.
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
