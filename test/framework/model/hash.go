package model

import (
	"bytes"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"sync"
)

// HashedDirectory returns the files of a hashed directory by their names (T3b).
func HashedDirectory(certificates []string) map[string]string {
	count, files := map[string]int{}, map[string]string{}
	for _, certificate := range certificates {
		hash := subjectHash(certificate)
		files[fmt.Sprintf("%s.%d", hash, count[hash])] = certificate
		count[hash]++
	}
	return files
}

var hashedName = regexp.MustCompile(`^[0-9a-f]{8}\.[0-9]+$`)

// IsHashed reports whether the field is a file of a hashed directory, with one certificate.
func (f Field) IsHashed() bool { return f.Section == Data && hashedName.MatchString(f.Key) }

// hashes has the result of openssl for each certificate.
var hashes sync.Map

// subjectHash returns the name of a certificate that is a PEM block in a hashed directory, without
// the number (T3b), as the program openssl prints it.
func subjectHash(certificate string) string {
	if known, ok := hashes.Load(certificate); ok {
		return known.(string) //nolint:forcetypeassert // nothing else is stored
	}
	command := exec.Command("openssl", "x509", "-noout", "-subject_hash")
	command.Stdin = strings.NewReader(certificate)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		panic(fmt.Sprintf("openssl: %v: %s", err, &stderr))
	}
	hash := strings.TrimSpace(string(out))
	hashes.Store(certificate, hash)
	return hash
}
