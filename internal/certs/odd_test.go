package certs_test

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/internal/certs"
	"trust-manager.io/test/framework/ca"
)

// parts are the parts of a certificate in DER, in their order. A test replaces some of them
// to create a certificate that no library writes. The signature is not valid.
type parts struct {
	version, serial, innerAlgorithm, issuer, validity, subject, publicKey []byte
	// uniqueIDs come after the public key, and extensions have no wrapper.
	uniqueIDs                 []byte
	extensions                [][]byte
	outerAlgorithm, signature []byte
	// trailing follows the body in its SEQUENCE.
	trailing []byte
}

// element returns an element in DER with the shortest length.
func element(tag byte, content ...[]byte) []byte {
	body := bytes.Join(content, nil)
	size := len(body)
	switch {
	case size < 0x80:
		return append([]byte{tag, byte(size)}, body...)
	case size < 0x100:
		return append([]byte{tag, 0x81, byte(size)}, body...)
	}
	return append([]byte{tag, 0x82, byte(size >> 8), byte(size)}, body...)
}

func sequence(content ...[]byte) []byte { return element(0x30, content...) }

// oid returns an OID by its content octets in hexadecimal.
func oid(octets string) []byte {
	content, err := hex.DecodeString(octets)
	if err != nil {
		return nil
	}
	return element(0x06, content)
}

// name returns a Name with a common name of this string type.
func name(tag byte, text string) []byte {
	return sequence(element(0x31, sequence(oid("550403"), element(tag, []byte(text)))))
}

// ext returns an extension that is not critical.
func ext(octets string, value []byte) []byte { return sequence(oid(octets), element(0x04, value)) }

func utcTime(text string) []byte { return element(0x17, []byte(text)) }

// The content octets of OIDs.
const (
	p256, brainpool = "2a8648ce3d030107", "2b2403030208010107"
	ecKey, rsaKey   = "2a8648ce3d0201", "2a864886f70d010101"
	ed25519         = "2b6570"
)

// ecPublicKey returns the key of an elliptic curve; the point starts with its form.
func ecPublicKey(curve string, point ...byte) []byte {
	return sequence(sequence(oid(ecKey), oid(curve)), element(0x03, append([]byte{0}, point...)))
}

// ordinary returns the parts of a root that Go accepts.
func ordinary() *parts {
	algorithm := sequence(oid("2a8648ce3d040302"))
	return &parts{
		version: element(0xa0, element(0x02, []byte{2})), serial: element(0x02, []byte{1}), innerAlgorithm: algorithm,
		issuer: name(0x0c, "Odd"), validity: sequence(utcTime("250101000000Z"), utcTime("450101000000Z")), subject: name(0x0c, "Odd"),
		publicKey: sequence(sequence(oid(ed25519)), element(0x03, append([]byte{0}, bytes.Repeat([]byte{7}, 32)...))),
		extensions: [][]byte{
			ext("551d13", sequence(element(0x01, []byte{0xff}))),
			ext("551d0e", element(0x04, []byte{1, 2, 3})),
		},
		outerAlgorithm: algorithm, signature: element(0x03, []byte{0, 1}),
	}
}

func (p *parts) der() []byte {
	body := [][]byte{p.version, p.serial, p.innerAlgorithm, p.issuer, p.validity, p.subject, p.publicKey, p.uniqueIDs}
	if len(p.extensions) > 0 {
		body = append(body, element(0xa3, sequence(p.extensions...)))
	}
	return sequence(sequence(append(body, p.trailing)...), p.outerAlgorithm, p.signature)
}

// odd is an odd certificate. It is nonconforming if there is a cause, malformed if there is
// such a part, and otherwise accepted.
type odd struct {
	change           func(*parts)
	cause, malformed string
}

