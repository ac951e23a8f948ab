package verify

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"trust-manager.io/internal/text"
)

// explainMissing reports which CA is missing after a path that does not reach a trusted
// certificate, and what else is wrong with the path.
func (d *diagnosis) explainMissing(reached path) {
	s := search{pool: d.pool, known: true}
	s.from(reached)
	if len(s.complete) > 0 {
		full := slices.MinFunc(s.complete, func(a, b path) int { return len(a) - len(b) })
		d.listMissing(full, len(reached))
		d.faultIntermediates(true)
		d.checkPath(full)
		return
	}
	full := reached
	if len(s.longest) > len(reached) {
		full = s.longest
	}
	tail := reached.last()
	isOwnIssuer := d.pool.isSelfSigned(full.last())
	if isOwnIssuer && len(full) == 1 {
		d.result.Missing = append(d.result.Missing, d.missing(tail, tail))
		d.fault(SelfSigned, tail, "the certificate of the server is self-signed and not trusted; issue it from a trusted CA, or add it to the sources of the bundle"+
			d.result.Missing[0].sameNameTrusted()+d.result.Missing[0].whereKnown(len(d.Known) > 0))
		d.checkPath(reached)
		return
	}
	if isOwnIssuer && len(full) == len(reached) {
		d.result.Missing = append(d.result.Missing, d.missing(tail, tail))
	} else {
		d.listMissing(full, len(reached))
		if !isOwnIssuer {
			d.result.Missing = append(d.result.Missing, d.missing(full.last(), nil))
		}
	}
	d.faultAuthority(reached)
	d.faultIntermediates(false)
	d.checkPath(reached)
}

// listMissing adds the certificates of a path, from the given one on, that are neither sent by the
// server nor trusted. A root that is sent is missing too.
func (d *diagnosis) listMissing(p path, start int) {
	for i := start; i < len(p); i++ {
		if !p[i].trusted && (p[i].sent == 0 || d.pool.isSelfSigned(p[i])) {
			d.result.Missing = append(d.result.Missing, d.missing(p[i-1], p[i]))
		}
	}
}

// missing returns the CA that has issued a certificate. Its own certificate is nil if it is not
// known.
func (d *diagnosis) missing(child, ca *node) MissingCA {
	m := MissingCA{
		Subject: displayName(child.cert.RawIssuer), KeyID: hex.EncodeToString(child.cert.AuthorityKeyId),
		URLs: issuerURLs(child.cert),
	}
	if ca != child {
		m.RequiredBy = child.subject()
	}
	if ca != nil {
		m.KeyID = hex.EncodeToString(ca.cert.SubjectKeyId)
		m.Issuer, m.SHA256, m.Role = displayName(ca.cert.RawIssuer), ca.sha256(), Intermediate
		if d.pool.isSelfSigned(ca) {
			m.Role = Root
		}
	}
	for _, n := range d.pool.nodes {
		switch {
		case !d.pool.isSameName(n.cert.RawSubject, child.cert.RawIssuer):
		case n == ca, ca != nil && isSameCA(n.cert, ca.cert), ca == nil && d.pool.isSigned(child, n):
			m.Known = append(m.Known, n.locations()...)
		default:
			m.SameName = append(m.SameName, n.locations()...)
		}
	}
	for _, odd := range d.pool.odd {
		if isOddIssuer(child, &odd) {
			if m.Role == "" && odd.cert.SelfIssued {
				m.Role, m.Issuer, m.SHA256 = Root, m.Subject, odd.cert.SHA256()
			}
			m.Known = append(m.Known, Location{
				Place:  orTrusted(odd.place) + " (unusable in Go: " + odd.cert.Nonconforming + ")",
				Remedy: odd.remedy, Trusted: odd.trusted, SHA256: odd.cert.SHA256(), NotAfter: odd.cert.NotAfter,
			})
		}
	}
	return m
}

