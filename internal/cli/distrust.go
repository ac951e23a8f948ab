package cli

import (
	"crypto/sha256"
	"crypto/x509"
	"sort"
	"time"

	mozilla "golang.org/x/crypto/x509roots/fallback/bundle"
)

// distrustAfter returns the roots that Mozilla trusts for certificates issued until a date only, by
// fingerprint.
func distrustAfter() map[[sha256.Size]byte]time.Time {
	dates := map[[sha256.Size]byte]time.Time{}
	for root := range mozilla.Roots() {
		if root.Constraint != nil {
			dates[sha256.Sum256(root.Certificate)] = lastAccepted(root.Constraint)
		}
	}
	return dates
}

// lastAccepted returns the last day on which a certificate may have been issued, between 2000 and
// 2100. The list has the date as a function only.
func lastAccepted(constraint func([]*x509.Certificate) error) time.Time {
	first := time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)
	const days = 100 * 366
	refused := sort.Search(days, func(day int) bool {
		return constraint([]*x509.Certificate{{NotBefore: first.AddDate(0, 0, day)}}) != nil
	})
	return first.AddDate(0, 0, refused-1)
}
