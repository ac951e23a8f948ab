package verify

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/text"
)

// Place is a certificate that is not trusted, but known elsewhere.
type Place struct {
	Certificate certs.Certificate
	// Description is where it is, for example "Bundle other", or
	// "excluded by spec.exclude[0] of Bundle example".
	Description string
	// Remedy is what makes it trusted, for example "remove spec.exclude[0] of Bundle example". If it
	// is empty, adding it to the sources of the bundle does.
	Remedy string
}

// Input is what a verification is about.
type Input struct {
	// Chain are the certificates that the server sends, in DER and in its order; its own is the
	// first one.
	Chain [][]byte
	// Unreadable is the error of a TLS library that has refused to read the certificates; then
	// there is no Chain.
	Unreadable error
	// Handshake is why the handshake failed after the server had sent the Chain; nil if it did not.
	Handshake error
	// Trusted are the trusted certificates.
	Trusted []certs.Certificate
	// Known are certificates elsewhere, in which a missing CA is looked up.
	Known []Place
	// ServerName is the DNS name or IP address of the server. If it is empty, no name is checked.
	ServerName string
	// Time is the time at which certificates have to be valid.
	Time time.Time
}

// diagnosis is an [Input] in a form in which it can be searched, and the result so far.
type diagnosis struct {
	Input
	pool   *pool
	sent   []*node
	result Result
}

// Verify reports whether the trusted certificates verify a chain, and if not, why: it
//
//  1. parses the certificates,
//  2. asks crypto/x509 for verified chains,
//  3. finds the path that comes closest to a trusted certificate,
//  4. reports what is wrong with it, and which CA it lacks.
func Verify(in Input) Result {
	d := &diagnosis{Input: in, pool: newPool(), result: Result{ServerName: in.ServerName}}
	if d.parse() {
		chains, err := d.verify()
		d.explain(err)
		d.checkHandshake()
		if len(d.result.Faults) == 0 {
			d.accept(chains)
		}
	}
	if !d.result.Trusted {
		d.result.Cause, d.result.Detail = d.result.Faults[0].Cause, d.result.Faults[0].Detail
	}
	return d.result
}

func (d *diagnosis) fault(cause Cause, n *node, detail string) {
	fault := Fault{Cause: cause, Detail: detail}
	if n != nil {
		fault.Subject, fault.SHA256 = n.subject(), n.sha256()
	}
	d.result.Faults = append(d.result.Faults, fault)
}

func (d *diagnosis) note(format string, args ...any) {
	d.result.Notes = append(d.result.Notes, fmt.Sprintf(format, args...))
}

// parse fills the pool. It returns false if the chain of the server cannot be read.
func (d *diagnosis) parse() (ok bool) {
	if d.Unreadable != nil {
		d.fault(Malformed, nil, "a certificate that the server sends cannot be read by Go, which refuses the connection: "+
			printable(d.Unreadable.Error())+"; replace the certificate. OpenSSL and Java may accept it")
		return false
	}
	if len(d.Chain) == 0 {
		d.fault(NoCertificate, nil, "the server sends no certificate; configure one with its chain")
		return false
	}
	for i, der := range d.Chain {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			d.fault(Malformed, nil, fmt.Sprintf("certificate %d of the chain of the server cannot be read by Go, which refuses the connection: %s; "+
				"replace the certificate. OpenSSL and Java may accept it", i+1, printable(err.Error())))
			continue
		}
		n := d.pool.add(cert)
		d.sent = append(d.sent, n)
		n.sent = cmp.Or(n.sent, i+1)
		d.result.Sent = append(d.result.Sent, n.identity())
	}
	for i := range d.Trusted {
		d.pool.addTrusted(&d.Trusted[i])
	}
	for i := range d.Known {
		d.pool.addKnown(&d.Known[i])
	}
	return len(d.result.Faults) == 0
}

// verify returns the chains that crypto/x509 verifies.
func (d *diagnosis) verify() ([][]*x509.Certificate, error) {
	options := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(),
		DNSName: d.ServerName, CurrentTime: d.Time,
	}
	for _, n := range d.pool.nodes {
		if n.trusted {
			options.Roots.AddCert(n.cert)
		}
		if n.sent > 1 {
			options.Intermediates.AddCert(n.cert)
		}
	}
	return d.sent[0].cert.Verify(options)
}

// explain reports the faults of a chain, given the verdict of crypto/x509.
func (d *diagnosis) explain(verdict error) {
	leaf := path{d.sent[0]}
	if verdict == nil {
		// crypto/x509 does not use the key of the server, and crypto/tls does.
		d.checkKey(leaf, 0)
		return
	}
	s := search{pool: d.pool}
	s.from(leaf)
	if len(s.complete) > 0 {
		d.explainComplete(s.complete)
	} else {
		d.explainMissing(s.longest)
	}
	d.checkName()
	if len(d.result.Faults) == 0 {
		d.fault(Rejected, leaf[0], "Go rejects the chain: "+printable(verdict.Error()))
	}
}

// checkHandshake reports a handshake that failed. Certificates are public: only a handshake proves
// that the server holds the private key.
func (d *diagnosis) checkHandshake() {
	if d.Handshake != nil {
		d.fault(Handshake, d.sent[0], "the TLS handshake failed after the server had sent its certificates, so it has not proven that it holds the private key: "+
			printable(d.Handshake.Error())+"; check the private key and the TLS settings of the server, and that no other server answers at its address")
	}
}

// explainComplete reports the faults of the path with the fewest.
func (d *diagnosis) explainComplete(paths []path) {
	var best *diagnosis
	for _, p := range paths {
		attempt := &diagnosis{Input: d.Input, pool: d.pool}
		attempt.checkPath(p)
		if best == nil || len(attempt.result.Faults) < len(best.result.Faults) {
			best = attempt
		}
	}
	d.result.Faults, d.result.Missing = best.result.Faults, best.result.Missing
}

// printable returns a foreign text for a message.
func printable(message string) string {
	const limit = 300
	return text.Truncate(text.Printable(message), limit)
}

// within reports whether the time is in the validity of all certificates of a path, and otherwise
// returns a time that is, if one exists.
func (d *diagnosis) within(p path) (at time.Time, ok bool) {
	from := slices.MaxFunc(p, func(a, b *node) int { return a.cert.NotBefore.Compare(b.cert.NotBefore) }).cert.NotBefore
	to := slices.MinFunc(p, func(a, b *node) int { return a.cert.NotAfter.Compare(b.cert.NotAfter) }).cert.NotAfter
	switch {
	case from.After(to):
		return at, false
	case d.Time.Before(from) || d.Time.After(to):
		return from, true
	}
	return d.Time, true
}
