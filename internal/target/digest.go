package target

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"maps"
	"slices"

	"trust-manager.io/internal/bundle"
)

// layout is the version of what a target looks like beside its files. It goes up
// when a target with the same inputs has to be written anew.
const layout = 1

// digestOf gives the hexadecimal SHA-256 of all inputs that shape the targets
// of one kind. Every part goes in with its length, and maps in sorted order,
// so that no two different inputs give one digest by how they are put together.
//
// Files go in as they were encoded, and not as certificates and passwords: each
// is a function of its inputs, so an encoder that changes shows, and nobody can
// try passwords on the digest, which stands on every target.
func digestOf(target bundle.Target, files *files) string {
	d := digest{sha256.New()}
	d.number(layout)
	d.text(string(target.Kind))
	d.text(target.Key)
	d.dictionary(target.Labels)
	d.dictionary(target.Annotations)
	d.bytes(files.pem.sum[:])
	d.number(len(files.stores))
	for _, store := range files.stores {
		d.text(string(store.Format))
		d.text(store.Key)
		d.text(store.Profile)
		d.bytes(store.sum[:])
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
