package verify

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/text"
)

// checkPath reports the faults of a path. It checks what crypto/x509 checks, certificate by
// certificate, so that each fault has a certificate.
func (d *diagnosis) checkPath(p path) {
	for i := range p {
		d.checkValidity(p, i)
		d.checkKey(p, i)
		d.checkUsage(p, i)
		if i > 0 {
			d.checkIssuer(p, i)
		}
	}
	if p.last().trusted {
		d.checkConstraints(p)
	}
}

// describe returns what a certificate of a path is, for messages.
func (p path) describe(i int) string {
	n := p[i]
	switch {
	case i == 0:
		return fmt.Sprintf("the certificate of the server (%q)", n.subject())
	case n.trusted && n.origin != "":
		return fmt.Sprintf("the trusted CA %q (%s)", n.subject(), n.origin)
	case n.trusted:
		return fmt.Sprintf("the trusted CA %q", n.subject())
	case n.sent > 0:
		return fmt.Sprintf("the CA %q, certificate %d of the chain of the server,", n.subject(), n.sent)
	}
	return fmt.Sprintf("the CA %q", n.subject())
}

// checkValidity reports a certificate that has expired or is not yet valid. A CA may have another,
// valid certificate with the same name and key.
func (d *diagnosis) checkValidity(p path, i int) {
	n, cause := p[i], Expired
	var what string
	switch {
	case d.Time.After(n.cert.NotAfter):
		what = " has expired on " + n.cert.NotAfter.UTC().Format(time.DateTime) + " UTC"
	case d.Time.Before(n.cert.NotBefore):
		cause, what = NotYetValid, " is not valid before "+n.cert.NotBefore.UTC().Format(time.DateTime)+" UTC"
	default:
		return
	}
	detail := p.describe(i) + what
	switch {
	case i == 0 && cause == NotYetValid:
		detail += "; check the clocks of the server and of this machine"
	case i == 0:
		detail += "; renew it"
	case n.trusted:
		detail += "; replace it in the sources of the bundle. Go and OpenSSL check the validity of a trust anchor, Java does not"
	default:
		detail += "; the server must send a valid one"
	}
	if i > 0 {
		missing := d.missing(p[i-1], n)
		missing.Known = slices.DeleteFunc(missing.Known, func(l Location) bool { return l.SHA256 == n.sha256() })
		d.result.Missing = append(d.result.Missing, missing)
		if where := missing.whereKnown(false); where != "" {
			detail += "; another certificate of this CA" + strings.TrimPrefix(where, "; it")
		} else if len(d.Known) > 0 {
			detail += "; no other certificate of this CA is known"
		}
	}
	d.fault(cause, n, detail)
}

// checkKey reports a key that is too short, and critical extensions that Go does not support.
func (d *diagnosis) checkKey(p path, i int) {
	n := p[i]
	if bits := rsaBits(n.cert); bits > 0 && bits < minRSABits {
		d.fault(WeakKey, n, fmt.Sprintf("%s has an RSA key of %d bits, and clients require %d or more; replace it", p.describe(i), bits, minRSABits))
	}
	if ids := n.cert.UnhandledCriticalExtensions; len(ids) > 0 {
		var list []string
		for _, id := range ids {
			list = append(list, id.String())
		}
		d.fault(CriticalExtension, n, fmt.Sprintf("%s has a critical extension that Go does not support (%s); issue it without the extension",
			p.describe(i), printable(strings.Join(list, ", "))))
	}
}

// checkUsage reports a certificate whose extended key usage excludes TLS servers. Like most
// clients, Go applies that of a CA to all certificates below.
func (d *diagnosis) checkUsage(p path, i int) {
	cert := p[i].cert
	isServer := func(usage x509.ExtKeyUsage) bool {
		return usage == x509.ExtKeyUsageAny || usage == x509.ExtKeyUsageServerAuth
	}
	if len(cert.ExtKeyUsage)+len(cert.UnknownExtKeyUsage) > 0 && !slices.ContainsFunc(cert.ExtKeyUsage, isServer) {
		d.fault(ExtendedKeyUsage, p[i], p.describe(i)+" is not for TLS servers: its extended key usage does not include serverAuth; issue it with serverAuth")
	}
}

