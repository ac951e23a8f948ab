package survey

import (
	"cmp"
	"context"
	"crypto/sha256"
	"maps"
	"slices"

	"trust-manager.io/internal/build"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/source"
)

// DefaultCAs returns the default CA package: the given one, or what is known of it from the targets of
// the bundles that use it. It is empty if nothing is known.
func (c *Cluster) DefaultCAs(ctx context.Context) (defaultCAs *source.DefaultCAs, isDerived bool, err error) {
	if c.defaultCAs != nil {
		return c.defaultCAs, c.derived, nil
	}
	definitions, err := c.Definitions(ctx)
	if err != nil {
		return nil, false, err
	}
	using, version := usingDefaultCAs(definitions)
	var all []certs.Certificate
	seen := map[[sha256.Size]byte]bool{}
	for _, definition := range using {
		certificates, err := c.derive(ctx, definition)
		if err != nil {
			c.note("the default CA package cannot be derived from %s: %v", definition.Spec.ID, err)
			continue
		}
		for _, certificate := range certificates {
			if !seen[certificate.Fingerprint] {
				seen[certificate.Fingerprint] = true
				certificate.Origin = source.OriginOf(version)
				certificate.Origin.Block = len(all) + 1
				all = append(all, certificate)
			}
		}
	}
	c.defaultCAs = &source.DefaultCAs{}
	if len(all) > 0 {
		c.defaultCAs, c.derived = source.NewDefaultCAs(version, all), true
	}
	return c.defaultCAs, c.derived, nil
}

// usingDefaultCAs returns the bundles that have the version of the default CA package that most of
// them have. Those that say most about it come first: they have no other source, filter or exclusion.
func usingDefaultCAs(definitions []Definition) (using []Definition, version string) {
	versions := map[string]int{}
	for _, definition := range definitions {
		if id := ReportOf(definition).DefaultCAVersion; usesDefaultCAs(definition.Spec) && id != "" && len(definition.Invalid) == 0 {
			versions[id]++
		}
	}
	for _, id := range slices.Sorted(maps.Keys(versions)) {
		if versions[id] >= versions[version] {
			version = id
		}
	}
	using = slices.DeleteFunc(slices.Clone(definitions), func(d Definition) bool {
		return version == "" || ReportOf(d).DefaultCAVersion != version || !usesDefaultCAs(d.Spec) || len(d.Invalid) > 0
	})
	disturbances := func(d Definition) int {
		filter, n := d.Spec.Filter, len(d.Spec.Sources)+len(d.Spec.Filter.Exclude)
		for _, policy := range []bundle.Policy{filter.Expired, filter.NonCA, filter.NotSelfSigned} {
			if policy == bundle.Drop {
				n++
			}
		}
		return n
	}
	slices.SortStableFunc(using, func(a, b Definition) int { return cmp.Compare(disturbances(a), disturbances(b)) })
	return using, version
}

// usesDefaultCAs reports whether a source of a bundle is the default CA package.
func usesDefaultCAs(spec bundle.Spec) bool {
	return slices.ContainsFunc(spec.Sources, func(s bundle.Source) bool { return s.DefaultCAs })
}

// derive returns the certificates of a target that are from the default CA package, as far as that is
// known: those of no other source, which are not retained, and what is between them. The result is
// empty if another source cannot be read.
func (c *Cluster) derive(ctx context.Context, definition Definition) ([]certs.Certificate, error) {
	targets, err := c.TargetsOf(ctx, definition.Spec)
	if err != nil {
		return nil, err
	}
	common, _, ok := MostCommon(targets)
	if !ok {
		return nil, nil
	}
	certificates, err := c.CertificatesIn(ctx, definition.Spec, common.Ref)
	if err != nil {
		return nil, err
	}
	others := definition
	others.Spec.Targets = nil
	others.Spec.Sources = slices.DeleteFunc(slices.Clone(others.Spec.Sources), func(s bundle.Source) bool { return s.DefaultCAs })
	known := map[[sha256.Size]byte]bool{}
	state, _, err := c.State(ctx, definition.Spec.ID)
	if err != nil {
		return nil, err
	}
	for _, retained := range state.Retained {
		known[retained.Certificate.Fingerprint] = true
	}
	if len(others.Spec.Sources) > 0 {
		config, _, err := c.builder(ctx, others)
		if err != nil {
			return nil, err
		}
		built, err := build.New(config).Build(ctx, others.Spec, bundle.State{}, nil)
		if err != nil || len(built.Problems) > 0 {
			return nil, err
		}
		for i := range built.Content.Certificates {
			known[built.Content.Certificates[i].Fingerprint] = true
		}
	}
	isFromPackage := func(certificate certs.Certificate) bool { return !known[certificate.Fingerprint] }
	first := slices.IndexFunc(certificates, isFromPackage)
	if first < 0 {
		return nil, nil
	}
	last := first
	for i := range certificates {
		if isFromPackage(certificates[i]) {
			last = i
		}
	}
	// The certificates of a source are adjacent, so what is between is from the package, and also
	// from another source.
	return certificates[first : last+1], nil
}
