package lint

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
)

// expiryWarning is how long before its expiry a certificate is a finding.
const expiryWarning = 30 * 24 * time.Hour

// Finding describes one mistake, for users.
type Finding struct {
	// Rule and Level are those of the [Rule] that a review has applied. Certificate is the
	// certificate that the finding is about, or nil.
	Rule        string
	Level       Level
	Certificate *certs.Certificate
	// Origin is where the mistake is. If it is in several blocks of one text, Blocks has
	// their numbers, and Origin is that of the first.
	Origin certs.Origin
	Blocks []int
	// Fields are the paths in the Bundle, if the mistake is in several; Origin has the first.
	Fields []string
	// Detail describes what is wrong and what to do.
	Detail string
}

// Spec returns the findings about the Bundle itself. The number of namespaces of the
// cluster is 0 if it is unknown.
func Spec(spec bundle.Spec, namespaces int) []Finding {
	findings := selection(spec, namespaces)
	seen := map[string]bool{}
	var chains []string
	for _, target := range spec.Targets {
		for _, file := range target.Files {
			if file.Format == bundle.JKS && !seen[file.Field] {
				seen[file.Field] = true // the targets of all kinds may share a file
				findings = append(findings, Finding{Origin: certs.Origin{Field: file.Field}, Detail: "JKS is deprecated, and Java itself recommends against it; " +
					"use PKCS#12, unless an old version of Java must read the store"})
			}
		}
	}
	findings = append(findings, hashedDirectories(spec.Targets)...)
	for _, source := range spec.Sources {
		if source.Object != nil && source.Object.Key == corev1.TLSCertKey {
			chains = append(chains, source.Field+".key")
		}
	}
	if len(chains) > 0 {
		findings = append(findings, Finding{Origin: certs.Origin{Field: chains[0]}, Fields: chains, Detail: "tls.crt often contains a chain with intermediates, and changes with each renewal; " +
			"use a key that contains only a root, ideally a copy of it in a ConfigMap"})
	}
	return findings
}

// caFile is the name of the file that programs read in /etc/ssl/certs.
const caFile = "ca-certificates.crt"

// hashedDirectories returns a finding for hashed directories that replace the CAs of an image for some
// programs only.
func hashedDirectories(targets []bundle.Target) (findings []Finding) {
	for _, target := range targets {
		at := slices.IndexFunc(target.Files, func(f bundle.File) bool { return f.Format == bundle.HashedDirectory })
		if at < 0 || slices.ContainsFunc(target.Files, func(f bundle.File) bool { return f.Format == bundle.PEM && f.Key == caFile }) {
			continue
		}
		finding := Finding{Origin: certs.Origin{Field: target.Files[at].Field}, Detail: "mounted over /etc/ssl/certs, the hashed directory does not serve curl " +
			"and other programs that read one file: write PEM under the key " + caFile}
		if len(findings) == 0 || findings[len(findings)-1].Origin != finding.Origin { // the targets of a Bundle share the field
			findings = append(findings, finding)
		}
	}
	return findings
}

// selection returns the finding about a selector that selects everything although it is
// set: a mistyped field in it may have been dropped by the API server.
func selection(spec bundle.Spec, namespaces int) []Finding {
	if spec.NamespacesField == "" || !spec.Namespaces.Empty() || len(spec.Targets) == 0 {
		return nil
	}
	detail := "the selector is empty, and so selects every namespace"
	if namespaces > 0 {
		detail += fmt.Sprintf(" (%d now)", namespaces)
	}
	return []Finding{{Origin: certs.Origin{Field: spec.NamespacesField},
		Detail: detail + "; to select some, use matchLabels or matchExpressions; to select all, remove it"}}
}

// Input returns the findings about one object or text of a Bundle. A missing object is none,
// because a Bundle is often applied together with its sources.
func Input(spec bundle.Spec, input bundle.Input, now time.Time) []Finding {
	built, err := new(bundle.Builder).Build([]bundle.Input{input}, bundle.Filter{Nonconforming: bundle.Keep}, now)
	findings := problems(err)
	if len(findings) > 0 {
		return findings
	}
	if slices.ContainsFunc(built.Certificates, func(c certs.Certificate) bool { return c.Nonconforming != "" }) {
		_, err := new(bundle.Builder).Build([]bundle.Input{input}, withoutOtherRejects(spec.Filter), now)
		findings = problems(err)
	}
	return append(findings, Certificates(built.Certificates, now)...)
}

