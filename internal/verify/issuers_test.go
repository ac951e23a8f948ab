package verify_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"testing"
	"time"

	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/verify"
	"trust-manager.io/test/framework/ca"
)

// usage sets the extended key usage.
func usage(usages ...x509.ExtKeyUsage) func(*x509.Certificate) {
	return func(template *x509.Certificate) { template.ExtKeyUsage = usages }
}

// critical adds an extension that Go does not support.
func critical(template *x509.Certificate) {
	template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 999, 2}, Critical: true, Value: []byte{5, 0}}}
}

func sha1(template *x509.Certificate) { template.SignatureAlgorithm = x509.ECDSAWithSHA1 }

// L12: a certificate uses the old CA whatever a client would decide about it. One with an unknown
// issuer may use it.
func TestTrace(t *testing.T) {
	t.Parallel()
	const (
		issued, not, unknown = "issued by the CA", "not issued by the CA", "unknown"
	)
	old, other, expired := ca.New("Old"), ca.New("Other"), ca.New("Expired", past)
	middle, elsewhere := intermediate(old, "Middle"), intermediate(other, "Elsewhere")
	constrained := ca.New("Constrained", func(template *x509.Certificate) { template.ExcludedDNSDomains = []string{host} })
	elliptic := intermediate(old, "Elliptic") // its key can sign with SHA-1
	for title, tc := range map[string]struct {
		ca    ca.CA
		chain [][]byte
		known []certs.Certificate
		want  string
	}{
		"Direct":              {old, ders(leaf(old)), nil, issued},
		"Intermediate":        {old, ders(leaf(middle), middle.Pair), nil, issued},
		"MissingIntermediate": {old, ders(leaf(middle)), trust(middle.Certificate), issued},
		"UnknownIntermediate": {old, ders(leaf(middle)), trust(other.Certificate), unknown},
		"Client":              {old, ders(leaf(old, usage(x509.ExtKeyUsageClientAuth))), nil, issued},
		"Email":               {old, ders(leaf(old, usage(x509.ExtKeyUsageEmailProtection))), nil, issued},
		"SHA1":                {elliptic, ders(leaf(elliptic, sha1)), nil, issued},
		"SHA1BelowOld":        {old, ders(leaf(elliptic, sha1), elliptic.Pair), nil, issued},
		"ExpiredLeaf":         {old, ders(leaf(old, past)), nil, issued},
		"FutureLeaf":          {old, ders(leaf(old, future)), nil, issued},
		"ExpiredRoot":         {expired, ders(leaf(expired)), nil, issued},
		"CriticalExtension":   {old, ders(leaf(old, critical)), nil, issued},
		"NameConstraints":     {constrained, ders(leaf(constrained)), nil, issued},
		"ShortKey":            {old, [][]byte{shortKey(old)}, nil, issued},
		"NoChain":             {old, nil, nil, unknown},
		"ItsOwn":              {old, ders(old.Pair), nil, issued},
		"Twin":                {old, ders(renewed(old).Pair), nil, issued},
		"BelowTwin":           {renewed(old), ders(leaf(old)), trust(old.Certificate), issued},
		"CrossSigned":         {old, ders(leaf(other)), trust(other.Certificate, cross(old, other).Certificate), issued},
		"NameEncoding":        {ca.CA{Pair: ca.Pair{Certificate: reencoded(old, middle)}}, ders(leaf(middle)), nil, issued},
		"AnotherCA":           {old, ders(leaf(other)), trust(other.Certificate), not},
		"AnotherIntermediate": {old, ders(leaf(elsewhere), elsewhere.Pair), trust(other.Certificate), not},
		"SendsRoot":           {old, ders(leaf(other), other.Pair), nil, not},
		"UnknownRoot":         {old, ders(leaf(elsewhere), elsewhere.Pair), nil, unknown},
		"SelfSigned":          {old, ders(other.Pair), nil, not},
		"SameName":            {old, ders(leaf(ca.New("Old"))), nil, unknown},
		"Junk":                {old, [][]byte{[]byte("junk")}, nil, unknown},
		"JunkAfter":           {old, [][]byte{leaf(old).DER(), []byte("junk")}, nil, issued},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			ancestry := verify.NewIssuers(trust(tc.ca.Certificate)[0], tc.known).Trace(tc.chain)
			got := unknown
			switch {
			case ancestry.IsIssued:
				got = issued
			case ancestry.IsComplete:
				got = not
			}
			if got != tc.want {
				t.Errorf("%s, want %s: %+v", got, tc.want, ancestry)
			}
			if got == not && ancestry.Missing != "" {
				t.Errorf("missing %q", ancestry.Missing)
			}
		})
	}
}

