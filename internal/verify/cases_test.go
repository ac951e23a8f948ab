package verify_test

import (
	"crypto/x509"

	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/verify"
	"trust-manager.io/test/framework/ca"
)

// serverCase is a server, a bundle, and what verify reports.
type serverCase struct {
	chain   []ca.Pair
	trusted []certs.Certificate
	known   []verify.Place
	// name is the server name, by default that of the certificates.
	name string
	// arguments are those of openssl s_server, and startTLS is a protocol before it.
	arguments []string
	startTLS  string
	// version is the one to be negotiated; empty for any.
	version string
	want    wish
}

// serverCases returns the cases of L5 that a server can present.
func serverCases() map[string]serverCase {
	cases := map[string]serverCase{}
	for _, group := range []func() map[string]serverCase{missingCases, anchorCases, knownCases, validityCases, crossCases, constraintCases, protocolCases} {
		for name, tc := range group() {
			cases[name] = tc
		}
	}
	return cases
}

func missingCases() map[string]serverCase {
	root, other := ca.New("Root"), ca.New("Other")
	middle := intermediate(root, "Middle")
	server := leaf(middle)
	return map[string]serverCase{
		"Trusted":               {chain: []ca.Pair{server, middle.Pair}, trusted: trust(other.Certificate, root.Certificate), want: wish{says: []string{`"CN=Root"`}}},
		"TrustedAsSentWithRoot": {chain: []ca.Pair{server, middle.Pair, root.Pair}, trusted: trust(root.Certificate)},
		"MissingRoot": {
			chain: []ca.Pair{server, middle.Pair}, trusted: trust(other.Certificate),
			want: wish{cause: verify.UnknownAuthority, missing: []string{"CN=Root"}, says: []string{`"CN=Root" (key id `, `issuer of "CN=Middle"`, "add it to the sources"}},
		},
		"MissingRootIsSent": {
			chain: []ca.Pair{server, middle.Pair, root.Pair}, trusted: trust(other.Certificate),
			want: wish{cause: verify.UnknownAuthority, missing: []string{"CN=Root"}, role: verify.Root, says: []string{"which the server sends at the end"}},
		},
		"EmptyBundle": {
			chain: []ca.Pair{server, middle.Pair}, known: in("Bundle other", other.Certificate),
			want: wish{cause: verify.UnknownAuthority, missing: []string{"CN=Root"}, says: []string{"not known elsewhere"}},
		},
		"MissingIntermediate": {
			chain: []ca.Pair{server}, trusted: trust(root.Certificate), known: in("Bundle other", middle.Certificate),
			want: wish{cause: verify.MissingIntermediate, missing: []string{"CN=Middle"}, known: "Bundle other", role: verify.Intermediate, forgot: verify.Yes,
				says: []string{"does not send the intermediate \"CN=Middle\"", "Bundle other", "the bundle trusts a CA above it"}},
		},
		"MissingIntermediateOfSentRoot": {
			chain: []ca.Pair{server, root.Pair}, trusted: trust(root.Certificate),
			want: wish{cause: verify.MissingIntermediate, missing: []string{"CN=Middle"}, forgot: verify.Yes, says: []string{`"CN=Middle"`, "whole chain"}},
		},
		"MissingIntermediateWithURL": {
			chain: []ca.Pair{leaf(middle, publishedAt("http://ca.example/middle.crt"))}, trusted: trust(root.Certificate),
			want: wish{cause: verify.UnknownAuthority, missing: []string{"CN=Middle"}, forgot: verify.Possibly,
				says: []string{`"CN=Middle"`, "if it is an intermediate", "http://ca.example/middle.crt"}},
		},
		"MissingIntermediateAndRoot": {
			chain: []ca.Pair{server}, trusted: trust(other.Certificate),
			known: append(in("Bundle both", middle.Certificate), in("default CA package example 1", root.Certificate)...),
			want: wish{cause: verify.UnknownAuthority, also: []verify.Cause{verify.MissingIntermediate}, missing: []string{"CN=Middle", "CN=Root"},
				known: "default CA package example 1", role: verify.Root, forgot: verify.Yes},
		},
	}
}

