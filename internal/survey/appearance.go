package survey

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/ledger"
)

// Standing is what a bundle, or the default CA package, does with a certificate.
type Standing string

// The standings.
const (
	// Included: it is in the bundle, from a source.
	Included Standing = "Included"
	// Retained: it is in the bundle although it has left its sources.
	Retained Standing = "Retained"
	// Deployed: it is in targets of a bundle that cannot be built now, or that are not up to date.
	Deployed Standing = "Deployed"
	// LeftOut: it is in a source, and a filter or an exclusion keeps it out.
	LeftOut Standing = "LeftOut"
	// Evicted: its retention ended early, because the limit was reached.
	Evicted Standing = "Evicted"
	// Packaged: it is in the default CA package.
	Packaged Standing = "Packaged"
)

// Trusts reports whether software that uses the bundle trusts the certificate.
func (s Standing) Trusts() bool { return s == Included || s == Retained || s == Deployed }

// Appearance is a certificate in a bundle, or the reason why it is not in it.
type Appearance struct {
	// Certificate has only a fingerprint if nothing else is known of it.
	Certificate certs.Certificate
	// Bundle is empty if the certificate is in the default CA package.
	Bundle   bundle.ID
	Standing Standing
	// Origin is where it is from.
	Origin string
	// Until is when it leaves the bundle by itself, or zero.
	Until time.Time
	// Namespaces is the number of namespaces whose targets have it, as far as their metadata say.
	Namespaces int
	// Field is the field of the bundle that leaves it out.
	Field string
	// Detail describes why it is not in the bundle, or what else there is to know.
	Detail string
}

// Description returns where the certificate is, for messages.
func (a Appearance) Description() string {
	switch a.Standing {
	case Included:
		return a.Bundle.String()
	case Retained:
		return a.Bundle.String() + ", retained until " + a.Until.UTC().Format(time.RFC3339)
	case Deployed:
		return fmt.Sprintf("%s, which is in targets of %s only: %s", a.Origin, a.Bundle, a.Detail)
	case Packaged:
		return a.Origin
	case LeftOut, Evicted:
	}
	return fmt.Sprintf("not in %s: %s", a.Bundle, a.Detail)
}

// Appearances returns every certificate of every bundle and of the default CA package, and what is
// left out. What cannot be read of a bundle is one of the [Cluster.Notes]. The function progress is
// called before each bundle.
func (c *Cluster) Appearances(ctx context.Context, progress func(done, total int)) ([]Appearance, error) {
	definitions, err := c.Definitions(ctx)
	if err != nil {
		return nil, err
	}
	var all []Appearance
	for i, definition := range definitions {
		progress(i, len(definitions))
		if IsSuperseded(definition) {
			continue
		}
		built, err := c.Build(ctx, definition)
		if err != nil {
			return nil, err
		}
		appearances, err := c.AppearancesIn(ctx, built)
		if err != nil {
			return nil, err
		}
		all = append(all, appearances...)
	}
	defaultCAs, _, err := c.DefaultCAs(ctx)
	if err != nil {
		return nil, err
	}
	for _, certificate := range defaultCAs.Certificates() {
		all = append(all, Appearance{Certificate: certificate, Standing: Packaged, Origin: "default CA package " + defaultCAs.ID()})
	}
	return all, nil
}

// AppearancesIn returns the certificates of one bundle.
func (c *Cluster) AppearancesIn(ctx context.Context, built *Bundle) ([]Appearance, error) {
	id := built.Spec.ID
	targets := c.readableTargets(ctx, built.Spec)
	appearances, stale := c.builtAppearances(built, targets)
	appearances = append(appearances, c.deployed(ctx, built, targets, stale, appearances)...)
	if len(built.Invalid) == 0 {
		omitted, err := c.Omitted(ctx, built.Definition)
		if err != nil {
			return nil, err
		}
		for _, o := range omitted {
			appearances = append(appearances, Appearance{
				Certificate: o.Certificate, Bundle: id, Standing: LeftOut, Origin: o.Certificate.Origin.String(), Field: o.Field, Detail: o.Detail,
			})
		}
	}
	for _, evicted := range built.State.Evicted {
		appearances = append(appearances, Appearance{
			Certificate: certs.Certificate{Fingerprint: evicted.Fingerprint}, Bundle: id, Standing: Evicted,
			Detail: "it left its sources on " + evicted.Left.UTC().Format(time.RFC3339) + ", and its retention ended early because of spec.rotation.maxRetained",
		})
	}
	return appearances, nil
}