// L12: certificates that Go's parser refuses can be the old CA, or issuers.
func TestTraceNonconforming(t *testing.T) {
	t.Parallel()
	odd, positive := trust(ca.NegativeSerial())[0], ca.Fixed(negativeSerial)
	if got := verify.NewIssuers(odd, nil).Trace(ders(leaf(positive))); !got.IsIssued {
		t.Errorf("the old CA: %+v", got)
	}
	if got := verify.NewIssuers(trust(ca.New("Old").Certificate)[0], []certs.Certificate{odd}).Trace(ders(leaf(positive))); got.IsIssued || !got.IsComplete {
		t.Errorf("another CA: %+v", got)
	}
	below := trust(ca.NegativeSerial(ca.IssuedBy("Unknown")))
	if got := verify.NewIssuers(trust(ca.New("Old").Certificate)[0], below).Trace(ders(leaf(positive))); got != (verify.Ancestry{}) {
		t.Errorf("an intermediate: %+v", got)
	}
}

// L12: the search is bounded, and a search that ended early excludes nothing.
func TestTraceIsBounded(t *testing.T) {
	t.Parallel()
	const layers, copies = 8, 8 // the first path leads to the root
	root := ca.New("Root")
	issuer, sent := root, []ca.Pair{root.Pair}
	for i := range layers {
		subject := intermediate(issuer, fmt.Sprintf("Layer %d", i))
		for range copies {
			sent = append(sent, cross(issuer, subject))
		}
		issuer = subject
	}
	old := trust(ca.New("Old").Certificate)[0]
	if got := verify.NewIssuers(old, nil).Trace(append(ders(leaf(issuer)), ders(sent...)...)); got.IsIssued || got.IsComplete {
		t.Errorf("%+v", got)
	}
}

// L12: clients that trust the new CA alone accept a cross-signed chain, for any purpose.
func TestIsCovered(t *testing.T) {
	t.Parallel()
	old, to := ca.New("Old"), ca.New("New")
	middle := intermediate(old, "Middle")
	crossed := cross(to, middle)
	for title, tc := range map[string]struct {
		chain [][]byte
		want  bool
	}{
		"New":              {ders(leaf(to)), true},
		"Client":           {ders(leaf(to, usage(x509.ExtKeyUsageClientAuth))), true},
		"Expired":          {ders(leaf(to, ca.Valid(to.X509().NotBefore, time.Now().Add(-time.Minute)))), true},
		"CrossSigned":      {ders(leaf(middle), middle.Pair, crossed), true},
		"CrossSignedCA":    {ders(cross(old, to)), true},
		"CrossExpired":     {ders(leaf(middle), middle.Pair, cross(to, middle, past)), false},
		"CrossNotSent":     {ders(leaf(middle), middle.Pair), false},
		"Old":              {ders(leaf(old)), false},
		"Nothing":          {nil, false},
		"Junk":             {[][]byte{[]byte("junk")}, false},
		"JunkIntermediate": {[][]byte{leaf(to).DER(), []byte("junk")}, true},
	} {
		if got := verify.IsCovered(tc.chain, trust(to.Certificate)[0], time.Now()); got != tc.want {
			t.Errorf("%s: %v, want %v", title, got, tc.want)
		}
	}
}
