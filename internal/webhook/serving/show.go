package serving

import (
	"bytes"
	"crypto/tls"
	"time"
)

// shown is what a replica shows, and what it is going to.
type shown struct {
	// current is nil as long as nothing may be shown.
	current *tls.Certificate
	// next waits until all API servers have the caBundle. since is when the caBundle
	// was first seen to cover it.
	next  *tls.Certificate
	since time.Time
}

// advance says what is to be shown under a name, where the Secret offers a pair
// and the caBundle in the cluster is this; and, if it is not zero, when to ask
// again. A pair that the caBundle does not cover is never taken. One that it
// covers is taken at once where what is shown is of no use, and otherwise after
// some time.
func (s shown) advance(offered *tls.Certificate, bundle []byte, name string, now time.Time) (shown, time.Time) {
	authorities, _ := parseCertificates(bundle)
	covers := func(pair *tls.Certificate) bool {
		return pair != nil && isVouchedFor(pair, authorities, []string{name}, now)
	}
	switch {
	case isSame(s.current, offered), !covers(offered):
		return shown{current: s.current}, time.Time{}
	case !covers(s.current):
		return shown{current: offered}, time.Time{}
	case !isSame(s.next, offered):
		return shown{current: s.current, next: offered, since: now}, now.Add(settle)
	case now.Before(s.since.Add(settle)):
		return s, s.since.Add(settle)
	}
	return shown{current: offered}, time.Time{}
}

func isSame(one, other *tls.Certificate) bool {
	return one != nil && other != nil && bytes.Equal(one.Leaf.Raw, other.Leaf.Raw)
}
