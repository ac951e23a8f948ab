package lint_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/lint"
	"trust-manager.io/test/framework/ca"
)

// reviewed is the time of the reviews.
var reviewed = time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)

// L3: each rule finds what it is about, and nothing else.
func TestRules(t *testing.T) {
	t.Parallel()
	root := ca.Fixed(1)
	days := func(days int) time.Time { return reviewed.AddDate(0, 0, days) }
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	sha1 := func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 }
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"a good root":                {root.Certificate, nil},
		"expired":                    {ca.Fixed(2, ca.ValidUntil(days(-1))).Certificate, []string{"expired"}},
		"expires in 89 days":         {ca.Fixed(2, ca.ValidUntil(days(89))).Certificate, []string{"expires-soon"}},
		"expires in 91 days":         {ca.Fixed(2, ca.ValidUntil(days(91))).Certificate, nil},
		"not yet valid":              {ca.Fixed(2, ca.Valid(days(1), days(400))).Certificate, []string{"not-yet-valid"}},
		"leaf":                       {root.Issue(ca.ForHosts("a.example")).Certificate, []string{"not-a-ca", "not-in-cluster-trust-bundle"}},
		"intermediate":               {root.Issue(ca.Intermediate).Certificate, []string{"intermediate"}},
		"nonconforming":              {ca.NegativeSerial(), []string{"nonconforming", "not-in-cluster-trust-bundle"}},
		"the same certificate twice": {root.Certificate + root.Certificate, nil},
		"the same key twice":         {root.Certificate + ca.Fixed(2).Certificate, []string{"duplicate-key"}},
		"distrusted later":           {ca.Fixed(3).Certificate, []string{"distrust-after"}},
		"short RSA key":              {selfSigned(t, short, nil), []string{"short-rsa-key"}},
		"self-signed with SHA-1":     {selfSigned(t, newECDSA(t), sha1), nil},
		"intermediate with SHA-1":    {issued(t, sha1), []string{"intermediate", "weak-signature"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parsed, problem := certs.Parse(tc.text, certs.Origin{})
			if problem != nil {
				t.Fatal(problem)
			}
			review := lint.Review{Now: reviewed, DistrustAfter: map[[sha256.Size]byte]time.Time{sha256.Sum256(ca.Fixed(3).DER()): days(-100)}}
			var got []string
			for _, finding := range review.Certificates(parsed.Certificates) {
				if rule := ruleOf(t, finding.Rule); rule.Level != finding.Level || finding.Detail == "" || finding.Certificate == nil {
					t.Errorf("%+v is not as its rule", finding)
				}
				got = append(got, finding.Rule)
			}
			slices.Sort(got)
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// L3: version 1 counts as a CA, and is reported.
func TestVersion1(t *testing.T) {
	t.Parallel()
	key := newECDSA(t)
	parsed, problem := certs.Parse(selfSigned(t, key, func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = false, false }), certs.Origin{})
	if problem != nil {
		t.Fatal(problem)
	}
	parsed.Certificates[0].CA, parsed.Certificates[0].Version1 = true, true // crypto/x509 creates version 3 only
	review := lint.Review{Now: reviewed}
	var rules []string
	for _, finding := range review.Certificates(parsed.Certificates) {
		rules = append(rules, finding.Rule)
	}
	if want := []string{"version-1", "not-in-cluster-trust-bundle"}; !slices.Equal(rules, want) {
		t.Errorf("got %q, want %q", rules, want)
	}
}

// L3: the rules have unique names and are described.
func TestRuleNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, rule := range lint.Rules() {
		if seen[rule.ID] || rule.Summary == "" || rule.Level.String() == "" || strings.ToLower(rule.ID) != rule.ID {
			t.Errorf("%+v", rule)
		}
		seen[rule.ID] = true
	}
	for _, name := range []string{"error", "warning", "info"} {
		if level, err := lint.ParseLevel(name); err != nil || level.String() != name {
			t.Errorf("%s: %v, %v", name, level, err)
		}
	}
	if _, err := lint.ParseLevel("fatal"); err == nil {
		t.Error("an unknown level is accepted")
	}
}

func ruleOf(t *testing.T, id string) lint.Rule {
	t.Helper()
	for _, rule := range lint.Rules() {
		if rule.ID == id {
			return rule
		}
	}
	t.Fatalf("unknown rule %q", id)
	return lint.Rule{}
}

func newECDSA(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: reviewed.AddDate(-1, 0, 0), NotAfter: reviewed.AddDate(10, 0, 0),
		IsCA: true, BasicConstraintsValid: true,
	}
}

// selfSigned returns a root of a key.
func selfSigned(t *testing.T, key crypto.Signer, change func(*x509.Certificate)) string {
	t.Helper()
	root := template("Self")
	if change != nil {
		change(root)
	}
	return signed(t, root, root, key.Public(), key)
}

// issued returns an intermediate.
func issued(t *testing.T, change func(*x509.Certificate)) string {
	t.Helper()
	child := template("Child")
	change(child)
	return signed(t, child, template("Parent"), newECDSA(t).Public(), newECDSA(t))
}

func signed(t *testing.T, child, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) string {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, child, parent, public, key)
	if err != nil {
		t.Fatal(err)
	}
	return ca.PEM(der)
}