// anchorCases are about certificates that are trusted although they are no roots, and about
// certificates in excess.
func anchorCases() map[string]serverCase {
	root, other := ca.New("Root"), ca.New("Other")
	middle := intermediate(root, "Middle")
	server, old := leaf(middle), leaf(middle, past)
	self := ca.New(host, ca.NotCA, ca.ForHosts(host), func(template *x509.Certificate) {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	})
	return map[string]serverCase{
		"IntermediateOnlyInBundle": {
			chain: []ca.Pair{server}, trusted: trust(root.Certificate, middle.Certificate),
			want: wish{forgot: verify.Yes, notes: []string{`does not send the intermediate "CN=Middle"`}},
		},
		"IntermediateAsAnchor": {
			chain: []ca.Pair{server, middle.Pair}, trusted: trust(middle.Certificate),
			want: wish{notes: []string{"OpenSSL only with -partial_chain"}},
		},
		"SelfSigned": {
			chain: []ca.Pair{self.Pair}, trusted: trust(root.Certificate), known: in("Bundle other", self.Certificate),
			want: wish{cause: verify.SelfSigned, missing: []string{"CN=" + host}, known: "Bundle other", role: verify.Root},
		},
		"SelfSignedTrusted": {chain: []ca.Pair{self.Pair}, trusted: trust(self.Certificate)},
		"LeafTrusted": {
			chain: []ca.Pair{server}, trusted: trust(server.Certificate),
			want: wish{notes: []string{"the certificate of the server itself is trusted"}},
		},
		"LeafTrustedAndExpired": {
			chain: []ca.Pair{old}, trusted: trust(old.Certificate),
			want: wish{cause: verify.Expired, says: []string{"renew it"}},
		},
		"WrongOrder": {
			chain: []ca.Pair{server, root.Pair, middle.Pair}, trusted: trust(root.Certificate),
			want: wish{notes: []string{"wrong order"}},
		},
		"SuperfluousCertificate": {
			chain: []ca.Pair{server, middle.Pair, other.Pair}, trusted: trust(root.Certificate),
			want: wish{notes: []string{`"CN=Other", which is not a part of its chain`}},
		},
	}
}

// knownCases are about where a missing CA is.
func knownCases() map[string]serverCase {
	root, rotated, other := ca.New("Root"), ca.New("Root"), ca.New("Other")
	chain := []ca.Pair{leaf(root)}
	positive := ca.Fixed(negativeSerial)
	unknown := func(place string) wish {
		return wish{cause: verify.UnknownAuthority, missing: []string{"CN=Root"}, known: place, role: verify.Root, says: []string{place}}
	}
	missing := func(place string) serverCase {
		return serverCase{chain: chain, trusted: trust(other.Certificate), known: in(place, root.Certificate), want: unknown(place)}
	}
	excluded := in("excluded by spec.exclude[0] of Bundle example", root.Certificate)
	excluded[0].Remedy = "remove spec.exclude[0]"
	withKeyID := unknown("excluded by spec.exclude[1] of Bundle example")
	withKeyID.says = append(withKeyID.says, "a CA of the same name and another key is trusted")
	return map[string]serverCase{
		"KnownInAnotherBundle":  missing("Bundle other"),
		"KnownInDefaultPackage": missing("default CA package example 1.0"),
		"Excluded": {
			chain: chain, trusted: trust(other.Certificate), known: append(in("Bundle other", root.Certificate), excluded...),
			want: wish{cause: verify.UnknownAuthority, missing: []string{"CN=Root"}, known: excluded[0].Description, role: verify.Root,
				says: []string{"it is known: Bundle other, excluded by spec.exclude[0] of Bundle example; remove spec.exclude[0]"}},
		},
		"Dropped":                 missing("dropped by the filter of expired certificates of Bundle example"),
		"NoLongerRetained":        missing("no longer retained by Bundle example"),
		"Retained":                {chain: chain, trusted: trust(other.Certificate, root.Certificate)},
		"RotatedAndOldIsRetained": {chain: chain, trusted: trust(rotated.Certificate, root.Certificate)},
		"RotatedAndOldIsExcluded": {
			chain: chain, trusted: trust(rotated.Certificate), known: in("excluded by spec.exclude[1] of Bundle example", root.Certificate), want: withKeyID,
		},
		"RotatedAndOldIsUnknown": {
			chain: chain, trusted: trust(rotated.Certificate), known: in("Bundle other", rotated.Certificate),
			want: wish{cause: verify.UnknownAuthority, missing: []string{"CN=Root"},
				says: []string{"same name and another key", "not known elsewhere"}},
		},
		"Nonconforming": {
			chain: []ca.Pair{leaf(positive)}, trusted: trust(ca.NegativeSerial()),
			want: wish{cause: verify.Nonconforming, missing: []string{positiveSubject(positive)}, known: "block 1 (unusable in Go: its serial number is negative)", role: verify.Root,
				says: []string{"its serial number is negative"}},
		},
		"NonconformingElsewhere": {
			chain: []ca.Pair{leaf(positive)}, trusted: trust(other.Certificate), known: in("Bundle odd", ca.NegativeSerial()),
			want: wish{cause: verify.UnknownAuthority, missing: []string{positiveSubject(positive)}, role: verify.Root,
				known: "Bundle odd (unusable in Go: its serial number is negative)"},
		},
	}
}

