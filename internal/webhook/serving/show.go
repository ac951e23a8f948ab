package serving

import (
	"bytes"
	"crypto/tls"
	"time"
)

// servedState is the certificate that a replica serves, and the next one.
type servedState struct {
	// current is nil as long as no certificate may be served.
	current *tls.Certificate
	// next is served once all API servers have the caBundle. since is the time at which the
	// caBundle was first observed to cover it.
	next  *tls.Certificate
	since time.Time
}

// advance returns the next state for the pair in the Secret, the caBundle in the cluster and
// the host name of the Service. If the returned time is not zero, call advance again then.
// A pair that the caBundle does not cover is never served. A pair that it covers is served
// immediately if the current one is not covered, and otherwise after [propagationTime].
func (s servedState) advance(offered *tls.Certificate, bundle []byte, name string, now time.Time) (servedState, time.Time) {
	authorities, _ := parseCertificates(bundle)
	covers := func(pair *tls.Certificate) bool {
		return pair != nil && isTrusted(pair, authorities, []string{name}, now)
	}
	switch {
	case isSame(s.current, offered), !covers(offered):
		return servedState{current: s.current}, time.Time{}
	case !covers(s.current):
		return servedState{current: offered}, time.Time{}
	case !isSame(s.next, offered):
		return servedState{current: s.current, next: offered, since: now}, now.Add(propagationTime)
	case now.Before(s.since.Add(propagationTime)):
		return s, s.since.Add(propagationTime)
	}
	return servedState{current: offered}, time.Time{}
}

func isSame(a, b *tls.Certificate) bool {
	return a != nil && b != nil && bytes.Equal(a.Leaf.Raw, b.Leaf.Raw)
}
