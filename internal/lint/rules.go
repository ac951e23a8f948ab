package lint

import (
	"cmp"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/target"
)

const (
	// minRSABits is the shortest RSA key that the CA/Browser Forum and NIST SP 800-57 accept.
	minRSABits = 2048
	// reviewedExpiry is how long before its expiry a certificate is a finding of a review. It is
	// longer than expiryWarning: a review looks ahead.
	reviewedExpiry = 90 * 24 * time.Hour
)

// Rule is one kind of findings of a review.
type Rule struct {
	// ID identifies the rule. It never changes.
	ID    string
	Level Level
	// Summary describes the rule in one sentence.
	Summary string
	// find returns what is wrong with a certificate and what to do, or "". It is nil for a rule
	// that is not about one certificate.
	find func(*facts) string
}

// The rules that are not about one certificate.
const (
	RulePrivateKey = "private-key"
	RuleUnreadable = "unreadable"
	RuleNotBuilt   = "not-built"
	RuleDefinition = "definition"
)

// facts are what rules look at.
type facts struct {
	*certs.Certificate
	// parsed is nil for a nonconforming certificate.
	parsed *x509.Certificate
	review *Review
}

// Review looks for everything that is worth knowing about certificates in a trust store.
type Review struct {
	Now time.Time
	// DistrustAfter has, by fingerprint, the roots that a root program trusts for certificates
	// issued up to a date only.
	DistrustAfter map[[sha256.Size]byte]time.Time
	// keys has the certificates that have been reviewed, by the SHA-256 of their public keys.
	keys map[[sha256.Size]byte]*certs.Certificate
}

// Rules returns all rules, the most serious ones first.
func Rules() []Rule {
	all := append([]Rule{
		{ID: RulePrivateKey, Level: Error, Summary: "The input contains a private key."},
		{ID: RuleUnreadable, Level: Error, Summary: "The certificates in a text cannot be read."},
		{ID: RuleNotBuilt, Level: Error, Summary: "The bundle cannot be built."},
		{ID: RuleDefinition, Level: Warning, Summary: "The definition of the bundle has a likely mistake."},
	}, certificateRules...)
	slices.SortStableFunc(all, func(a, b Rule) int { return cmp.Compare(b.Level, a.Level) })
	return all
}