// isOddIssuer reports whether a certificate that Go's parser refuses is the issuer of another one:
// by its name, and by its key if Go can read that.
func isOddIssuer(child *node, odd *oddNode) bool {
	if !bytes.Equal(odd.cert.RawSubject, child.cert.RawIssuer) {
		return false
	}
	key, err := x509.ParsePKIXPublicKey(odd.cert.RawPublicKey)
	return err != nil || isSignedWith(child.cert, &x509.Certificate{PublicKey: key})
}

// faultAuthority reports why the issuer of the last certificate that was reached, or the root
// above it, is not trusted.
func (d *diagnosis) faultAuthority(reached path) {
	if d.faultUnusable(reached.last()) {
		return
	}
	m := d.result.Missing[len(d.result.Missing)-1]
	if m.Role == "" && m.RequiredBy == reached.last().subject() && len(reached) == 1 {
		if other := d.unreachable(reached); other != nil {
			d.result.ServerForgot = Yes
			d.fault(MissingIntermediate, reached[0], fmt.Sprintf("the server does not send %s, the issuer of its certificate, but sends %q, which has not issued it; "+
				"configure the server with the whole chain%s", m.name(), other.subject(), m.from())+m.sameNameTrusted()+m.whereKnown(len(d.Known) > 0))
			return
		}
		if m.sameNameTrusted() == "" {
			d.result.ServerForgot = Possibly
		}
	}
	detail := m.name() + ", the issuer of " + strconv.Quote(m.RequiredBy) + ", is neither sent by the server nor trusted"
	switch {
	case m.RequiredBy == "" || d.isSent(m.SHA256):
		detail = m.name() + ", which the server sends at the end of its chain, is not trusted"
	case m.Role == Root:
		detail = m.name() + ", the issuer of " + strconv.Quote(m.RequiredBy) + ", is not trusted"
	}
	detail += m.sameNameTrusted() + m.whereKnown(len(d.Known) > 0) + "; " + m.remedy()
	if d.result.ServerForgot == Possibly {
		detail += ", or if it is an intermediate, configure the server to send it" + m.from()
	}
	d.result.Faults = append(d.result.Faults, Fault{Cause: UnknownAuthority, Detail: detail, Subject: m.Subject, SHA256: m.SHA256})
}

// faultUnusable reports an issuer that is trusted or sent, but cannot be used.
func (d *diagnosis) faultUnusable(tail *node) (ok bool) {
	for _, odd := range d.pool.odd {
		if odd.trusted && isOddIssuer(tail, &odd) {
			d.fault(Nonconforming, tail, fmt.Sprintf("the bundle has the CA %q, the issuer of %q, but Go cannot use it: %s. OpenSSL and Java may accept it; replace it by a certificate that conforms to RFC 5280",
				displayName(tail.cert.RawIssuer), tail.subject(), odd.cert.Nonconforming))
			return true
		}
	}
	for _, n := range d.pool.nodes {
		if !n.trusted && n.sent == 0 || n == tail || !d.pool.isSameName(n.cert.RawSubject, tail.cert.RawIssuer) {
			continue
		}
		isEqual, isSigned := bytes.Equal(n.cert.RawSubject, tail.cert.RawIssuer), d.pool.isSigned(tail, n)
		switch keyID := n.cert.SubjectKeyId; {
		case !isEqual && isSigned:
			d.fault(NameEncoding, tail, fmt.Sprintf("%q has issued %q, but its name is encoded differently there, and Go compares the bytes. OpenSSL and Java accept it; issue the certificate again with the name as it is in that of the CA",
				n.subject(), tail.subject()))
			return true
		case isEqual && !isSigned && len(keyID) > 0 && bytes.Equal(keyID, tail.cert.AuthorityKeyId) && !d.pool.isSelfSigned(tail):
			d.fault(InvalidSignature, tail, fmt.Sprintf("%q names %q (key id %x) as its issuer, but is not signed with its key: one of the two is damaged or forged; issue it again",
				tail.subject(), n.subject(), keyID))
			return true
		}
	}
	return false
}

