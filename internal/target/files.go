package target

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/encode"
)

// encodedFiles are the encoded forms of one bundle. All targets of all kinds share them.
type encodedFiles struct {
	// fingerprint is a digest of the certificates in their order.
	fingerprint [sha256.Size]byte
	encoded     map[encoding]encodedFile
}

// encoding is what the bytes of a file depend on in addition to the certificates.
type encoding struct {
	format            bundle.Format
	password, profile string
}

// encodedFile is one encoded form.
type encodedFile struct {
	entries []encode.Entry
	// size is the number of bytes of all entries, and sum a SHA-256 of them: that of the content if
	// there is one entry.
	size int
	sum  [sha256.Size]byte
}

func newEncodedFile(entries []encode.Entry) encodedFile {
	file := encodedFile{entries: entries}
	d := digest{sha256.New()}
	for _, entry := range entries {
		file.size += len(entry.Data)
		if entry.Key != "" {
			d.text(entry.Key)
			d.number(len(entry.Data))
		}
		d.bytes(entry.Data)
	}
	file.sum = [sha256.Size]byte(d.hash.Sum(nil))
	return file
}

func encodingOf(file bundle.File) encoding { return encoding{file.Format, file.Password, file.Profile} }

// of returns the encoded form of a file.
func (f *encodedFiles) of(file bundle.File) encodedFile { return f.encoded[encodingOf(file)] }

// encodeFiles encodes the certificates for targets. It reuses files of the previous
// revision, before, which may be nil.
func encodeFiles(targets []bundle.Target, certificates []certs.Certificate, before *encodedFiles) (*encodedFiles, error) {
	files := &encodedFiles{fingerprint: fingerprintOf(certificates), encoded: map[encoding]encodedFile{}}
	if before == nil || before.fingerprint != files.fingerprint {
		before = &encodedFiles{}
	}
	for _, target := range targets {
		for _, file := range target.Files {
			key := encodingOf(file)
			if _, done := files.encoded[key]; done {
				continue
			}
			if known, ok := before.encoded[key]; ok {
				files.encoded[key] = known
				continue
			}
			entries, err := encode.Entries(file, certificates)
			if err != nil {
				return nil, bundle.Problems{{Reason: certs.SourceBuildError, Detail: err.Error(),
					Origin: certs.Origin{Field: file.Field}}}
			}
			files.encoded[key] = newEncodedFile(entries)
		}
	}
	return files, nil
}

// checkSize returns an error if the files of a target are too large for one object (T10).
func (f *encodedFiles) checkSize(target bundle.Target, certificates int) error {
	total := 0
	var parts []string
	for _, file := range target.Files {
		size := f.of(file).size
		total += size
		parts = append(parts, fmt.Sprintf("%s %d", file.Format, size))
	}
	if total <= MaxSize {
		return nil
	}
	return bundle.Problems{{Reason: bundle.TooLarge, Detail: fmt.Sprintf(
		"the bundle of %d certificates takes %d bytes (%s), and a %s holds at most %d; remove certificates or formats, or split the Bundle",
		certificates, total, strings.Join(parts, ", "), target.Kind, MaxSize)}}
}

// fingerprintOf returns a digest of certificates in their order.
func fingerprintOf(certificates []certs.Certificate) [sha256.Size]byte {
	digest := sha256.New()
	for i := range certificates {
		_, _ = digest.Write(certificates[i].Fingerprint[:]) // never fails
	}
	return [sha256.Size]byte(digest.Sum(nil))
}
