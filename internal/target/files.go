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

// files are the encoded forms of one bundle. All targets of all kinds share them.
type files struct {
	// content is a digest of the certificates in their order.
	content [sha256.Size]byte
	pem     file
	stores  []storeFile
}

// file is one encoded form and its SHA-256.
type file struct {
	data []byte
	sum  [sha256.Size]byte
}

// storeFile is an encoded key store and its options.
type storeFile struct {
	bundle.Store
	file
}

func newFile(data []byte) file { return file{data, sha256.Sum256(data)} }

// encodeFiles encodes the certificates for the targets of a Bundle. It reuses files of the
// previous revision, before, which may be nil. A Bundle without targets gets no files.
func encodeFiles(spec bundle.Spec, certificates []certs.Certificate, before *files) (*files, error) {
	made := &files{content: contentOf(certificates)}
	if len(spec.Targets) == 0 {
		return made, nil
	}
	if before == nil || before.content != made.content {
		before = &files{}
	}
	made.pem = before.pem
	if made.pem.data == nil {
		made.pem = newFile(encode.PEM(certificates))
	}
	for _, store := range spec.Stores {
		if known, ok := before.store(store); ok {
			made.stores = append(made.stores, storeFile{store, known})
			continue
		}
		data, err := encode.Store(store, certificates)
		if err != nil {
			return nil, bundle.Problems{{Reason: certs.SourceBuildError, Detail: err.Error(),
				Origin: certs.Origin{Field: "spec.target.additionalFormats"}}}
		}
		made.stores = append(made.stores, storeFile{store, newFile(data)})
	}
	return made, nil
}

// store returns the file of a key store that has the same options apart from the key.
func (f *files) store(wanted bundle.Store) (file, bool) {
	for _, known := range f.stores {
		wanted.Key = known.Key
		if known.Store == wanted {
			return known.file, true
		}
	}
	return file{}, false
}

// fit returns an error if the files are too large for one object (T10).
func (f *files) fit(kind bundle.Kind, certificates int) error {
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

// contentOf returns a digest of certificates in their order.
func contentOf(certificates []certs.Certificate) [sha256.Size]byte {
	content := sha256.New()
	for i := range certificates {
		_, _ = content.Write(certificates[i].Fingerprint[:]) // never fails
	}
	return [sha256.Size]byte(content.Sum(nil))
}
