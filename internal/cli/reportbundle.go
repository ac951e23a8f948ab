package cli

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/report"
	"trust-manager.io/internal/survey"
	"trust-manager.io/internal/target"
)

// bundle reads one bundle, in these steps: its status; then, unless it is superseded, what is built
// now, its targets, and what filters leave out.
func (r *reportTrust) bundle(ctx context.Context, definition survey.Definition) (*report.InputBundle, error) {
	b := reportedBundle(definition)
	for _, s := range definition.Spec.Sources {
		b.Sources = append(b.Sources, report.Source{Field: s.Field, Description: r.sourceDescription(s)})
	}
	if survey.IsSuperseded(definition) {
		return b, nil
	}
	built, err := r.live.Build(ctx, definition)
	if err != nil {
		return nil, err
	}
	addBuilt(b, built)
	if err := r.addTargets(ctx, b, built); err != nil {
		return nil, err
	}
	if len(definition.Invalid) > 0 {
		return b, nil
	}
	omitted, err := r.live.Omitted(ctx, definition)
	if err != nil {
		return nil, err
	}
	for i := range omitted {
		c := &omitted[i].Certificate
		b.Omitted = append(b.Omitted, report.Omission{
			Subject: c.DisplaySubject(), SHA256: c.SHA256(), NotAfter: c.NotAfter,
			Field: omitted[i].Field, Detail: omitted[i].Detail, IsExclusion: omitted[i].IsExclusion,
		})
	}
	return b, nil
}

// reportedBundle returns what the status of a bundle reports.
func reportedBundle(definition survey.Definition) *report.InputBundle {
	status := survey.ReportOf(definition)
	b := &report.InputBundle{Kind: definition.Spec.ID.Kind.String(), Name: definition.Spec.ID.Name, Digest: status.Digest}
	if status.LastChanged != nil {
		b.LastChanged = &status.LastChanged.Time
	}
	for _, c := range status.Conditions {
		b.Conditions = append(b.Conditions, report.Condition{Type: c.Type, IsTrue: c.Status == metav1.ConditionTrue, Reason: c.Reason, Message: c.Message})
	}
	if generation := definition.Object.GetGeneration(); status.ObservedGeneration != 0 && status.ObservedGeneration != generation {
		b.Notes = append(b.Notes, fmt.Sprintf("the status describes generation %d, and the current one is %d", status.ObservedGeneration, generation))
	}
	return b
}

// addBuilt adds what is built now.
func addBuilt(b *report.InputBundle, built *survey.Bundle) {
	for _, problem := range built.Built.Problems {
		b.Problems = append(b.Problems, problem.Error())
	}
	content := built.Built.Content
	b.Notes = append(b.Notes, content.Notes...)
	b.Notes = append(b.Notes, built.StateFaults...)
	b.Duplicates = content.Omitted.Duplicate
	if counts := content.BySource(); len(b.Problems) == 0 {
		for i := range b.Sources {
			n := counts[b.Sources[i].Field]
			b.Sources[i].Certificates = &n
		}
	}
	retainedFrom := len(content.Certificates) - len(content.Retained)
	for i := range content.Certificates {
		c := reportedCertificate(&content.Certificates[i])
		if i >= retainedFrom {
			until := built.Spec.Rotation.Until(content.Retained[i-retainedFrom])
			c.RetainedUntil = &until
		}
		b.Certificates = append(b.Certificates, c)
	}
}

func reportedCertificate(c *certs.Certificate) report.InputCertificate {
	return report.InputCertificate{
		Subject: c.DisplaySubject(), SHA256: c.SHA256(), NotBefore: notBefore(c), NotAfter: c.NotAfter,
		Origin: report.Origin{Field: c.Origin.Field, Object: c.Origin.Object, Key: c.Origin.Key, Block: c.Origin.Block},
	}
}

// notBefore returns the beginning of the validity, or nil for a nonconforming certificate.
func notBefore(c *certs.Certificate) *time.Time {
	parsed, err := x509.ParseCertificate(c.DER)
	if err != nil {
		return nil
	}
	return &parsed.NotBefore
}