func positiveSubject(authority ca.CA) string { return "CN=" + authority.X509().Subject.CommonName }

func validityCases() map[string]serverCase {
	root, other := ca.New("Root"), ca.New("Other")
	expired := ca.New("Expired", past)
	middle := intermediate(root, "Middle")
	oldMiddle := ca.CA{Pair: cross(root, middle, past)}
	leafName := ca.New("Root")
	return map[string]serverCase{
		"ExpiredLeaf": {
			chain: []ca.Pair{leaf(root, past)}, trusted: trust(root.Certificate),
			want: wish{cause: verify.Expired, says: []string{"the certificate of the server", "has expired on", "renew it"}},
		},
		"NotYetValidLeaf": {
			chain: []ca.Pair{leaf(root, future)}, trusted: trust(root.Certificate),
			want: wish{cause: verify.NotYetValid, says: []string{"is not valid before"}},
		},
		"ExpiredRoot": {
			chain: []ca.Pair{leaf(expired)}, trusted: trust(expired.Certificate), known: in("Bundle other", other.Certificate),
			want: wish{cause: verify.Expired, missing: []string{"CN=Expired"}, role: verify.Root, says: []string{`the trusted CA "CN=Expired" (block 1) has expired`, "Java does not", "no other certificate of this CA is known"}},
		},
		"ExpiredRootIsRenewed": {
			chain: []ca.Pair{leaf(expired)}, trusted: trust(expired.Certificate), known: in("Bundle renewed", renewed(expired).Certificate),
			want: wish{cause: verify.Expired, missing: []string{"CN=Expired"}, known: "Bundle renewed", role: verify.Root, says: []string{"another certificate of this CA is known: Bundle renewed"}},
		},
		"ExpiredIntermediate": {
			chain: []ca.Pair{leaf(middle), oldMiddle.Pair}, trusted: trust(root.Certificate), known: in("Bundle other", middle.Certificate),
			want: wish{cause: verify.Expired, missing: []string{"CN=Middle"}, known: "Bundle other", role: verify.Intermediate, says: []string{"certificate 2 of the chain", "must send a valid one"}},
		},
		"ExpiredLeafOfUnknownCA": {
			chain: []ca.Pair{leaf(root, past)}, trusted: trust(other.Certificate), known: in("Bundle other", root.Certificate),
			want: wish{cause: verify.UnknownAuthority, also: []verify.Cause{verify.Expired}, missing: []string{"CN=Root"}, known: "Bundle other", role: verify.Root},
		},
		"WrongName": {
			chain: []ca.Pair{leaf(root)}, trusted: trust(root.Certificate), name: "other.example",
			want: wish{cause: verify.WrongName, says: []string{`not for "other.example"`, host}},
		},
		"WrongAddress": {
			chain: []ca.Pair{leaf(root)}, trusted: trust(root.Certificate), name: "127.0.0.1",
			want: wish{cause: verify.WrongName, says: []string{"for no IP address"}},
		},
		"RightAddress": {chain: []ca.Pair{leaf(root, ca.ForHosts("127.0.0.1"))}, trusted: trust(root.Certificate), name: "127.0.0.1"},
		"WrongNameAndCA": {
			chain: []ca.Pair{leaf(leafName)}, trusted: trust(root.Certificate), name: "other.example",
			want: wish{cause: verify.UnknownAuthority, also: []verify.Cause{verify.WrongName}, missing: []string{"CN=Root"}},
		},
		"OnlyCommonName": {
			chain: []ca.Pair{root.Issue(ca.Named(host))}, trusted: trust(root.Certificate),
			want: wish{cause: verify.WrongName, says: []string{"no subject alternative name"}},
		},
	}
}

