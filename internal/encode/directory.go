package encode

import (
	"fmt"
	"strconv"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
)

// Entry is one entry of a target's data.
type Entry struct {
	// Key is the key of the entry. It is empty for the content of a file with a key of its own.
	Key  string
	Data []byte
}

// Entries returns the entries that a file of a target consists of: one for each certificate if its
// format is a hashed directory, and otherwise one, see [File].
func Entries(file bundle.File, certificates []certs.Certificate) ([]Entry, error) {
	if file.Format == bundle.HashedDirectory {
		return HashedDirectory(certificates)
	}
	data, err := File(file, certificates)
	if err != nil {
		return nil, err
	}
	return []Entry{{Data: data}}, nil
}

// HashedDirectory returns one entry of PEM for each certificate, under the name by which OpenSSL finds
// it in a directory such as /etc/ssl/certs (T3b): the hash of its subject, a dot, and a number that
// counts from 0 for certificates of the same hash, in the order given. OpenSSL looks for
// no number after the first that is missing, so there are no gaps. A nonconforming certificate whose
// subject has no hash is left out, since OpenSSL could not find it.
func HashedDirectory(certificates []certs.Certificate) ([]Entry, error) {
	entries := make([]Entry, 0, len(certificates))
	count := make(map[string]int, len(certificates))
	for i := range certificates {
		hash, err := certificates[i].OpenSSLHash()
		switch {
		case err != nil && certificates[i].Nonconforming != "":
			continue
		case err != nil:
			return nil, fmt.Errorf("%s: %w", certificates[i].Origin, err)
		}
		entries = append(entries, Entry{hash + "." + strconv.Itoa(count[hash]), PEM(certificates[i : i+1])})
		count[hash]++
	}
	return entries, nil
}