// faultIntermediates reports the first missing CA that is known to be an intermediate: the server
// should send it.
func (d *diagnosis) faultIntermediates(isOnlyFault bool) {
	for _, m := range d.result.Missing {
		if m.Role != Intermediate {
			continue
		}
		d.result.ServerForgot = Yes
		detail := "the server does not send the intermediate " + strings.TrimPrefix(m.name(), "the CA ") + ", the issuer of " + strconv.Quote(m.RequiredBy) +
			"; configure the server to send it" + m.from() + m.whereKnown(len(d.Known) > 0) + m.sameNameTrusted()
		if isOnlyFault {
			detail += "; the bundle trusts a CA above it"
		}
		d.result.Faults = append(d.result.Faults, Fault{Cause: MissingIntermediate, Detail: detail, Subject: m.Subject, SHA256: m.SHA256})
		return
	}
}

// unreachable returns a CA that the server sends although it is not in the path, or nil.
func (d *diagnosis) unreachable(p path) *node {
	for _, n := range d.sent {
		if n.cert.IsCA && !slices.Contains(p, n) && !d.pool.isSameName(n.cert.RawSubject, p.last().cert.RawIssuer) {
			return n
		}
	}
	return nil
}

func (d *diagnosis) isSent(sha256 string) bool {
	return slices.ContainsFunc(d.sent, func(n *node) bool { return n.sha256() == sha256 })
}

// issuerURLs returns where the certificate of an issuer is published. They come from the server.
func issuerURLs(cert *x509.Certificate) (urls []string) {
	const limit = 4
	for _, url := range cert.IssuingCertificateURL[:min(limit, len(cert.IssuingCertificateURL))] {
		urls = append(urls, printable(url))
	}
	return urls
}

// name returns the CA for messages.
func (m *MissingCA) name() string {
	if m.KeyID == "" {
		return fmt.Sprintf("the CA %q", m.Subject)
	}
	return fmt.Sprintf("the CA %q (key id %s)", m.Subject, text.Truncate(m.KeyID, maxKeyID))
}

// remedy returns what makes the CA trusted. A place that has a remedy of its own, such as an
// exclusion, is the reason why the sources do not suffice.
func (m *MissingCA) remedy() string {
	for _, location := range m.Known {
		if location.Remedy != "" {
			return location.Remedy
		}
	}
	return "add it to the sources of the bundle"
}

// maxKeyID is the largest number of characters of a key identifier in a message: 32 bytes. Those
// of RFC 5280 have 20.
const maxKeyID = 64

// from returns where the certificate of the CA is published, as an end of a sentence.
func (m *MissingCA) from() string {
	if len(m.URLs) == 0 {
		return ""
	}
	return " (published at " + m.URLs[0] + ")"
}

// whereKnown returns where the CA is known, as an end of a sentence; nothing if no other place
// has been searched.
func (m *MissingCA) whereKnown(isSearched bool) string {
	const limit = 5
	switch {
	case len(m.Known) == 0 && isSearched:
		return "; it is not known elsewhere"
	case len(m.Known) == 0:
		return ""
	}
	var places []string
	for _, location := range m.Known[:min(limit, len(m.Known))] {
		places = append(places, location.Place)
	}
	more := ""
	if len(m.Known) > limit {
		more = fmt.Sprintf(" and %d more", len(m.Known)-limit)
	}
	return "; it is known: " + strings.Join(places, ", ") + more
}

// sameNameTrusted returns that a CA of the same name is trusted, as an end of a sentence.
func (m *MissingCA) sameNameTrusted() string {
	for _, location := range m.SameName {
		if location.Trusted {
			return fmt.Sprintf("; a CA of the same name and another key is trusted (key id %s, %s), as after a rotation",
				text.Truncate(location.KeyID, maxKeyID), location.Place)
		}
	}
	return ""
}
