package verify

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"strings"

	"trust-manager.io/internal/certs"
)

// The RSA keys with which Go verifies signatures. It refuses shorter ones (crypto/rsa), and would
// take minutes for much longer ones.
const (
	minRSABits = 1024
	maxRSABits = 16384
)

// node is a certificate with all places where it is.
type node struct {
	cert *x509.Certificate
	// sent is its number in the chain of the server, from 1; 0 if it was not sent.
	sent    int
	trusted bool
	// origin is where it comes from if it is trusted.
	origin string
	// places are where it is known.
	places []*Place
}

// oddNode is a certificate that Go's parser refuses.
type oddNode struct {
	cert    certs.Certificate
	trusted bool
	// place and remedy are like those of a [Location].
	place, remedy string
}

// pool holds every certificate once, however often it is sent, trusted or known.
type pool struct {
	nodes     []*node
	bySubject map[string][]*node
	byDER     map[string]*node
	odd       []oddNode
	// checks counts signature checks.
	checks int
	signed map[[2]*node]bool
	// names are Names in a form that does not depend on their encoding.
	names map[string]string
}

func newPool() *pool {
	return &pool{bySubject: map[string][]*node{}, byDER: map[string]*node{}, signed: map[[2]*node]bool{}, names: map[string]string{}}
}

// add returns the node of a certificate.
func (p *pool) add(cert *x509.Certificate) *node {
	n, ok := p.byDER[string(cert.Raw)]
	if !ok {
		n = &node{cert: cert}
		p.byDER[string(cert.Raw)] = n
		p.bySubject[string(cert.RawSubject)] = append(p.bySubject[string(cert.RawSubject)], n)
		p.nodes = append(p.nodes, n)
	}
	return n
}

func (p *pool) addTrusted(c *certs.Certificate) {
	parsed, err := x509.ParseCertificate(c.DER)
	if err != nil {
		p.odd = append(p.odd, oddNode{cert: *c, trusted: true, place: c.Origin.String()})
		return
	}
	n := p.add(parsed)
	if !n.trusted {
		n.trusted, n.origin = true, c.Origin.String()
	}
}

func (p *pool) addKnown(place *Place) {
	parsed, err := x509.ParseCertificate(place.Certificate.DER)
	if err != nil {
		p.odd = append(p.odd, oddNode{cert: place.Certificate, place: place.Description, remedy: place.Remedy})
		return
	}
	n := p.add(parsed)
	n.places = append(n.places, place)
}

// maxChecks is the largest number of signatures that a diagnosis checks. Go itself checks 100 for a
// chain; a server may send hundreds of certificates with the same name.
const maxChecks = 1000

// isSigned reports whether a certificate is signed with the key of a parent. If Go cannot verify
// the signature, the key identifiers decide.
func (p *pool) isSigned(child, parent *node) bool {
	pair := [2]*node{child, parent}
	signed, ok := p.signed[pair]
	if !ok && p.checks < maxChecks {
		p.checks++
		signed = isSignedWith(child.cert, parent.cert)
		p.signed[pair] = signed
	}
	return signed
}

func isSignedWith(child, parent *x509.Certificate) bool {
	if bits := rsaBits(parent); bits > 0 && (bits < minRSABits || bits > maxRSABits) {
		return keyIDsAgree(child, parent)
	}
	err := parent.CheckSignature(child.SignatureAlgorithm, child.RawTBSCertificate, child.Signature)
	if isUnverifiable(err) {
		return keyIDsAgree(child, parent)
	}
	return err == nil
}

func isUnverifiable(err error) bool {
	var insecure x509.InsecureAlgorithmError
	return errors.Is(err, x509.ErrUnsupportedAlgorithm) || errors.As(err, &insecure)
}

func keyIDsAgree(child, parent *x509.Certificate) bool {
	return len(child.AuthorityKeyId) == 0 || len(parent.SubjectKeyId) == 0 || bytes.Equal(child.AuthorityKeyId, parent.SubjectKeyId)
}

// rsaBits returns the length of an RSA key, and 0 for keys of other types.
func rsaBits(cert *x509.Certificate) int {
	if key, ok := cert.PublicKey.(*rsa.PublicKey); ok {
		return key.N.BitLen()
	}
	return 0
}

// isSelfSigned reports whether a certificate is signed with its own key.
func (p *pool) isSelfSigned(n *node) bool {
	return bytes.Equal(n.cert.RawIssuer, n.cert.RawSubject) && p.isSigned(n, n)
}

// isSameCA reports whether two certificates have the same name and key, as a renewed or
// cross-signed CA has.
func isSameCA(a, b *x509.Certificate) bool {
	return bytes.Equal(a.RawSubject, b.RawSubject) && bytes.Equal(a.RawSubjectPublicKeyInfo, b.RawSubjectPublicKeyInfo)
}

// isSameName reports whether two Names are the same text, in whatever encoding.
func (p *pool) isSameName(a, b []byte) bool {
	return bytes.Equal(a, b) || p.name(a) == p.name(b)
}

// name returns a Name in a form that does not depend on its encoding.
func (p *pool) name(raw []byte) string {
	name, ok := p.names[string(raw)]
	if !ok {
		name = strings.ToLower((&certs.Certificate{RawSubject: raw}).Subject())
		p.names[string(raw)] = name
	}
	return name
}

// displayName returns a Name for users.
func displayName(raw []byte) string { return (&certs.Certificate{RawSubject: raw}).DisplaySubject() }

func (n *node) subject() string { return displayName(n.cert.RawSubject) }

func (n *node) sha256() string {
	sum := sha256.Sum256(n.cert.Raw)
	return hex.EncodeToString(sum[:])
}

// identity returns what identifies the certificate.
func (n *node) identity() Certificate {
	return Certificate{
		Subject: n.subject(), Issuer: displayName(n.cert.RawIssuer),
		KeyID: hex.EncodeToString(n.cert.SubjectKeyId), SHA256: n.sha256(),
		NotBefore: n.cert.NotBefore, NotAfter: n.cert.NotAfter,
	}
}

// locations returns where a certificate is known.
func (n *node) locations() (list []Location) {
	place := func(description, remedy string, trusted bool) {
		list = append(list, Location{
			Place: description, Remedy: remedy, Trusted: trusted, KeyID: hex.EncodeToString(n.cert.SubjectKeyId),
			SHA256: n.sha256(), NotAfter: n.cert.NotAfter,
		})
	}
	if n.trusted {
		place(orTrusted(n.origin), "", true)
	}
	for _, known := range n.places {
		place(known.Description, known.Remedy, false)
	}
	return list
}

func orTrusted(origin string) string {
	if origin == "" {
		return "trusted"
	}
	return origin
}
