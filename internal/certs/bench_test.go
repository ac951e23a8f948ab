package certs_test

import (
	"strings"
	"testing"

	"golang.org/x/crypto/x509roots/fallback/bundle"

	"trust-manager.io/internal/certs"
	"trust-manager.io/test/framework/ca"
)

// mozilla returns the public roots that Mozilla trusts as one text, topped up to
// the 145 that a Debian default package holds.
func mozilla(tb testing.TB) (text string, count int) {
	tb.Helper()
	const wanted = 145
	var file strings.Builder
	for root := range bundle.Roots() {
		file.WriteString(ca.PEM(root.Certificate))
		count++
	}
	for ; count < wanted; count++ {
		file.WriteString(ca.Fixed(int64(count)).Certificate)
	}
	return file.String(), count
}

func TestParseMozillaRoots(t *testing.T) {
	t.Parallel()
	text, want := mozilla(t)
	result, problem := certs.Parse(text, origin)
	if problem != nil {
		t.Fatalf("refused: %v", problem)
	}
	if got := len(result.Certificates); got != want || len(result.Skipped) != 0 {
		t.Errorf("%d certificates and %d notes, want %d and 0", got, len(result.Skipped), want)
	}
	checkNumbers(t, result)
	checkNothingLost(t, text, result)
	checkRoundTrip(t, result)
}

func BenchmarkParse(b *testing.B) {
	text, want := mozilla(b)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		result, problem := certs.Parse(text, origin)
		if problem != nil || len(result.Certificates) != want {
			b.Fatalf("%d certificates, problem %v", len(result.Certificates), problem)
		}
	}
}
