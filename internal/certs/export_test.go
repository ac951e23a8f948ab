package certs

import "time"

// Structure is what a test compares of the outer structure of a certificate.
type Structure struct {
	Version                             int
	RawIssuer, RawSubject, RawPublicKey []byte
	NotAfter                            time.Time
	Extensions                          int
	CA, SelfIssued                      bool
}

// ReadStructure exports readStructure to the tests.
func ReadStructure(certificate []byte) (Structure, string) {
	s, malformed := readStructure(certificate)
	return Structure{s.version, s.rawIssuer, s.rawSubject, s.rawPublicKey, s.notAfter, len(s.extensions), s.isCA(), s.isSelfIssued()}, malformed
}
