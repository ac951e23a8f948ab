package certs_test

import (
	"strings"
	"testing"

	"trust-manager.io/internal/certs"
)

func TestTextLimit(t *testing.T) {
	t.Parallel()
	one := block(certificate(t, 1))
	full := one + strings.Repeat("\n", certs.MaxText-len(one))
	got, problem := certs.Parse(full, origin)
	if problem != nil || len(got.Certificates) != 1 {
		t.Fatalf("a text of MaxText bytes gives %d certificates, problem %v", len(got.Certificates), problem)
	}
	refuse(t, full+"\n", 0, "8388609 bytes, the limit is 8388608")
}

func TestBlockLimit(t *testing.T) {
	t.Parallel()
	one := block(certificate(t, 1))
	full := strings.Repeat(one, certs.MaxBlocks)
	got, problem := certs.Parse(full, origin)
	if problem != nil || len(got.Certificates) != certs.MaxBlocks {
		t.Fatalf("MaxBlocks blocks give %d certificates, problem %v", len(got.Certificates), problem)
	}
	refuse(t, full+one, certs.MaxBlocks+1, "more than 10000 blocks")
}
