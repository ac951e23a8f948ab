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

// digestVersion is the version of the content of targets apart from their files. It is increased
// to rewrite targets whose inputs have not changed.
const digestVersion = 1

// digestOf returns the hexadecimal SHA-256 over all inputs of the targets of one kind. Each
// part is preceded by its length, and maps are sorted, so that different inputs do not
// have the same concatenation.
//
// The inputs include the encoded files, not the certificates and passwords that they are
// made from. A change of an encoder then changes the digest, and passwords cannot be
// guessed from the digest, which is on every target.
func digestOf(spec bundle.Spec, target bundle.Target, files *encodedFiles) string {
	d := digest{sha256.New()}
	d.number(digestVersion)
	d.text(target.Kind.String())
	pem, others := splitPEM(target.Files)
	d.text(pem.Key)
	d.dictionary(target.Labels)
	d.dictionary(target.Annotations)
	sum := files.of(pem).sum
	d.bytes(sum[:])
	d.number(len(others))
	for _, file := range others {
		d.text(string(file.Format))
		d.text(file.Key)
		d.text(file.Profile)
		sum := files.of(file).sum
		d.bytes(sum[:])
	}
	if spec.Orphan {
		d.text("orphan") // digests of the first version have nothing in its place
	}
	if target.Signer != "" {
		d.text("signer")
		d.text(target.Signer)
	}
	return hex.EncodeToString(d.hash.Sum(nil))
}

// splitPEM separates the first file from the others if it is PEM, since the digest of the
// first version had exactly one. Otherwise the first result is empty, as the key of no file
// is.
func splitPEM(files []bundle.File) (pem bundle.File, others []bundle.File) {
	if len(files) > 0 && files[0].Format == bundle.PEM {
		return files[0], files[1:]
	}
	return bundle.File{}, files
}

type digest struct{ hash hash.Hash }

// bytes adds a part of fixed length. Writing to a hash never fails.
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
