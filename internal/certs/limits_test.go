package certs_test

import (
	"strings"
	"testing"

	"trust-manager.io/internal/certs"
	"trust-manager.io/test/framework/ca"
)

func TestTextLimit(t *testing.T) {
	t.Parallel()
	one := ca.Fixed(1).Certificate
	full := one + strings.Repeat("\n", certs.MaxText-len(one))
	got, problem := certs.Parse(full, origin)
	if problem != nil || len(got.Certificates) != 1 {
		t.Fatalf("a text of MaxText bytes gives %d certificates, problem %v", len(got.Certificates), problem)
	}
	refuse(t, full+"\n", 0, "8388609 bytes, the limit is 8388608")
}

func TestBlockLimit(t *testing.T) {
	t.Parallel()
	one := ca.Fixed(1).Certificate
	full := strings.Repeat(one, certs.MaxBlocks)
	got, problem := certs.Parse(full, origin)
	if problem != nil || len(got.Certificates) != certs.MaxBlocks {
		t.Fatalf("MaxBlocks blocks give %d certificates, problem %v", len(got.Certificates), problem)
	}
	refuse(t, full+one, certs.MaxBlocks+1, "more than 10000 blocks")
}

// TestPartlyOtherEncoding verifies S5 for a text to which a shell has appended UTF-16:
// those blocks would pass for a comment. An entirely binary value, such as a key store
// beside the PEM, is not a text with blocks.
func TestPartlyOtherEncoding(t *testing.T) {
	t.Parallel()
	utf16 := strings.Join(strings.Split(ca.Fixed(2).Certificate, ""), "\x00")
	got, problem := certs.Parse(ca.Fixed(1).Certificate+utf16, origin)
	if problem == nil || got.Certificates != nil || !strings.Contains(problem.Detail, "UTF-16") {
		t.Errorf("got %d certificates and %v, want a problem alone", len(got.Certificates), problem)
	}
	if got, problem := certs.Parse(utf16, origin); problem != nil || !got.Empty() {
		t.Errorf("a binary text: got %v and %v, want no certificate", got, problem)
	}
}
