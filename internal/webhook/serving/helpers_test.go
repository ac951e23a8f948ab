package serving

import (
	"crypto/x509"
	"testing"
	"time"
)

// start is the time at which all tests begin.
var start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

var names = hostNames("trust-manager", "cert-manager")

// applied returns the contents after a step.
func applied(tb testing.TB, s step, c contents, previous []*x509.Certificate, names []string, now time.Time) contents {
	tb.Helper()
	updated, err := s.apply(c, previous, names, now)
	if err != nil {
		tb.Fatal(err)
	}
	return updated
}

// fresh returns the contents of a new Secret.
func fresh(tb testing.TB, now time.Time) contents {
	tb.Helper()
	return applied(tb, replace, contents{}, nil, names, now)
}

func encoded(tb testing.TB, c contents) map[string][]byte {
	tb.Helper()
	data, err := c.encode()
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func mustParse(tb testing.TB, text []byte) []*x509.Certificate {
	tb.Helper()
	certificates, isComplete := parseCertificates(text)
	if !isComplete {
		tb.Fatalf("not only certificates: %s", text)
	}
	return certificates
}
