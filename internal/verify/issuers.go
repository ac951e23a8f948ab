package verify

import (
	"cmp"
	"crypto/x509"
	"slices"
	"time"

	"trust-manager.io/internal/certs"
)

// maxIssuerChecks is the largest number of signatures that are checked for one chain.
const maxIssuerChecks = 500

// Issuers follows chains to a CA by names and signatures only. It disregards what a client decides for
// itself and may decide differently: validity, key usage, the strength of algorithms, constraints and
// critical extensions.
//
// It is not safe for concurrent use.
type Issuers struct {
	ca        *issuer
	pool      *pool
	bySubject map[string][]*issuer
	byDER     map[string]*issuer
	// signed caches the signatures of certificates in byDER.
	signed map[[2]*issuer]bool
}

// issuer is a certificate that may have issued others.
type issuer struct {
	cert *x509.Certificate
	// isOpaque reports that Go's parser refuses the certificate, so that its own issuer is unknown.
	isOpaque bool
	isRoot   bool
}

// Ancestry is what the issuers of a chain are.
type Ancestry struct {
	// IsIssued reports whether the CA has issued the chain, directly or through others, or is its
	// first certificate. Other certificates with the name and key of the CA count as well.
	IsIssued bool
	// IsComplete reports whether all of the search was possible, and led to a self-signed certificate.
	// Otherwise, the CA may have issued the chain although IsIssued is false.
	IsComplete bool
	// Missing is the name of an issuer that is not known. It is empty if the chain is complete, or if
	// Go's parser refuses the certificate that names the issuer.
	Missing string
}

// NewIssuers returns Issuers that search a CA, and know other certificates.
func NewIssuers(ca certs.Certificate, known []certs.Certificate) *Issuers {
	i := &Issuers{pool: newPool(), bySubject: map[string][]*issuer{}, byDER: map[string]*issuer{}, signed: map[[2]*issuer]bool{}}
	i.ca = i.add(&ca)
	for at := range known {
		if len(known[at].DER) > 0 { // of some certificates, only the fingerprint is known
			i.add(&known[at])
		}
	}
	return i
}

// add adds a certificate once.
func (i *Issuers) add(c *certs.Certificate) *issuer {
	n, ok := i.byDER[string(c.DER)]
	if !ok {
		n = newIssuer(c)
		i.byDER[string(c.DER)] = n
		name := i.pool.name(n.cert.RawSubject)
		i.bySubject[name] = append(i.bySubject[name], n)
	}
	return n
}

func newIssuer(c *certs.Certificate) *issuer {
	if cert, err := x509.ParseCertificate(c.DER); err == nil {
		return &issuer{cert: cert, isRoot: c.SelfSigned()}
	}
	key, _ := x509.ParsePKIXPublicKey(c.RawPublicKey) // without a key, the names decide
	return &issuer{
		cert:     &x509.Certificate{Raw: c.DER, RawSubject: c.RawSubject, RawSubjectPublicKeyInfo: c.RawPublicKey, PublicKey: key},
		isOpaque: true, isRoot: c.SelfSigned(),
	}
}

// Trace follows a chain, in DER, whose own certificate is the first one. The others are known for
// this chain only.
func (i *Issuers) Trace(chain [][]byte) Ancestry {
	t := trace{issuers: i}
	for at, der := range chain {
		n := i.byDER[string(der)]
		if n == nil {
			parsed, err := certs.ParseDER(der)
			if at == 0 && (err != nil || len(parsed) != 1) {
				return Ancestry{}
			}
			if err != nil || len(parsed) != 1 {
				continue
			}
			n = newIssuer(&parsed[0])
		}
		t.sent = append(t.sent, n)
	}
	if len(t.sent) == 0 {
		return Ancestry{}
	}
	t.follow([]*issuer{t.sent[0]})
	t.found.IsComplete = t.found.IsComplete && !t.isCut
	if t.found.IsComplete {
		t.found.Missing = ""
	}
	return t.found
}

// trace is one run of [Issuers.Trace].
type trace struct {
	issuers        *Issuers
	sent           []*issuer
	found          Ancestry
	visits, checks int
	// isCut reports that a limit was reached.
	isCut bool
}

// follow visits the last certificate of a path, and its issuers.
func (t *trace) follow(p []*issuer) {
	t.visits++
	last := p[len(p)-1]
	switch {
	case isSameCA(last.cert, t.issuers.ca.cert):
		t.found.IsIssued = true
		return
	case last.isRoot:
		t.found.IsComplete = true
		return
	case last.isOpaque:
		return
	}
	isEnd := true
	for _, candidate := range t.candidates(last) {
		if t.found.IsIssued {
			return
		}
		if len(p) >= maxDepth || t.visits >= maxVisits {
			t.isCut = true
			break
		}
		isInPath := slices.ContainsFunc(p, func(n *issuer) bool { return isSameCA(n.cert, candidate.cert) })
		if !isInPath && t.isSigned(last, candidate) {
			isEnd = false
			t.follow(append(slices.Clip(p), candidate))
		}
	}
	if isEnd {
		t.found.Missing = cmp.Or(t.found.Missing, displayName(last.cert.RawIssuer))
	}
}

// candidates returns the certificates with the name of the issuer, each once.
func (t *trace) candidates(child *issuer) []*issuer {
	list := slices.Clone(t.issuers.bySubject[t.issuers.pool.name(child.cert.RawIssuer)])
	for _, n := range t.sent {
		if t.issuers.pool.isSameName(n.cert.RawSubject, child.cert.RawIssuer) && !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	return list
}

// isSigned reports whether a certificate is signed with the key of a parent.
func (t *trace) isSigned(child, parent *issuer) bool {
	pair := [2]*issuer{child, parent}
	signed, ok := t.issuers.signed[pair]
	if ok {
		return signed
	}
	if t.checks >= maxIssuerChecks {
		t.isCut = true
		return false
	}
	t.checks++
	signed = isSignedWith(child.cert, parent.cert)
	if t.issuers.byDER[string(child.cert.Raw)] == child && t.issuers.byDER[string(parent.cert.Raw)] == parent {
		t.issuers.signed[pair] = signed
	}
	return signed
}

// IsCovered reports whether a client that trusts a CA alone accepts a chain, for whatever name and
// purpose. Whether the first certificate is valid at that time does not matter: that is the same with
// every CA.
func IsCovered(chain [][]byte, ca certs.Certificate, at time.Time) bool {
	root, err := x509.ParseCertificate(ca.DER)
	if err != nil || len(chain) == 0 {
		return false
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return false
	}
	if isSameCA(leaf, root) { // a cross-signed certificate of the CA itself
		return true
	}
	switch {
	case at.Before(leaf.NotBefore):
		at = leaf.NotBefore
	case at.After(leaf.NotAfter):
		at = leaf.NotAfter
	}
	options := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	options.Roots.AddCert(root)
	for _, der := range chain[1:] {
		if cert, err := x509.ParseCertificate(der); err == nil {
			options.Intermediates.AddCert(cert)
		}
	}
	_, err = leaf.Verify(options)
	return err == nil
}
