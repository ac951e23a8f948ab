package verify

import (
	"crypto/x509"
	"fmt"
	"slices"
)

// accept reports a chain that crypto/x509 has verified, and what other clients or the server may
// do better.
func (d *diagnosis) accept(verified [][]*x509.Certificate) {
	d.result.Trusted = true
	var paths []path
	for _, chain := range verified {
		var p path
		var identities []Certificate
		for _, cert := range chain {
			n := d.pool.add(cert)
			p, identities = append(p, n), append(identities, n.identity())
		}
		paths = append(paths, p)
		d.result.Chains = append(d.result.Chains, identities)
	}
	anchor := paths[0].last()
	d.result.Detail = fmt.Sprintf("the chain ends at the trusted certificate %q", anchor.subject())
	if anchor.origin != "" {
		d.result.Detail += " (" + anchor.origin + ")"
	}
	d.noteAnchor(paths)
	d.noteOrder(paths)
	d.noteUnused(paths)
}

// noteAnchor reports trust anchors that are not roots: not all clients accept them, and an
// intermediate that the server does not send is missing with other bundles.
func (d *diagnosis) noteAnchor(paths []path) {
	if slices.ContainsFunc(paths, func(p path) bool { return d.pool.isSelfSigned(p.last()) }) {
		return
	}
	anchor := paths[0].last()
	if len(paths[0]) == 1 {
		d.note("the certificate of the server itself is trusted, not a CA that issued it; Go accepts this, OpenSSL only with -partial_chain, and it must be replaced with each renewal")
		return
	}
	if !slices.ContainsFunc(paths, func(p path) bool { return p.last().sent > 0 }) {
		d.result.ServerForgot = Yes
		m := d.missing(paths[0][len(paths[0])-2], anchor)
		d.note("the server does not send the intermediate %q (key id %s); it is trusted here only because the bundle has that intermediate. Configure the server to send it%s",
			m.Subject, m.KeyID, m.from())
	}
	if !d.hasIssuer(anchor) {
		d.note("the trust anchor %q is an intermediate, and no root above it is trusted; Go accepts this, OpenSSL only with -partial_chain", anchor.subject())
	}
}

// hasIssuer reports whether a path leads from a certificate, which is trusted, to a trusted root.
func (d *diagnosis) hasIssuer(n *node) bool {
	for p := (path{n}); len(p) < maxDepth; {
		last := p.last()
		at := slices.IndexFunc(d.pool.bySubject[string(last.cert.RawIssuer)], func(c *node) bool {
			return c.trusted && !slices.Contains(p, c) && d.pool.isSigned(last, c)
		})
		if at < 0 {
			return len(p) > 1 && d.pool.isSelfSigned(last)
		}
		p = append(p, d.pool.bySubject[string(last.cert.RawIssuer)][at])
	}
	return false
}

// noteOrder reports a chain that the server sends in another order than that of the path.
func (d *diagnosis) noteOrder(paths []path) {
	isOrdered := func(p path) bool {
		sent := 0
		for _, n := range p {
			if n.sent == 0 {
				continue
			}
			if n.sent < sent {
				return false
			}
			sent = n.sent
		}
		return true
	}
	if !slices.ContainsFunc(paths, isOrdered) {
		d.note("the server sends its chain in the wrong order; Go accepts this, other clients may not (RFC 5246, 7.4.2). Sort it: each certificate is followed by its issuer")
	}
}

// noteUnused reports certificates that the server sends for no purpose, and expired ones: some
// clients try no other path.
func (d *diagnosis) noteUnused(paths []path) {
	for _, n := range d.sent {
		isUsed := slices.ContainsFunc(paths, func(p path) bool { return slices.Contains(p, n) })
		isExpired := d.Time.After(n.cert.NotAfter)
		switch {
		case isUsed || n.sent == 1:
		case isExpired:
			d.note("the server sends %q, which has expired; Go finds a path without it, other clients may not. Remove it from the chain", n.subject())
		case !d.isIssuer(n):
			d.note("the server sends %q, which is not a part of its chain; remove it", n.subject())
		}
	}
}

// isIssuer reports whether a certificate has issued another one that the server sends.
func (d *diagnosis) isIssuer(n *node) bool {
	return slices.ContainsFunc(d.sent, func(child *node) bool {
		return child != n && slices.Contains(d.pool.bySubject[string(child.cert.RawIssuer)], n)
	})
}
