package bundle

import "trust-manager.io/internal/certs"

// Earliest gives the certificate that expires first, the first of several, or nil
// where there is none.
func (b Bundle) Earliest() *certs.Certificate {
	for i := range b.Certificates {
		if b.Certificates[i].NotAfter.Equal(b.EarliestNotAfter) {
			return &b.Certificates[i]
		}
	}
	return nil
}

// BySource counts the certificates that come from each source, by its field.
func (b Bundle) BySource() map[string]int {
	counts := map[string]int{}
	for i := range b.Certificates {
		counts[b.Certificates[i].Origin.Field]++
	}
	return counts
}