// oddCertificates are what real issuers and damaged files bring.
func oddCertificates() map[string]odd {
	extra := func(octets string, value ...[]byte) func(*parts) {
		return func(p *parts) { p.extensions = append(p.extensions, ext(octets, bytes.Join(value, nil))) }
	}
	validity := func(from, to []byte) func(*parts) { return func(p *parts) { p.validity = sequence(from, to) } }
	generalized := func(text string) []byte { return element(0x18, []byte(text)) }
	key := func(der []byte) func(*parts) { return func(p *parts) { p.publicKey = der } }
	rsa := func(parameters []byte, numbers ...[]byte) []byte {
		return sequence(sequence(oid(rsaKey), parameters), element(0x03, []byte{0}, sequence(numbers...)))
	}
	null, three, big := []byte{5, 0}, element(0x02, []byte{3}), element(0x02, append([]byte{0}, bytes.Repeat([]byte{0xff}, 128)...))
	constraints := func(base []byte) func(*parts) { return extra("551d1e", sequence(element(0xa0, sequence(base)))) }
	return map[string]odd{
		"an ordinary root":           {change: func(*parts) {}},
		"an unknown extension":       {change: extra("2a0304", []byte("x"))},
		"version 1":                  {change: func(p *parts) { p.version, p.extensions = nil, nil }},
		"version 1 with bytes after": {change: func(p *parts) { p.version, p.extensions, p.trailing = nil, nil, []byte{5, 0} }},
		"unique identifiers":         {change: func(p *parts) { p.uniqueIDs = element(0x81, []byte{0, 1}) }},
		"a long validity":            {change: validity(utcTime("500101000000Z"), generalized("99991231235959Z"))},
		"an unknown kind of key":     {change: key(sequence(sequence(oid("2b6571")), element(0x03, []byte{0, 1})))},

		"serial: negative":   {change: func(p *parts) { p.serial = element(0x02, []byte{0x80}) }, cause: "its serial number is negative"},
		"serial: not in DER": {change: func(p *parts) { p.serial = element(0x02, []byte{0, 1}) }, cause: "its serial number is malformed"},
		"algorithms differ":  {change: func(p *parts) { p.outerAlgorithm = sequence(oid("2b6570")) }, cause: "its two signature algorithm identifiers differ"},

		"name: underscore in a PrintableString": {change: func(p *parts) { p.subject = name(0x13, "my_org") }, cause: "PrintableString"},
		"name: at sign in a PrintableString":    {change: func(p *parts) { p.issuer = name(0x13, "a@b") }, cause: "PrintableString"},
		"name: UTF-8 that is none":              {change: func(p *parts) { p.subject = name(0x0c, "a\xff") }, cause: "characters that their string type must not have"},
		"name: odd BMPString":                   {change: func(p *parts) { p.subject = name(0x1e, "abc") }, cause: "characters that their string type must not have"},
		"name: IA5String with an umlaut":        {change: func(p *parts) { p.subject = name(0x16, "\xe4") }, cause: "characters that their string type must not have"},
		"name: NumericString with a letter":     {change: func(p *parts) { p.subject = name(0x12, "a") }, cause: "characters that their string type must not have"},
		"name: UniversalString":                 {change: func(p *parts) { p.subject = name(0x1c, "\x00\x00\x00a") }, cause: "a string type that Go does not support"},
		"name: no SET":                          {change: func(p *parts) { p.subject = sequence(sequence()) }, cause: "a name in it is malformed"},

		"validity: no seconds":      {change: validity(utcTime("2501010000Z"), utcTime("4501010000Z")), cause: ""},
		"validity: an offset":       {change: validity(utcTime("250101000000Z"), utcTime("450101000000+0100")), cause: ""},
		"validity: generalized":     {change: validity(generalized("202501010000Z"), generalized("204501010000Z")), cause: "its validity"},
		"validity: no time":         {change: validity(utcTime("250101000000Z"), utcTime("tomorrow")), malformed: "validity"},
		"validity: of another type": {change: validity(three, three), malformed: "validity"},

		"key: brainpool":          {change: key(ecPublicKey(brainpool, 4, 1, 2)), cause: "Go does not support its elliptic curve 1.3.36.3.3.2.8.1.1.7"},
		"key: compressed point":   {change: key(ecPublicKey(p256, append([]byte{2}, bytes.Repeat([]byte{1}, 32)...)...)), cause: "a compressed point of the elliptic curve 1.2.840.10045.3.1.7"},
		"key: not on the curve":   {change: key(ecPublicKey(p256, append([]byte{4}, bytes.Repeat([]byte{1}, 64)...)...)), cause: "not a point of the elliptic curve 1.2.840.10045.3.1.7"},
		"key: explicit curve":     {change: key(sequence(sequence(oid(ecKey), sequence(three)), element(0x03, []byte{0, 4}))), cause: "its elliptic curve is not named by an OID"},
		"key: RSA without NULL":   {change: key(rsa(nil, big, three)), cause: "its RSA key lacks the parameter NULL"},
		"key: RSA, negative":      {change: key(rsa(null, element(0x02, []byte{0x81}), three)), cause: "its RSA key has a modulus"},
		"key: RSA, no exponent":   {change: key(rsa(null, big)), cause: "its RSA key has no exponent, or one that Go does not support"},
		"key: Ed25519, too short": {change: key(sequence(sequence(oid(ed25519)), element(0x03, []byte{0, 1}))), cause: "its Ed25519 key is malformed"},

		"extension: critical is BER": {change: func(p *parts) {
			p.extensions = append(p.extensions, sequence(oid("2a0304"), element(0x01, []byte{1}), element(0x04)))
		}, cause: "the critical field of an extension is malformed"},
		"extension: a long OID":               {change: extra("6983ffffffffffffff7f", nil), cause: "Go does not support the OID of an extension"},
		"extension: twice":                    {change: extra("551d0e", element(0x04, []byte{1})), cause: "it has the extension 2.5.29.14 twice"},
		"extension: an unknown one twice":     {change: func(p *parts) { extra("2a0304", nil)(p); extra("2a0304", nil)(p) }, cause: "it has the extension 1.2.3.4 twice"},
		"extension: key usage":                {change: extra("551d0f", three), cause: "key usage (2.5.29.15)"},
		"extension: basic constraints":        {change: func(p *parts) { p.extensions[0] = ext("551d13", three) }, cause: "basic constraints (2.5.29.19)"},
		"extension: path length":              {change: func(p *parts) { p.extensions[0] = ext("551d13", sequence(element(0x01, []byte{0xff}), null)) }, cause: ""},
		"extension: extended key usage":       {change: extra("551d25", three), cause: "extended key usage (2.5.29.37)"},
		"extension: alternative name":         {change: extra("551d11", three), cause: "subject alternative name (2.5.29.17)"},
		"extension: IP address of 5 bytes":    {change: extra("551d11", sequence(element(0x87, []byte("12345")))), cause: "subject alternative name (2.5.29.17)"},
		"extension: policies":                 {change: extra("551d20", three), cause: "certificate policies (2.5.29.32)"},
		"extension: subject key identifier":   {change: func(p *parts) { p.extensions[1] = ext("551d0e", []byte{1, 2}) }, cause: "subject key identifier (2.5.29.14)"},
		"extension: authority key identifier": {change: extra("551d23", three), cause: "authority key identifier (2.5.29.35)"},
		"extension: name constraints, empty":  {change: extra("551d1e", sequence()), cause: "name constraints (2.5.29.30)"},
		"extension: empty IP constraint":      {change: constraints(element(0x87, nil)), cause: "name constraints (2.5.29.30)"},
		"extension: IP constraint with a gap": {change: constraints(element(0x87, []byte{1, 2, 3, 4, 255, 0, 255, 0})), cause: "name constraints (2.5.29.30)"},
		"extension: constraint on a bad name": {change: constraints(element(0x82, []byte("a..b"))), cause: "name constraints (2.5.29.30)"},
		"extension: distribution points":      {change: extra("551d1f", three), cause: "CRL distribution points (2.5.29.31)"},
		"extension: policy constraints":       {change: extra("551d24", three), cause: "policy constraints (2.5.29.36)"},
		"extension: policy mappings":          {change: extra("551d21", three), cause: "policy mappings (2.5.29.33)"},
		"extension: inhibit anyPolicy":        {change: extra("551d36", null), cause: "inhibit anyPolicy (2.5.29.54)"},
		"extension: authority information":    {change: extra("2b06010505070101", three), cause: "authority information access (1.3.6.1.5.5.7.1.1)"},
		"extension: not in a SEQUENCE":        {change: func(p *parts) { p.extensions = [][]byte{null} }, malformed: "extensions"},
		"extension: without a value":          {change: func(p *parts) { p.extensions = [][]byte{sequence(oid("2a0304"))} }, malformed: "extensions"},

		"no serial number":        {change: func(p *parts) { p.serial = nil }, malformed: "serial number"},
		"version 4":               {change: func(p *parts) { p.version = element(0xa0, element(0x02, []byte{3})) }, malformed: "version"},
		"no issuer":               {change: func(p *parts) { p.issuer = three }, malformed: "issuer"},
		"no subject":              {change: func(p *parts) { p.subject = three }, malformed: "subject"},
		"no key":                  {change: key(sequence()), malformed: "public key"},
		"no algorithm":            {change: func(p *parts) { p.innerAlgorithm = three }, malformed: "signature algorithm"},
		"no signature":            {change: func(p *parts) { p.signature = nil }, malformed: "signature"},
		"an empty signature":      {change: func(p *parts) { p.signature = element(0x03) }, malformed: "signature"},
		"no outer algorithm":      {change: func(p *parts) { p.outerAlgorithm = three }, malformed: "signature algorithm"},
		"a bad unique identifier": {change: func(p *parts) { p.uniqueIDs = []byte{0x81, 0x85} }, malformed: "unique identifier"},
	}
}

