package decode

import (
	"encoding/hex"
	"testing"
)

// The vectors of RFC 2268, 5, with a key whose effective length is its own.
func TestRC2(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ key, plain, encrypted string }{
		{"ffffffffffffffff", "ffffffffffffffff", "278b27e42e2f0d49"},
		{"3000000000000000", "1000000000000001", "30649edf9be7d2c2"},
		{"88bca90e90875a7f0f79c384627bafb2", "0000000000000000", "2269552ab0f85ca6"},
	} {
		key, _ := hex.DecodeString(tc.key)
		plain, _ := hex.DecodeString(tc.plain)
		block, encrypted, decrypted := newRC2(key), make([]byte, 8), make([]byte, 8)
		block.Encrypt(encrypted, plain)
		block.Decrypt(decrypted, encrypted)
		if got := hex.EncodeToString(encrypted); got != tc.encrypted || hex.EncodeToString(decrypted) != tc.plain {
			t.Errorf("key %s encrypts %s as %s, want %s, and decrypts it as %x", tc.key, tc.plain, got, tc.encrypted, decrypted)
		}
	}
}