// checkIssuer reports why a certificate may not have signed the one before it in the path.
func (d *diagnosis) checkIssuer(p path, i int) {
	child, n := p[i-1], p[i]
	cert := n.cert
	isCA := cert.BasicConstraintsValid && cert.IsCA
	switch {
	case !isCA && (!n.trusted || cert.Version >= 3 || cert.BasicConstraintsValid):
		d.fault(NotACA, n, p.describe(i)+" is not a CA by its basic constraints, but has signed a certificate; issue it as a CA")
	case cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageCertSign == 0:
		d.fault(NotACA, n, p.describe(i)+" may not sign certificates: its key usage does not include keyCertSign; issue it with keyCertSign")
	}
	if cert.BasicConstraintsValid && cert.MaxPathLen >= 0 && i-1 > cert.MaxPathLen {
		d.fault(PathLength, n, fmt.Sprintf("%s allows %s below it (path length), but there are %d; issue the certificate of the server from a higher CA",
			p.describe(i), text.Count(cert.MaxPathLen, "CA"), i-1))
	}
	if certs.IsWeakSignature(child.cert.SignatureAlgorithm) {
		d.fault(WeakSignature, child, fmt.Sprintf("%s has a weak signature (%s), which Go does not accept; issue it with SHA-256",
			p.describe(i-1), child.cert.SignatureAlgorithm))
		return
	}
	err := cert.CheckSignature(child.cert.SignatureAlgorithm, child.cert.RawTBSCertificate, child.cert.Signature)
	if errors.Is(err, x509.ErrUnsupportedAlgorithm) || rsaBits(cert) > maxRSABits {
		d.fault(UnsupportedAlgorithm, child, p.describe(i-1)+" is signed with an algorithm or key that Go does not support; issue it with RSA, ECDSA or Ed25519")
	}
}

// checkConstraints reports a name that a CA of the path may not issue certificates for. It asks
// crypto/x509 about this path alone, at a time at which all its certificates are valid.
func (d *diagnosis) checkConstraints(p path) {
	at, ok := d.within(p)
	if !ok {
		return
	}
	options := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(),
		CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}
	options.Roots.AddCert(p.last().cert)
	for _, n := range p[1:] {
		if !n.trusted {
			options.Intermediates.AddCert(n.cert)
		}
	}
	_, err := p[0].cert.Verify(options)
	var invalid x509.CertificateInvalidError
	if !errors.As(err, &invalid) {
		return
	}
	switch invalid.Reason {
	case x509.CANotAuthorizedForThisName, x509.UnconstrainedName, x509.TooManyConstraints:
		n, who := p.constrained()
		d.fault(NameConstraints, n, who+" does not permit a name in the certificate of the server (name constraints): "+
			printable(invalid.Detail)+"; use a name that it permits, or another CA")
	case x509.NoValidChains:
		d.fault(Rejected, p[0], "Go rejects the chain: "+printable(err.Error()))
	default: // the other checks report it
	}
}

// constrained returns the certificate of a path that has name constraints, and its description. If
// there are several, the description has all of them.
func (p path) constrained() (last *node, who string) {
	var list []string
	const nameConstraints = "2.5.29.30" // RFC 5280, 4.2.1.10
	for i, n := range p {
		if slices.ContainsFunc(n.cert.Extensions, func(e pkix.Extension) bool { return e.Id.String() == nameConstraints }) {
			last, list = n, append(list, p.describe(i))
		}
	}
	return last, strings.Join(list, " or ")
}

// checkName reports a certificate of the server that is for other names.
func (d *diagnosis) checkName() {
	leaf := d.sent[0]
	if d.ServerName == "" || leaf.cert.VerifyHostname(d.ServerName) == nil {
		return
	}
	const maxNames = 10
	names := slices.Clone(leaf.cert.DNSNames)
	for _, address := range leaf.cert.IPAddresses {
		names = append(names, address.String())
	}
	detail := fmt.Sprintf("the certificate of the server is not for %q", d.ServerName)
	switch {
	case len(names) == 0:
		detail += ", since it has no subject alternative name; the common name does not count. Issue it with the name"
	case net.ParseIP(strings.Trim(d.ServerName, "[]")) != nil && len(leaf.cert.IPAddresses) == 0:
		detail += ", but for " + listNames(names, maxNames) + " and for no IP address; issue it with the address, or use one of its names"
	default:
		detail += ", but for " + listNames(names, maxNames) + "; issue it with the name, or use one of these"
	}
	d.fault(WrongName, leaf, detail)
}

// listNames returns the first names of a list, for a message.
func listNames(names []string, limit int) string {
	more := ""
	if len(names) > limit {
		names, more = names[:limit], fmt.Sprintf(" and %d more", len(names)-limit)
	}
	return printable(strings.Join(names, ", ")) + more
}
