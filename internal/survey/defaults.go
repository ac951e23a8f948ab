package survey

import (
	"context"
	"crypto/sha256"
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
	var all []certs.Certificate
	var id string
	seen := map[[sha256.Size]byte]bool{}
	for _, definition := range definitions {
		report := ReportOf(definition)
		if !usesDefaultCAs(definition.Spec) || report.DefaultCAVersion == "" {
			continue
		}
		certificates, err := c.derive(ctx, definition)
		if err != nil {
			return nil, false, err
		}
		for _, certificate := range certificates {
			if !seen[certificate.Fingerprint] {
				seen[certificate.Fingerprint] = true
				all = append(all, certificate)
			}
		}
		id = report.DefaultCAVersion
	}
	c.defaultCAs = &source.DefaultCAs{}
	if len(all) > 0 {
		c.defaultCAs, c.derived = source.NewDefaultCAs(id, all), true
	}
	return c.defaultCAs, c.derived, nil
}

// usesDefaultCAs reports whether a source of a bundle is the default CA package.
func usesDefaultCAs(spec bundle.Spec) bool {
	return slices.ContainsFunc(spec.Sources, func(s bundle.Source) bool { return s.DefaultCAs })
}

// derive returns the certificates of a target that are from no other source than the default CA
// package, and not retained. The result is empty if another source cannot be read.
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
	return slices.DeleteFunc(certificates, func(certificate certs.Certificate) bool { return known[certificate.Fingerprint] }), nil
}