// certificateRules are the rules about one certificate.
var certificateRules = []Rule{{
	ID: "expired", Level: Error, Summary: "The certificate has expired.",
	find: func(f *facts) string {
		return when(f.review.Now.After(f.NotAfter), "it expired on "+date(f.NotAfter)+"; most software rejects what it issued. Remove it")
	},
}, {
	ID: "nonconforming", Level: Error, Summary: "The certificate does not conform to RFC 5280, or is not supported.",
	find: func(f *facts) string {
		return when(f.Nonconforming != "", f.Nonconforming+"; Go and Java may refuse it. Replace it, or set spec.filters.nonconforming")
	},
}, {
	ID: "not-a-ca", Level: Warning, Summary: "The certificate is not a CA.",
	find: func(f *facts) string { return when(!f.CA, "it is not a CA; trust only the root CA that issued it") },
}, {
	ID: "intermediate", Level: Warning, Summary: "The certificate is an intermediate CA.",
	find: func(f *facts) string {
		return when(f.CA && !f.SelfIssued, "it is an intermediate; if it is trusted like a root, it cannot be rotated before every trust store is updated. Use its root")
	},
}, {
	ID: "expires-soon", Level: Warning, Summary: "The certificate expires within 90 days.",
	find: func(f *facts) string {
		now := f.review.Now
		return when(!now.After(f.NotAfter) && now.Add(reviewedExpiry).After(f.NotAfter),
			"it expires on "+date(f.NotAfter)+"; add its successor now, so that both are trusted while certificates are replaced")
	},
}, {
	ID: "not-yet-valid", Level: Warning, Summary: "The certificate is not valid yet.",
	find: func(f *facts) string {
		if f.parsed == nil || !f.parsed.NotBefore.After(f.review.Now) {
			return ""
		}
		return "it is valid from " + date(f.parsed.NotBefore) + " only; what it issues is refused until then"
	},
}, {
	ID: "version-1", Level: Warning, Summary: "The certificate is of X.509 version 1, without basic constraints.",
	find: func(f *facts) string {
		return when(f.Version1, "it is of version 1, so nothing marks it as a CA; OpenSSL and Java treat such roots in different ways. Replace it by a root of version 3")
	},
}, {
	ID: "short-rsa-key", Level: Warning, Summary: "The RSA key has fewer than 2048 bits.",
	find: shortKey,
}, {
	ID: "weak-signature", Level: Warning, Summary: "The certificate is signed with MD5 or SHA-1 by another key.",
	find: weakSignature,
}, {
	ID: "distrust-after", Level: Warning, Summary: "Mozilla trusts the root for certificates issued up to a date only.",
	find: func(f *facts) string {
		at, ok := f.review.DistrustAfter[f.Fingerprint]
		return when(ok, "Mozilla trusts it only for certificates issued until "+date(at)+
			"; a PEM file cannot say so, and other software trusts all. Exclude it unless a server needs it")
	},
}, {
	ID: "duplicate-key", Level: Info, Summary: "Two certificates have the same public key.",
	find: func(f *facts) string {
		key := sha256.Sum256(f.RawPublicKey)
		first, ok := f.review.keys[key]
		if !ok {
			f.review.keys[key] = f.Certificate
			return ""
		}
		return when(first.Fingerprint != f.Fingerprint, "it has the same public key as the certificate with SHA-256 "+first.SHA256()+"; remove the one that is no longer used")
	},
}, {
	ID: "not-in-cluster-trust-bundle", Level: Info, Summary: "The API server refuses the certificate in a ClusterTrustBundle.",
	find: func(f *facts) string {
		fault, remedy := target.FaultOfTrustAnchor(f.Certificate)
		return when(fault != "", "it "+fault+", so no ClusterTrustBundle can hold it; for one, "+remedy)
	},
}}

// when returns a text if a condition holds.
func when(holds bool, text string) string {
	if holds {
		return text
	}
	return ""
}

func date(at time.Time) string { return at.UTC().Format(time.DateOnly) }

func shortKey(f *facts) string {
	if f.parsed == nil {
		return ""
	}
	key, ok := f.parsed.PublicKey.(*rsa.PublicKey)
	if !ok || key.N.BitLen() >= minRSABits {
		return ""
	}
	return fmt.Sprintf("its RSA key has %d bits, and %d are the least that is safe; replace it", key.N.BitLen(), minRSABits)
}

// weakSignature ignores signatures with the certificate's own key, which protect nothing.
func weakSignature(f *facts) string {
	if f.parsed == nil || f.SelfIssued {
		return ""
	}
	return when(certs.IsWeakSignature(f.parsed.SignatureAlgorithm),
		"its signature uses "+f.parsed.SignatureAlgorithm.String()+", which can be forged; have it issued again")
}

// Certificates returns the findings about certificates, in their order. Certificates of earlier
// calls count as duplicates.
func (r *Review) Certificates(certificates []certs.Certificate) (findings []Finding) {
	if r.keys == nil {
		r.keys = map[[sha256.Size]byte]*certs.Certificate{}
	}
	for i := range certificates {
		facts := &facts{Certificate: &certificates[i], review: r}
		if certificates[i].Nonconforming == "" {
			facts.parsed, _ = x509.ParseCertificate(certificates[i].DER) // it has been parsed before
		}
		for _, rule := range certificateRules {
			if detail := rule.find(facts); detail != "" {
				findings = append(findings, Finding{
					Rule: rule.ID, Level: rule.Level, Origin: certificates[i].Origin, Certificate: &certificates[i], Detail: detail,
				})
			}
		}
	}
	return findings
}