// S6, S5: a certificate that Go's parser refuses is nonconforming, with the true class of
// the cause, or malformed, with the part that is; no value of it is quoted.
func TestOddCertificates(t *testing.T) {
	t.Parallel()
	for name, tc := range oddCertificates() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := ordinary()
			tc.change(p)
			der := p.der()
			result, problem := certs.Parse(ca.PEM(der), origin)
			if tc.malformed != "" {
				if problem == nil || !strings.Contains(problem.Detail, "its "+tc.malformed+" is malformed") {
					t.Errorf("problem %v, want that its %s is malformed", problem, tc.malformed)
				}
				return
			}
			if problem != nil {
				t.Fatal(problem)
			}
			got := result.Certificates[0]
			_, refusal := x509.ParseCertificate(der)
			if (got.Nonconforming == "") != (refusal == nil) {
				t.Errorf("nonconforming: %q, and Go says %v", got.Nonconforming, refusal)
			}
			if !strings.Contains(got.Nonconforming, tc.cause) || tc.cause != "" && got.Nonconforming == "" {
				t.Errorf("cause %q, want %q (Go says %v)", got.Nonconforming, tc.cause, refusal)
			}
			if refusal != nil && got.Nonconforming == "Go's parser refuses it" {
				t.Errorf("no cause is known of %v", refusal)
			}
			if !bytes.Equal(got.DER, der) || got.Origin.Block != 1 {
				t.Errorf("the certificate is %+v", got)
			}
		})
	}
}