// crossCases are about a new root that an old one has cross-signed.
func crossCases() map[string]serverCase {
	oldRoot, newRoot, expired := ca.New("Old"), ca.New("New"), ca.New("Expired", past)
	server := leaf(newRoot)
	bridge, stale := cross(oldRoot, newRoot), cross(expired, newRoot, past)
	return map[string]serverCase{
		"CrossSignedTrustedByOld": {chain: []ca.Pair{server, bridge}, trusted: trust(oldRoot.Certificate)},
		"CrossSignedTrustedByNew": {chain: []ca.Pair{server, bridge}, trusted: trust(newRoot.Certificate),
			want: wish{}},
		"CrossSignedByExpired": {
			chain: []ca.Pair{server, stale}, trusted: trust(newRoot.Certificate, expired.Certificate),
			want: wish{notes: []string{"which has expired; Go finds a path without it"}},
		},
		"CrossSignedWithExpiredLeaf": {
			chain: []ca.Pair{leaf(newRoot, past), stale}, trusted: trust(expired.Certificate, newRoot.Certificate),
			want: wish{cause: verify.Expired, says: []string{"the certificate of the server"}},
		},
		"CrossSignedByUntrusted": {
			chain: []ca.Pair{server, bridge}, trusted: trust(expired.Certificate), known: in("Bundle other", oldRoot.Certificate),
			want: wish{cause: verify.UnknownAuthority, missing: []string{"CN=Old"}, known: "Bundle other", role: verify.Root},
		},
		"CrossSignedAndNotSent": {
			chain: []ca.Pair{server}, trusted: trust(oldRoot.Certificate), known: append(in("Bundle new", newRoot.Certificate), in("Bundle bridge", bridge.Certificate)...),
			want: wish{cause: verify.MissingIntermediate, missing: []string{"CN=New"}, known: "Bundle new", role: verify.Intermediate, forgot: verify.Yes},
		},
	}
}

