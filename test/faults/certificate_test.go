package faults

import (
	"sync/atomic"
	"time"

	"trust-manager.io/test/framework/ca"
)

// longLife is that of a certificate which a clock ten years ahead does not take for
// expired.
const longLife = 30 * 365 * 24 * time.Hour

const (
	// largeEach is of how many new certificates one is large, and largest by how many
	// bytes at most.
	largeEach = 8
	largest   = 48_000
	// largeInPool is by how much every third CA is larger that a bundle with rotation
	// draws from, in bytes: the bundle, and its rotation state, take about a third of
	// what the API server takes.
	largeInPool = 60_000
)

// made counts the certificates.
var made atomic.Int64

// newCertificates makes CA certificates, as PEM, that there were none like before.
func newCertificates(of string, count int) []string {
	var list []string
	for range count {
		number := int(made.Add(1))
		if number%largeEach == 0 {
			list = append(list, ca.New(of, ca.Padded(number*7919%largest)).Certificate)
		} else {
			list = append(list, ca.New(of).Certificate)
		}
	}
	return list
}
