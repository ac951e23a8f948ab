package faults

import (
	"sync/atomic"
	"time"

	"trust-manager.io/test/framework/ca"
)

// longLife is the lifetime of a certificate that is not expired for a clock ten years
// ahead.
const longLife = 30 * 365 * 24 * time.Hour

const (
	// One of largeEach new certificates is large, by at most largest bytes.
	largeEach = 8
	largest   = 48_000
	// largeInPool is the additional size of every third CA of a pool, in bytes: the
	// bundle, and its rotation state, reach about a third of the API server's size limit.
	largeInPool = 60_000
)

// made counts the certificates.
var made atomic.Int64

// newCertificates returns new, unique CA certificates as PEM.
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
