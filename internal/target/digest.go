package target

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"maps"
	"slices"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
)

// encoding is the version of the encoders. It goes up when the same inputs
// give other files, so that each target is rewritten once.
const encoding = 1

// digestOf gives the hexadecimal SHA-256 of all inputs that shape the targets
// of one kind. Every part goes in with its length, and maps in sorted order,
// so that no two different inputs give one digest by how they are put together.
func digestOf(target bundle.Target, certificates []certs.Certificate) string {
	d := digest{sha256.New()}
	d.number(encoding)
	d.text(string(target.Kind))
	d.text(target.Key)
	d.dictionary(target.Labels)
	d.dictionary(target.Annotations)
	d.number(len(certificates))
	for i := range certificates {
		d.bytes(certificates[i].Fingerprint[:])
	}
	return hex.EncodeToString(d.hash.Sum(nil))
}

type digest struct{ hash hash.Hash }

// bytes adds a part of fixed length. A hash takes every write.
func (d digest) bytes(b []byte) { _, _ = d.hash.Write(b) }

func (d digest) number(n int) {
	d.bytes(binary.BigEndian.AppendUint64(nil, uint64(n))) //nolint:gosec // lengths are not negative
}

func (d digest) text(s string) {
	d.number(len(s))
	d.bytes([]byte(s))
}

func (d digest) dictionary(m map[string]string) {
	d.number(len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		d.text(key)
		d.text(m[key])
	}
}