func constraintCases() map[string]serverCase {
	root := ca.New("Root")
	constrained := ca.New("Constrained", func(template *x509.Certificate) {
		template.PermittedDNSDomainsCritical, template.PermittedDNSDomains = true, []string{"other.example"}
	})
	excluding := ca.New("Excluding", func(template *x509.Certificate) { template.ExcludedDNSDomains = []string{host} })
	short := ca.New("Short", func(template *x509.Certificate) { template.MaxPathLenZero = true })
	below := intermediate(short, "Below")
	notCA := ca.CA{Pair: root.Issue(ca.Named("NotCA"))}
	noSign := intermediate(root, "NoSign", func(template *x509.Certificate) { template.KeyUsage = x509.KeyUsageDigitalSignature })
	elliptic := intermediate(root, "Elliptic")
	clients := intermediate(root, "Clients", func(template *x509.Certificate) {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	})
	weak := []string{"-cipher", "DEFAULT:@SECLEVEL=0"}
	return map[string]serverCase{
		"NameConstraints": {
			chain: []ca.Pair{leaf(constrained)}, trusted: trust(constrained.Certificate),
			want: wish{cause: verify.NameConstraints, says: []string{`the trusted CA "CN=Constrained" (block 1)`, host}},
		},
		"NameExcluded": {
			chain: []ca.Pair{leaf(excluding)}, trusted: trust(excluding.Certificate),
			want: wish{cause: verify.NameConstraints, says: []string{`the trusted CA "CN=Excluding" (block 1)`}},
		},
		"PathLength": {
			chain: []ca.Pair{leaf(below), below.Pair}, trusted: trust(short.Certificate),
			want: wish{cause: verify.PathLength, says: []string{`the trusted CA "CN=Short" (block 1) allows 0 CAs below it`}},
		},
		"PathLengthIsMet": {
			chain: []ca.Pair{leaf(short, past)}, trusted: trust(short.Certificate),
			want: wish{cause: verify.Expired},
		},
		"NotACA": {
			chain: []ca.Pair{leaf(notCA), notCA.Pair}, trusted: trust(root.Certificate),
			want: wish{cause: verify.NotACA, says: []string{`"CN=NotCA"`, "basic constraints"}},
		},
		"NoCertSign": {
			chain: []ca.Pair{leaf(noSign), noSign.Pair}, trusted: trust(root.Certificate),
			want: wish{cause: verify.NotACA, says: []string{`"CN=NoSign"`, "keyCertSign"}},
		},
		"ClientCertificate": {
			chain: []ca.Pair{leaf(root, func(template *x509.Certificate) {
				template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
			})}, trusted: trust(root.Certificate),
			want: wish{cause: verify.ExtendedKeyUsage, says: []string{"the certificate of the server", "serverAuth"}},
		},
		"CAForClients": {
			chain: []ca.Pair{leaf(clients), clients.Pair}, trusted: trust(root.Certificate),
			want: wish{cause: verify.ExtendedKeyUsage, says: []string{`"CN=Clients"`}},
		},
		"SHA1": {
			chain:   []ca.Pair{leaf(elliptic, func(template *x509.Certificate) { template.SignatureAlgorithm = x509.ECDSAWithSHA1 }), elliptic.Pair},
			trusted: trust(root.Certificate), arguments: weak,
			want: wish{cause: verify.WeakSignature, says: []string{"ECDSA-SHA1"}},
		},
	}
}

// protocolCases are about TLS and what precedes it.
func protocolCases() map[string]serverCase {
	root, other := ca.New("Root"), ca.New("Other")
	chain, trusted, untrusted := []ca.Pair{leaf(root)}, trust(root.Certificate), trust(other.Certificate)
	known := in("Bundle other", root.Certificate)
	unknown := wish{cause: verify.UnknownAuthority, missing: []string{"CN=Root"}, known: "Bundle other", role: verify.Root}
	return map[string]serverCase{
		"TLS13Only":           {chain: chain, trusted: trusted, arguments: []string{"-tls1_3"}, version: "TLS 1.3"},
		"TLS13OnlyUntrusted":  {chain: chain, trusted: untrusted, known: known, arguments: []string{"-tls1_3"}, version: "TLS 1.3", want: unknown},
		"TLS12Only":           {chain: chain, trusted: trusted, arguments: []string{"-tls1_2"}, version: "TLS 1.2"},
		"TLS10Only":           {chain: chain, trusted: trusted, arguments: []string{"-tls1", "-cipher", "ALL:@SECLEVEL=0"}, version: "TLS 1.0"},
		"ClientCertificate12": {chain: chain, trusted: trusted, arguments: []string{"-tls1_2", "-Verify", "1", "-verify_return_error"}},
		"ClientCertificate13": {chain: chain, trusted: trusted, arguments: []string{"-tls1_3", "-Verify", "1", "-verify_return_error"}},
		"SMTP":                {chain: chain, trusted: trusted, startTLS: "smtp"},
		"SMTPUntrusted":       {chain: chain, trusted: untrusted, known: known, startTLS: "smtp", want: unknown},
		"PostgreSQL":          {chain: chain, trusted: trusted, startTLS: "postgres"},
		"PostgreSQLUntrusted": {chain: chain, trusted: untrusted, known: known, startTLS: "postgres", want: unknown},
		"IMAP":                {chain: chain, trusted: trusted, startTLS: "imap"},
		"POP3":                {chain: chain, trusted: trusted, startTLS: "pop3"},
		"LDAP":                {chain: chain, trusted: trusted, startTLS: "ldap"},
	}
}
