package source

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	certificatesv1 "k8s.io/api/certificates/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
)

// TrustBundles reads ClusterTrustBundles.
type TrustBundles interface {
	// List returns all objects, in any order, or why they are unknown. The objects are shared and
	// must not be modified. Those that sources may not read have no content.
	List() ([]*certificatesv1.ClusterTrustBundle, error)
}

// TrustBundleFlag is the flag that lists the ClusterTrustBundles that sources may read.
const TrustBundleFlag = "cluster-trust-bundle-sources"

// anyPath is the path of all signers of a domain, as in RBAC.
const anyPath = "*"

// AllowedTrustBundles are the names and signers of the ClusterTrustBundles that sources may read.
// The right to write one of them is the power to decide what Bundles trust.
type AllowedTrustBundles struct {
	names, signers map[string]bool
}

// AllowTrustBundles parses the values of the flag: names of objects, and signers, which have a
// slash. The path of a signer may be * for all of its domain.
func AllowTrustBundles(values []string) (AllowedTrustBundles, error) {
	allowed := AllowedTrustBundles{names: map[string]bool{}, signers: map[string]bool{}}
	for _, value := range values {
		domain, path, isSigner := strings.Cut(value, "/")
		switch {
		case isSigner && isSubdomain(domain) && strings.Contains(domain, ".") && (path == anyPath || isSubdomain(path)):
			allowed.signers[value] = true
		case isSigner:
			return allowed, fmt.Errorf("%q is not a signer: a domain with a dot, a slash, and a path or *, such as example.com/my-signer", value)
		case isObjectName(value):
			allowed.names[value] = true
		default:
			return allowed, fmt.Errorf("%q is neither the name of a ClusterTrustBundle, nor a signer such as example.com/my-signer", value)
		}
	}
	return allowed, nil
}

// isObjectName reports whether a text is the name of a ClusterTrustBundle, with or without a
// signer before it.
func isObjectName(text string) bool {
	return !slices.ContainsFunc(strings.Split(text, ":"), func(part string) bool { return !isSubdomain(part) })
}

func isSubdomain(text string) bool { return len(validation.IsDNS1123Subdomain(text)) == 0 }

// Any reports whether anything may be read.
func (a AllowedTrustBundles) Any() bool { return len(a.names)+len(a.signers) > 0 }

// Allows reports whether sources may read the object with this name and signer, which may be
// empty.
func (a AllowedTrustBundles) Allows(name, signer string) bool {
	return a.names[name] || signer != "" && a.allowsSigner(signer)
}

func (a AllowedTrustBundles) allowsSigner(signer string) bool {
	domain, _, _ := strings.Cut(signer, "/")
	return a.signers[signer] || a.signers[domain+"/"+anyPath]
}

// signerOf returns the signer that the name of an object begins with, or "".
func signerOf(name string) string {
	at := strings.LastIndex(name, ":")
	if at < 0 {
		return ""
	}
	return strings.ReplaceAll(name[:at], ":", "/")
}

// trustBundlesOf reads the ClusterTrustBundles that a source names or selects, in the order of
// their names (F5). A target is never a source.
func (g *Gatherer) trustBundlesOf(source bundle.TrustBundleSource, origin certs.Origin) []bundle.Input {
	if source.Name != "" {
		origin.Object = bundle.ClusterTrustBundle.String() + " " + source.Name
	}
	if problem := g.forbidden(source, origin); problem != nil {
		return []bundle.Input{{Origin: origin, Problem: problem}}
	}
	all, err := g.trustBundles.List()
	if err != nil {
		return []bundle.Input{{Origin: origin, Problem: &certs.Problem{Origin: origin, Reason: bundle.TrustBundleUnavailable, Detail: err.Error()}}}
	}
	if source.Name != "" {
		input := g.named(source, origin, all)
		input.Source = origin.Object
		return []bundle.Input{input}
	}
	objects := slices.DeleteFunc(all, func(object *certificatesv1.ClusterTrustBundle) bool {
		return object.Spec.SignerName != source.Signer || g.isTrustBundleTarget(object) ||
			source.Selector != nil && !source.Selector.Matches(labels.Set(object.Labels))
	})
	slices.SortFunc(objects, func(a, b *certificatesv1.ClusterTrustBundle) int { return cmp.Compare(a.Name, b.Name) })
	inputs := make([]bundle.Input, 0, len(objects))
	for _, object := range objects {
		origin.Object = bundle.ClusterTrustBundle.String() + " " + object.Name
		inputs = append(inputs, bundle.Input{Origin: origin, Texts: []bundle.Text{{PEM: object.Spec.TrustBundle}}})
	}
	return inputs
}

// forbidden returns a problem if a source is not allowed.
func (g *Gatherer) forbidden(source bundle.TrustBundleSource, origin certs.Origin) *certs.Problem {
	what, isAllowed := "name "+source.Name, g.allowed.Allows(source.Name, signerOf(source.Name))
	if source.Name == "" {
		what, isAllowed = "signer "+source.Signer, g.allowed.allowsSigner(source.Signer)
	}
	if isAllowed {
		return nil
	}
	return &certs.Problem{Origin: origin, Reason: certs.SourceBuildError, Detail: fmt.Sprintf(
		"the operator must not read ClusterTrustBundles of the %s; to allow it, add that to --%s, or to clusterTrustBundles.sources in the Helm values",
		what, TrustBundleFlag)}
}

// named reads the object that a source names, among all.
func (g *Gatherer) named(source bundle.TrustBundleSource, origin certs.Origin, all []*certificatesv1.ClusterTrustBundle) bundle.Input {
	at := slices.IndexFunc(all, func(object *certificatesv1.ClusterTrustBundle) bool { return object.Name == source.Name })
	switch {
	case at < 0 && source.Optional:
		return ignored(origin, "the object does not exist")
	case at < 0:
		return bundle.Input{Origin: origin, Problem: missing(origin, "the object does not exist")}
	case g.isTrustBundleTarget(all[at]):
		return bundle.Input{Origin: origin, Problem: &certs.Problem{Origin: origin, Reason: certs.SourceBuildError,
			Detail: "the object is the target of a Bundle, which is never a source; use the sources of that Bundle"}}
	}
	return bundle.Input{Origin: origin, Texts: []bundle.Text{{PEM: all[at].Spec.TrustBundle}}}
}

// isTrustBundleTarget reports whether an object carries the label of a target of any API kind.
func (g *Gatherer) isTrustBundleTarget(object *certificatesv1.ClusterTrustBundle) bool {
	return slices.ContainsFunc(g.targetLabels, func(label string) bool { return object.Labels[label] != "" })
}
