package faults

import (
	"time"

	"trust-manager.io/test/ca"
)

// longLife is that of a certificate which a clock ten years ahead does not take for
// expired.
const longLife = 30 * 365 * 24 * time.Hour

// newCertificates makes CA certificates, as PEM, that there were none like before.
func newCertificates(of string, count int) []string {
	var list []string
	for range count {
		list = append(list, ca.New(of).Certificate)
	}
	return list
}