// S6: the flags of nonconforming certificates.
func TestNonconformingFlags(t *testing.T) {
	t.Parallel()
	negative := func(p *parts) { p.serial = element(0x02, []byte{0x80}) }
	keyID := func(id byte) []byte { return ext("551d23", sequence(element(0x80, []byte{id, 2, 3}))) }
	for name, tc := range map[string]struct {
		change         func(*parts)
		ca, selfSigned bool
	}{
		"a root":                         {func(*parts) {}, true, true},
		"an intermediate":                {func(p *parts) { p.issuer = name(0x0c, "Other") }, true, false},
		"a leaf":                         {func(p *parts) { p.extensions = nil }, false, true},
		"cA is false":                    {func(p *parts) { p.extensions[0] = ext("551d13", sequence()) }, false, true},
		"version 1":                      {func(p *parts) { p.version, p.extensions = nil, nil }, true, true},
		"basic constraints that differ":  {func(p *parts) { p.extensions = append(p.extensions, ext("551d13", sequence())) }, false, true},
		"cA is true as in BER":           {func(p *parts) { p.extensions[0] = ext("551d13", sequence(element(0x01, []byte{1}))) }, true, true},
		"a key identifier of its own":    {func(p *parts) { p.extensions = append(p.extensions, keyID(1)) }, true, true},
		"a key identifier of another CA": {func(p *parts) { p.extensions = append(p.extensions, keyID(9)) }, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := ordinary()
			negative(p)
			tc.change(p)
			result, problem := certs.Parse(ca.PEM(p.der()), origin)
			if problem != nil {
				t.Fatal(problem)
			}
			got := result.Certificates[0]
			if got.Nonconforming == "" || got.CA != tc.ca || got.SelfSigned() != tc.selfSigned || got.Subject() != "CN=Odd" {
				t.Errorf("nonconforming %q, CA %t, self-signed %t, subject %s", got.Nonconforming, got.CA, got.SelfSigned(), got.Subject())
			}
		})
	}
}

// S6: only the EC-ACC root itself is skipped.
func TestChangedECACC(t *testing.T) {
	t.Parallel()
	result, problem := certs.Parse(ca.PEM(changedECACC(t)), origin)
	if problem != nil || len(result.Certificates) != 1 || len(result.Skipped) > 0 {
		t.Fatalf("result %+v, problem %v", result, problem)
	}
	if cause := result.Certificates[0].Nonconforming; cause != "its serial number is negative" {
		t.Errorf("cause %q", cause)
	}
}

// FuzzStructure checks that whatever Go's parser accepts is read like Go reads it.
func FuzzStructure(f *testing.F) {
	for _, tc := range oddCertificates() {
		p := ordinary()
		tc.change(p)
		f.Add(p.der())
	}
	f.Add(ca.Fixed(1).DER())
	f.Fuzz(func(t *testing.T, der []byte) {
		got, malformed := certs.ReadStructure(der)
		parsed, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		want := certs.Structure{
			Version: parsed.Version, RawIssuer: parsed.RawIssuer, RawSubject: parsed.RawSubject, RawPublicKey: parsed.RawSubjectPublicKeyInfo,
			NotAfter: parsed.NotAfter, Extensions: len(parsed.Extensions), SelfIssued: bytes.Equal(parsed.RawIssuer, parsed.RawSubject),
		}
		want.CA = parsed.BasicConstraintsValid && parsed.IsCA || parsed.Version == 1 && want.SelfIssued
		if diff := cmp.Diff(want, got); diff != "" || malformed != "" {
			t.Errorf("malformed: %q; structure (-Go +ours):\n%s", malformed, diff)
		}
	})
}
