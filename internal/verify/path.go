package verify

import "slices"

const (
	// maxDepth is the largest number of certificates in a path. Chains in use have at most 5.
	maxDepth = 12
	// maxPaths is the largest number of paths that are compared. Cross-signed CAs have few.
	maxPaths = 64
	// maxVisits is the largest number of certificates that a search visits. A server that sends 8
	// certificates of each of 11 CAs makes 8^11 paths.
	maxVisits = 5000
)

// path is a sequence of certificates, each signed by the next one. The first one is the server's.
type path []*node

func (p path) last() *node { return p[len(p)-1] }

// search looks for paths from a certificate to trusted ones. It follows names and signatures, and
// disregards everything else, so that what is wrong with a path can be reported.
type search struct {
	pool *pool
	// known includes certificates that are only known elsewhere.
	known bool
	// complete are the paths that end at a trusted certificate.
	complete []path
	// longest is the longest path that ends at a certificate whose issuer is missing.
	longest path
	visits  int
}

// from searches all paths that begin with the given one.
func (s *search) from(p path) {
	s.visits++
	last := p.last()
	if last.trusted {
		s.complete = append(s.complete, slices.Clone(p))
		return
	}
	isEnd := true
	for _, candidate := range s.pool.bySubject[string(last.cert.RawIssuer)] {
		if len(s.complete) >= maxPaths || len(p) >= maxDepth || s.visits >= maxVisits {
			break
		}
		if s.isUsable(p, candidate) && s.pool.isSigned(last, candidate) {
			isEnd = false
			s.from(append(slices.Clip(p), candidate))
		}
	}
	if isEnd && len(p) > len(s.longest) {
		s.longest = slices.Clone(p)
	}
}

func (s *search) isUsable(p path, candidate *node) bool {
	if candidate.sent == 0 && !candidate.trusted && !s.known {
		return false
	}
	return !slices.ContainsFunc(p, func(n *node) bool { return isSameCA(n.cert, candidate.cert) })
}
