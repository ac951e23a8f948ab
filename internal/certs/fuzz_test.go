package certs_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/encode"
	"trust-manager.io/test/framework/ca"
)

// FuzzParse verifies for any text that Parse does not panic, that a problem comes
// without certificates and with the number of a block, that nothing in an accepted
// text is lost silently, and that the result can be written and read back unchanged.
func FuzzParse(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		result, problem := certs.Parse(text, origin)
		if problem != nil {
			checkRefusal(t, text, result, problem)
			return
		}
		checkNumbers(t, result)
		checkNothingLost(t, text, result)
		checkRoundTrip(t, result)
	})
}

// seeds returns the texts of the tables, intact and damaged, and combinations of two.
func seeds(f *testing.F) []string {
	one, two := ca.Fixed(1).Certificate, ca.Fixed(2).Certificate
	list := []string{
		"",
		"\ufeff" + one + "\n# two\n" + two,
		strings.ReplaceAll(one+two, "\n", "\r\n"),
		"  " + strings.ReplaceAll(one+two, "\n", "\n  "),
		one + comment(two) + one,
		"#\r" + one,
		one + ecACC(f) + two,
		one + "-----BEGIN CERTIFICATE-----\n" + two,
		one + "-----BEGIN CERTIFICATE-----:\n-----BEGIN X\n-----END CERTIFICATE-----\n" + two,
	}
	list = append(list, one+"\x00"+two)
	for _, tc := range refusals(f) {
		list = append(list, tc.text)
	}
	slices.Sort(list)
	return list
}

func checkRefusal(t *testing.T, text string, result certs.Result, problem *certs.Problem) {
	t.Helper()
	if result.Certificates != nil || result.Skipped != nil {
		t.Fatalf("a result beside the problem %v", problem)
	}
	if problem.Reason != certs.SourceBuildError || problem.Detail == "" {
		t.Fatalf("problem %+v without reason or detail", problem)
	}
	// Every block, even a damaged one, has a line of its own; NUL bytes are a
	// problem of the whole text.
	if number, most := problem.Origin.Block, strings.Count(text, "\n")+1; number > most || number < 1 && !strings.Contains(text, "\x00") {
		t.Fatalf("the problem is in block %d of at most %d", number, most)
	}
}

// checkNumbers verifies that blocks are numbered in the order of the text.
func checkNumbers(t *testing.T, result certs.Result) {
	t.Helper()
	var numbers []int
	for _, certificate := range result.Certificates {
		numbers = append(numbers, certificate.Origin.Block)
	}
	if !slices.IsSorted(numbers) {
		t.Fatalf("blocks %v are out of order", numbers)
	}
	for _, skipped := range result.Skipped {
		numbers = append(numbers, skipped.Origin.Block)
	}
	slices.Sort(numbers)
	for i, number := range numbers {
		if number != i+1 {
			t.Fatalf("blocks %v, want each number from 1 on once", numbers)
		}
	}
}

// checkNothingLost compares the result with two other readers: it has every certificate
// that encoding/pem finds, in the same order, and as many blocks as there are lines
// that mention BEGIN and are not comments.
func checkNothingLost(t *testing.T, text string, result certs.Result) {
	t.Helper()
	rest := result.Certificates
	for _, want := range lenient(text) {
		at := slices.IndexFunc(rest, func(c certs.Certificate) bool { return c.Fingerprint == want })
		if at < 0 {
			t.Fatalf("encoding/pem finds certificate %x, which was lost or moved", want)
		}
		rest = rest[at+1:]
	}
	begins := 0
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if !strings.HasPrefix(strings.TrimSpace(line), "#") && strings.Contains(strings.ToUpper(line), "-----BEGIN") {
			begins++
		}
	}
	if got := len(result.Certificates) + len(result.Skipped); got != begins {
		t.Fatalf("%d blocks from a text with %d BEGIN lines", got, begins)
	}
}

// lenient returns the fingerprints of the certificates that the standard library finds;
// it skips everything else.
func lenient(text string) [][sha256.Size]byte {
	var list [][sha256.Size]byte
	for rest := []byte(text); ; {
		var found *pem.Block
		if found, rest = pem.Decode(rest); found == nil {
			return list
		}
		if found.Type != "CERTIFICATE" {
			continue
		}
		if _, err := x509.ParseCertificate(found.Bytes); err == nil {
			list = append(list, sha256.Sum256(found.Bytes))
		}
	}
}

// checkRoundTrip verifies that parse∘encode is the identity.
func checkRoundTrip(t *testing.T, result certs.Result) {
	t.Helper()
	file := encode.PEM(result.Certificates)
	again, problem := certs.Parse(string(file), origin)
	if problem != nil {
		t.Fatalf("the encoded certificates are refused: %v", problem)
	}
	if diff := cmp.Diff(fingerprints(result), fingerprints(again)); diff != "" {
		t.Fatalf("certificates after a round trip (-want +got):\n%s", diff)
	}
	if !bytes.Equal(file, encode.PEM(again.Certificates)) {
		t.Fatal("the second file differs from the first")
	}
}

func fingerprints(result certs.Result) [][sha256.Size]byte {
	list := make([][sha256.Size]byte, 0, len(result.Certificates))
	for _, certificate := range result.Certificates {
		list = append(list, certificate.Fingerprint)
	}
	return list
}