// builtAppearances returns the certificates of a bundle as it is built now, and the targets that do not
// have them.
func (c *Cluster) builtAppearances(built *Bundle, targets []Target) (appearances []Appearance, stale []Target) {
	content := built.Built.Content
	if len(built.Built.Problems) > 0 {
		return nil, targets
	}
	namespaces := map[string]bool{}
	for _, t := range targets {
		if c.isCurrent(built, t, targets) {
			namespaces[t.Namespace] = true
		} else {
			stale = append(stale, t)
		}
	}
	delete(namespaces, "") // a ClusterTrustBundle is in none
	retainedFrom := len(content.Certificates) - len(content.Retained)
	for i, certificate := range content.Certificates {
		a := Appearance{
			Certificate: certificate, Bundle: built.Spec.ID, Standing: Included, Origin: certificate.Origin.String(), Namespaces: len(namespaces),
		}
		if i >= retainedFrom {
			a.Standing, a.Until = Retained, built.Spec.Rotation.Until(content.Retained[i-retainedFrom])
			a.Detail = "it left its sources on " + content.Retained[i-retainedFrom].Left.UTC().Format(time.RFC3339)
		}
		appearances = append(appearances, a)
	}
	return appearances, stale
}

// isCurrent reports whether a target has the content of its bundle. If the default CA package was
// derived, the digest of the content may differ from that of the operator: what its status calls in
// sync is, then.
func (c *Cluster) isCurrent(built *Bundle, t Target, all []Target) bool {
	shape := built.Built.Revision.Shapes[t.Kind]
	if shape == nil {
		return false
	}
	if !c.derived || !usesDefaultCAs(built.Spec) || !isSynced(built) {
		return shape.Digest == t.Digest
	}
	common, _, _ := MostCommon(slices.DeleteFunc(slices.Clone(all), func(other Target) bool { return other.Kind != t.Kind }))
	return common.Digest == t.Digest
}

// isSynced reports whether the status of a bundle is that of its generation, and all targets were in
// sync.
func isSynced(built *Bundle) bool {
	return built.Report.ObservedGeneration == built.Spec.Generation &&
		slices.ContainsFunc(built.Report.Conditions, func(condition metav1.Condition) bool {
			return condition.Type == ledger.ConditionReady && condition.Status == metav1.ConditionTrue
		})
}

// maxDeployed is how many contents of stale targets are read of one bundle.
const maxDeployed = 5

// deployed returns the certificates that are in stale targets only. One target of each content is read.
func (c *Cluster) deployed(ctx context.Context, built *Bundle, targets, stale []Target, known []Appearance) (appearances []Appearance) {
	detail := fmt.Sprintf("%d of %d targets are not up to date", len(stale), len(targets))
	if len(built.Built.Problems) > 0 {
		detail = "the bundle cannot be built now, so its targets stay as they are: " + built.Built.Problems.Error()
	}
	seen := map[[sha256.Size]byte]bool{}
	for i := range known {
		seen[known[i].Certificate.Fingerprint] = true
	}
	rest := stale
	for read := 0; len(rest) > 0; read++ {
		common, _, _ := MostCommon(rest)
		if read == maxDeployed {
			c.note("%s: its targets have more than %d contents, and not all of them were read", built.Spec.ID, maxDeployed)
			break
		}
		namespaces := map[string]bool{}
		rest = slices.DeleteFunc(slices.Clone(rest), func(t Target) bool {
			isSame := t.Kind == common.Kind && t.Digest == common.Digest
			namespaces[t.Namespace] = namespaces[t.Namespace] || isSame && t.Namespace != ""
			return isSame
		})
		certificates, err := c.CertificatesIn(ctx, built.Spec, common.Ref)
		if err != nil {
			c.note("%s: its targets cannot be read: %v", built.Spec.ID, err)
			continue
		}
		for _, certificate := range certificates {
			if !seen[certificate.Fingerprint] {
				seen[certificate.Fingerprint] = true
				appearances = append(appearances, Appearance{
					Certificate: certificate, Bundle: built.Spec.ID, Standing: Deployed, Origin: common.Ref.String(), Namespaces: count(namespaces), Detail: detail,
				})
			}
		}
	}
	return appearances
}

// count returns how many values are true.
func count(values map[string]bool) (n int) {
	for _, isTrue := range values {
		if isTrue {
			n++
		}
	}
	return n
}