// addTargets adds the wanted and the existing targets. The certificates of a bundle that cannot be
// built now are those of its targets, which stay as they are.
func (r *reportTrust) addTargets(ctx context.Context, b *report.InputBundle, built *survey.Bundle) (err error) {
	if built.Spec.Namespaces != nil {
		if b.Selected, err = r.live.Selected(ctx, built.Spec); err != nil {
			return err
		}
	}
	served := built.Spec
	served.Targets = nil
	for _, t := range built.Spec.Targets {
		wanted := report.Wanted{Kind: t.Kind.String(), IsClusterScoped: target.TypeOf(t.Kind).ClusterScoped}
		if built.Built.Revision != nil && built.Built.Revision.Shapes[t.Kind] != nil {
			shape := built.Built.Revision.Shapes[t.Kind]
			wanted.Digest = shape.Digest
			if shape.Refused != nil {
				b.Notes = append(b.Notes, fmt.Sprintf("the API server would refuse the %s: %s", t.Kind, shape.Refused))
			}
		}
		b.Wanted = append(b.Wanted, wanted)
		isServed, err := r.serves(t.Kind)
		switch {
		case err != nil:
			return err
		case isServed:
			served.Targets = append(served.Targets, t)
		default:
			b.Notes = append(b.Notes, fmt.Sprintf("the API server does not serve the kind %s", t.Kind))
		}
	}
	targets, err := r.live.TargetsOf(ctx, served)
	if err != nil {
		return err
	}
	for _, t := range targets {
		b.Targets = append(b.Targets, report.Target{Kind: t.Kind.String(), Namespace: t.Namespace, Digest: t.Digest})
	}
	if len(b.Problems) > 0 {
		r.addDeployed(ctx, b, served, targets)
	}
	return nil
}

// addDeployed adds the certificates that most targets have. If they cannot be read, the report has a
// note.
func (r *reportTrust) addDeployed(ctx context.Context, b *report.InputBundle, spec bundle.Spec, targets []survey.Target) {
	common, others, ok := survey.MostCommon(targets)
	if !ok {
		return
	}
	certificates, err := r.live.CertificatesIn(ctx, spec, common.Ref)
	if err != nil {
		b.Notes = append(b.Notes, "the certificates of the targets are unknown: "+err.Error())
		return
	}
	note := fmt.Sprintf("the certificates are those of %s", common.Ref)
	if others > 0 {
		note += fmt.Sprintf("; the content of %d other targets is different", others)
	}
	b.Notes = append(b.Notes, note)
	b.Certificates, b.Deployed = nil, common.Digest
	for i := range certificates {
		b.Certificates = append(b.Certificates, reportedCertificate(&certificates[i]))
	}
}

// serves reports whether the API server serves a kind of targets in a version that is supported.
func (r *reportTrust) serves(kind bundle.Kind) (bool, error) {
	described := target.TypeOf(kind)
	for _, version := range described.Versions() {
		_, err := r.connected.RESTMapper().RESTMapping(described.GVK.GroupKind(), version.Version)
		if err == nil {
			return true, nil
		}
		if !meta.IsNoMatchError(err) {
			return false, err
		}
	}
	return false, nil
}

// sourceDescription describes what a source reads.
func (r *reportTrust) sourceDescription(s bundle.Source) string {
	switch {
	case s.DefaultCAs:
		return "default CA package"
	case s.TrustBundle != nil && s.TrustBundle.Name != "":
		return "ClusterTrustBundle " + s.TrustBundle.Name
	case s.TrustBundle != nil:
		text := "ClusterTrustBundles of the signer " + s.TrustBundle.Signer
		if s.TrustBundle.Selector != nil && !s.TrustBundle.Selector.Empty() {
			text += " with " + s.TrustBundle.Selector.String()
		}
		return text
	case s.Object == nil:
		return "text in the definition"
	}
	return r.objectDescription(s.Object)
}

// objectDescription describes which objects and keys a source reads.
func (r *reportTrust) objectDescription(s *bundle.ObjectSource) string {
	text := fmt.Sprintf("%s %s/%s", s.Kind, r.cluster.trustNamespace, s.Name)
	if s.Selector != nil {
		text = fmt.Sprintf("%ss in %s with %s", s.Kind, r.cluster.trustNamespace, s.Selector)
		if s.Selector.Empty() {
			text = fmt.Sprintf("all %ss in %s", s.Kind, r.cluster.trustNamespace)
		}
	}
	switch {
	case s.AllKeys:
		text += ", all keys"
	case s.Pattern != "":
		text += ", keys " + string(s.Pattern)
	default:
		text += ", key " + s.Key
	}
	if s.Optional {
		text += ", optional"
	}
	return text
}
