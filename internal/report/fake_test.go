package report_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"trust-manager.io/internal/report"
)

var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// size is how large a fake cluster is.
type size struct{ bundles, namespaces, certificates int }

// The sizes of fake clusters.
var (
	small = size{2, 5, 10}
	large = size{40, 300, 150}
)

func fingerprint(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// fake returns the input for a cluster of a size. It has all states of targets and bundles.
func fake(s size) report.Input {
	in := report.Input{
		Cluster: "prod-eu-1", Time: now,
		Rules: []report.Rule{
			{ID: "expired", Level: "error", Summary: "The certificate has expired."},
			{ID: "not-a-ca", Level: "warning", Summary: "The certificate is not a CA."},
			{ID: "expires-soon", Level: "warning", Summary: "The certificate expires within 90 days."},
			{ID: "duplicate-key", Level: "info", Summary: "Two certificates have the same public key."},
		},
	}
	for i := range s.namespaces {
		in.Namespaces = append(in.Namespaces, fmt.Sprintf("team-%03d", i))
	}
	all := fakeCertificates(s.certificates)
	for i := range s.bundles {
		in.Bundles = append(in.Bundles, fakeBundle(i, s, all, in.Namespaces))
	}
	for _, b := range in.Bundles {
		for i, c := range b.Certificates {
			f := report.InputFinding{
				Bundle: b.Kind + " " + b.Name, Where: fmt.Sprintf("%s: %s, key %q, block %d", c.Field, c.Object, c.Key, c.Block),
				Certificate: c.Subject, SHA256: c.SHA256,
			}
			switch {
			case c.NotAfter.Before(now):
				f.Rule, f.Detail = "expired", "it expired on "+c.NotAfter.Format(time.DateOnly)+"; most software rejects what it issued. Remove it"
			case c.NotAfter.Before(now.AddDate(0, 0, 90)):
				f.Rule, f.Detail = "expires-soon", "it expires on "+c.NotAfter.Format(time.DateOnly)+"; add its successor now, so that both are trusted while certificates are replaced"
			case i%7 == 3:
				f.Rule, f.Detail = "not-a-ca", "it is not a CA; trust only the root CA that issued it"
			default:
				continue
			}
			in.Findings = append(in.Findings, f)
		}
	}
	return in
}

// fakeCertificates returns certificates that expire between a year ago and twenty years from now.
func fakeCertificates(n int) []report.InputCertificate {
	names := []string{"Example Corp Root CA", "GlobalTrust ECC Root", "Internal Issuing", "Staat der Nederlanden Root CA", "Hellenic Academic and Research Institutions RootCA", "Atos TrustedRoot", "Payments mTLS Root"}
	certificates := make([]report.InputCertificate, n)
	for i := range certificates {
		before := now.AddDate(-5, -i%12, 0)
		certificates[i] = report.InputCertificate{
			Subject:   fmt.Sprintf("CN=%s G%d,O=Example Organisation %d,C=DE", names[i%len(names)], i/len(names)+1, i%11),
			SHA256:    fingerprint(fmt.Sprint("certificate ", i)),
			NotBefore: &before, NotAfter: now.AddDate(0, -9+i*37%240, i%28),
			Origin: report.Origin{
				Field: fmt.Sprintf("spec.sources[%d].configMap", i%3), Object: fmt.Sprintf("ConfigMap cert-manager/roots-%d", i%3), Key: "ca.crt", Block: i/3 + 1,
			},
		}
	}
	return certificates
}

func fakeBundle(i int, s size, all []report.InputCertificate, namespaces []string) report.InputBundle {
	names := []string{"corporate-roots", "payments", "public-web", "legacy-partners", "mesh"}
	changed := now.AddDate(0, 0, -i*3-1)
	b := report.InputBundle{
		Kind: "Bundle", Name: fmt.Sprintf("%s-%02d", names[i%len(names)], i), Digest: fingerprint(fmt.Sprint("bundle ", i)), LastChanged: &changed,
		Conditions: []report.Condition{{Type: "Ready", IsTrue: true, Message: "the bundle is in sync with all targets"}},
		Sources:    []report.Source{}, Duplicates: i % 3,
		Wanted:       []report.Wanted{{Kind: "ConfigMap", Digest: "good"}},
		Certificates: append([]report.InputCertificate(nil), all[i*len(all)/(2*s.bundles):]...),
	}
	third := len(b.Certificates) / 3
	for field := range 3 {
		b.Sources = append(b.Sources, report.Source{Field: fmt.Sprintf("spec.sources[%d].configMap", field), Description: fmt.Sprintf("ConfigMap cert-manager/roots-%d, key ca.crt", field), Certificates: &third})
	}
	until := now.AddDate(0, 2, i)
	last := &b.Certificates[len(b.Certificates)-1]
	last.Origin, last.RetainedUntil = report.Origin{Field: "spec.rotation.retain"}, &until
	for j, namespace := range namespaces {
		switch {
		case j%(i%4+2) == 1 && i > 0:
			continue
		case j == 3 && i%5 == 1:
			b.Targets = append(b.Targets, report.Target{Kind: "ConfigMap", Namespace: namespace, Digest: "good"})
			continue
		}
		b.Selected = append(b.Selected, namespace)
		digest := "good"
		if (i+j)%53 == 4 {
			digest = "old"
		}
		if (i+j)%41 != 3 {
			b.Targets = append(b.Targets, report.Target{Kind: "ConfigMap", Namespace: namespace, Digest: digest})
		}
	}
	switch i % 10 {
	case 1:
		b.Wanted = append(b.Wanted, report.Wanted{Kind: "ClusterTrustBundle", Digest: "good", IsClusterScoped: true})
		b.Targets = append(b.Targets, report.Target{Kind: "ClusterTrustBundle", Digest: "good"})
		b.Notes = []string{"no source has changed for 400 days"}
		b.Omitted = []report.Omission{
			{Subject: "CN=Old Root,O=Example", SHA256: fingerprint("old"), NotAfter: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), Field: "spec.filters.expired", Detail: "it expired on 2020-01-01, and spec.filters.expired is Drop"},
			{Subject: "CN=Partner Root", SHA256: fingerprint("partner"), Field: "spec.exclude[0]", Detail: `excluded by spec.exclude[0], subject "CN=Partner Root": incident 17`, IsExclusion: true}}
		b.Conditions[0] = report.Condition{Type: "Reconciling", IsTrue: true, Message: "3 of 5 targets are in sync"}
	case 4:
		b.Wanted[0].Digest, b.Certificates = "", nil
		b.Problems = []string{`spec.sources[2].configMap: ConfigMap cert-manager/roots-2, key "ca.crt": the object does not exist`}
		b.Conditions[0] = report.Condition{Type: "Stalled", IsTrue: true, Message: "a source is missing"}
	case 5:
		b.Conditions[0] = report.Condition{Type: "Superseded", IsTrue: true, Message: "ClusterBundle mesh has taken over the targets"}
		b.Certificates, b.Targets, b.Duplicates = nil, nil, 0
		for j := range b.Sources {
			b.Sources[j].Certificates = nil
		}
	}
	return b
}
