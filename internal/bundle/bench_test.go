package bundle_test

import (
	"encoding/pem"
	"strings"
	"testing"

	mozilla "golang.org/x/crypto/x509roots/fallback/bundle"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/test/framework/ca"
)

// benchmarkSize is the number of certificates in a Debian default package.
const benchmarkSize = 145

// mozillaRoots returns the public roots that Mozilla trusts, topped up to
// benchmarkSize, as one source.
func mozillaRoots(tb testing.TB) bundle.Input {
	tb.Helper()
	var text strings.Builder
	count := int64(0)
	for root := range mozilla.Roots() {
		text.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}))
		count++
	}
	for ; count < benchmarkSize; count++ {
		text.WriteString(ca.Roots(count))
	}
	return source("mozilla", text.String())
}

func BenchmarkBuild(b *testing.B) {
	inputs := []bundle.Input{mozillaRoots(b)}
	check := func(b *testing.B, got bundle.Bundle, err error) {
		b.Helper()
		if err != nil || len(got.Certificates) != benchmarkSize {
			b.Fatalf("%d certificates, error %v", len(got.Certificates), err)
		}
	}
	b.Run("cold", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var builder bundle.Builder
			got, err := builder.Build(inputs, bundle.Filter{}, now)
			check(b, got, err)
		}
	})
	b.Run("warm", func(b *testing.B) {
		var builder bundle.Builder
		got, err := builder.Build(inputs, bundle.Filter{}, now)
		check(b, got, err)
		b.ReportAllocs()
		for b.Loop() {
			got, err := builder.Build(inputs, bundle.Filter{}, now)
			check(b, got, err)
		}
	})
}
