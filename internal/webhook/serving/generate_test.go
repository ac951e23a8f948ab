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

// taken takes a step at a time, or fails the test.
func taken(tb testing.TB, s step, held contents, before []*x509.Certificate, names []string, now time.Time) contents {
	tb.Helper()
	made, err := s.take(held, before, names, now)
	if err != nil {
		tb.Fatal(err)
	}
	return made
}

// fresh gives what is made where there is nothing.
func fresh(tb testing.TB, now time.Time) contents {
	tb.Helper()
	return taken(tb, replace, contents{}, nil, names, now)
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
	certificates, whole := parseCertificates(text)
	if !whole {
		tb.Fatalf("not only certificates: %s", text)
	}
	return certificates
}