// withoutOtherRejects returns a filter that rejects nonconforming certificates only, unless
// the original drops or excludes them.
func withoutOtherRejects(filter bundle.Filter) bundle.Filter {
	for _, policy := range []*bundle.Policy{&filter.Expired, &filter.NonCA, &filter.NotSelfSigned} {
		if *policy == bundle.Reject {
			*policy = bundle.Keep
		}
	}
	return filter
}

// problems returns the findings about content that a Bundle cannot use.
func problems(err error) (findings []Finding) {
	var list bundle.Problems
	if !errors.As(err, &list) {
		return nil
	}
	for _, problem := range list {
		if problem.Reason == certs.SourceBuildError {
			findings = append(findings, Finding{Origin: problem.Origin, Detail: problem.Detail})
		}
	}
	return findings
}

// flaw is a property of a certificate that is usually a mistake in a trust store.
type flaw struct {
	has func(certificate *certs.Certificate, now time.Time) bool
	// singular and plural describe the flaw and its fix.
	singular, plural string
}

func flaws() []flaw {
	return []flaw{{
		has:      func(c *certs.Certificate, _ time.Time) bool { return !c.CA },
		singular: "not a CA certificate; trust only the root CA that issued it",
		plural:   "not CA certificates; trust only the root CAs that issued them",
	}, {
		has:      func(c *certs.Certificate, _ time.Time) bool { return c.CA && !c.SelfIssued },
		singular: "an intermediate; if it is trusted like a root, it cannot be rotated before every trust store is updated. Use its root",
		plural:   "intermediates; if they are trusted like roots, they cannot be rotated before every trust store is updated. Use their roots",
	}, {
		has:      func(c *certs.Certificate, now time.Time) bool { return now.After(c.NotAfter) },
		singular: "expired; most software rejects every certificate that it issued. Remove it",
		plural:   "expired; most software rejects every certificate that they issued. Remove them",
	}, {
		has: func(c *certs.Certificate, now time.Time) bool {
			return !now.After(c.NotAfter) && now.Add(expiryWarning).After(c.NotAfter)
		},
		singular: "expires within 30 days; add its successor now, so that both are trusted while certificates are replaced",
		plural:   "expire within 30 days; add their successors now, so that both old and new are trusted while certificates are replaced",
	}}
}

// Certificates returns one finding for each flaw and text. Certificates of one text must be
// adjacent.
func Certificates(certificates []certs.Certificate, now time.Time) []Finding {
	var findings []Finding
	for _, flaw := range flaws() {
		var origins []certs.Origin
		for i := range certificates {
			if flaw.has(&certificates[i], now) {
				origins = append(origins, certificates[i].Origin)
			}
		}
		for len(origins) > 0 {
			n := slices.IndexFunc(origins, func(o certs.Origin) bool { return textOf(o) != textOf(origins[0]) })
			if n < 0 {
				n = len(origins)
			}
			findings = append(findings, flaw.finding(origins[:n]))
			origins = origins[n:]
		}
	}
	return findings
}

// finding returns the finding about the flaw in certificates of one text.
func (f flaw) finding(origins []certs.Origin) Finding {
	if len(origins) == 1 {
		return Finding{Origin: origins[0], Detail: f.singular}
	}
	finding := Finding{Origin: origins[0], Detail: f.plural}
	for _, origin := range origins {
		finding.Blocks = append(finding.Blocks, origin.Block)
	}
	return finding
}

// textOf returns the origin of the text that contains a block.
func textOf(block certs.Origin) certs.Origin {
	block.Block = 0
	return block
}

// JoinFirst joins at most the first limit parts, and counts the rest.
func JoinFirst(parts []string, limit int) string {
	if more := len(parts) - limit; more > 0 {
		return strings.Join(parts[:limit], ", ") + " and " + strconv.Itoa(more) + " more"
	}
	return strings.Join(parts, ", ")
}
