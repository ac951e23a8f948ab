package target

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/encode"
)

// encodedFiles are the encoded forms of one bundle. All targets of all kinds share them.
type encodedFiles struct {
	// fingerprint is a digest of the certificates in their order.
	fingerprint [sha256.Size]byte
	pem         encodedFile
	stores      []encodedStore
}

// encodedFile is one encoded form and its SHA-256.
type encodedFile struct {
	data []byte
	sum  [sha256.Size]byte
}

// encodedStore is an encoded key store and its options.
type encodedStore struct {
	bundle.Store
	encodedFile
}

func newFile(data []byte) encodedFile { return encodedFile{data, sha256.Sum256(data)} }

// encodeFiles encodes the certificates for the targets of a Bundle. It reuses files of the
// previous revision, before, which may be nil. A Bundle without targets gets no files.
func encodeFiles(spec bundle.Spec, certificates []certs.Certificate, before *encodedFiles) (*encodedFiles, error) {
	files := &encodedFiles{fingerprint: fingerprintOf(certificates)}
	if len(spec.Targets) == 0 {
		return files, nil
	}
	if before == nil || before.fingerprint != files.fingerprint {
		before = &encodedFiles{}
	}
	files.pem = before.pem
	if files.pem.data == nil {
		files.pem = newFile(encode.PEM(certificates))
	}
	for _, store := range spec.Stores {
		if known, ok := before.store(store); ok {
			files.stores = append(files.stores, encodedStore{store, known})
			continue
		}
		data, err := encode.Store(store, certificates)
		if err != nil {
			return nil, bundle.Problems{{Reason: certs.SourceBuildError, Detail: err.Error(),
				Origin: certs.Origin{Field: "spec.target.additionalFormats"}}}
		}
		files.stores = append(files.stores, encodedStore{store, newFile(data)})
	}
	return files, nil
}

// store returns the file of a key store that has the same options apart from the key.
func (f *encodedFiles) store(options bundle.Store) (encodedFile, bool) {
	for _, known := range f.stores {
		options.Key = known.Key
		if known.Store == options {
			return known.encodedFile, true
		}
	}
	return encodedFile{}, false
}

// checkSize returns an error if the files are too large for one object (T10).
func (f *encodedFiles) checkSize(kind bundle.Kind, certificates int) error {
	total := len(f.pem.data)
	parts := []string{fmt.Sprintf("PEM %d", len(f.pem.data))}
	for _, store := range f.stores {
		total += len(store.data)
		parts = append(parts, fmt.Sprintf("%s %d", store.Format, len(store.data)))
	}
	if total <= MaxSize {
		return nil
	}
	return bundle.Problems{{Reason: v1alpha1.BundleReasonBundleTooLarge, Detail: fmt.Sprintf(
		"the bundle of %d certificates takes %d bytes (%s), and a %s holds at most %d; remove certificates or formats, or split the Bundle",
		certificates, total, strings.Join(parts, ", "), kind, MaxSize)}}
}

// fingerprintOf returns a digest of certificates in their order.
func fingerprintOf(certificates []certs.Certificate) [sha256.Size]byte {
	digest := sha256.New()
	for i := range certificates {
		_, _ = digest.Write(certificates[i].Fingerprint[:]) // never fails
	}
	return [sha256.Size]byte(digest.Sum(nil))
}
