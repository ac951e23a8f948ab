package bundle

import "trust-manager.io/internal/certs"

// Earliest returns the first certificate with the earliest NotAfter, or nil if the
// bundle is empty.
func (b Bundle) Earliest() *certs.Certificate {
	for i := range b.Certificates {
		if b.Certificates[i].NotAfter.Equal(b.EarliestNotAfter) {
			return &b.Certificates[i]
		}
	}
	return nil
}

// BySource returns the number of certificates of each source, by the source's field.
func (b Bundle) BySource() map[string]int {
	counts := map[string]int{}
	for i := range b.Certificates {
		counts[b.Certificates[i].Origin.Field]++
	}
	return counts
}
