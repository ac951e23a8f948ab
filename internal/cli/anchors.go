package cli

import (
	"context"
	"crypto/sha256"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/decode"
	"trust-manager.io/internal/survey"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/verify"
)

// anchors are the certificates that a chain is verified with.
type anchors struct {
	// name describes them, for example "Bundle example in namespace default".
	name         string
	certificates []certs.Certificate
	// known returns the certificates elsewhere, in which a missing CA of a chain is looked up. It may
	// be nil.
	known func(ctx context.Context, chain [][]byte) ([]verify.Place, error)
}

// anchors returns the certificates that the flags name.
func (v *verification) anchors(ctx context.Context) (anchors, error) {
	if v.file != "" {
		return v.fileAnchors()
	}
	connected, err := v.cluster.connect()
	if err != nil {
		return anchors{}, err
	}
	namespace, _, err := v.cluster.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return anchors{}, err
	}
	cluster := v.cluster.survey(connected, nil, v.clock)
	definition, err := activeDefinition(ctx, cluster, v.bundle)
	if apierrors.IsForbidden(err) {
		return v.configMapAnchors(ctx, cluster, namespace)
	}
	if err != nil {
		return anchors{}, err
	}
	return v.bundleAnchors(ctx, cluster, definition.Spec, namespace)
}

// bundleAnchors returns the certificates of a bundle as they are in a namespace.
func (v *verification) bundleAnchors(ctx context.Context, cluster *survey.Cluster, spec bundle.Spec, namespace string) (anchors, error) {
	if len(spec.Targets) == 0 {
		return anchors{}, fmt.Errorf("%s has no target", spec.ID)
	}
	var first error
	for _, wanted := range spec.Targets {
		ref := target.Ref{Kind: wanted.Kind, Name: bundle.ObjectName(wanted.Signer, spec.ID.Name)}
		if !target.TypeOf(wanted.Kind).ClusterScoped {
			ref.Namespace = namespace
		}
		certificates, err := cluster.CertificatesIn(ctx, spec, ref)
		if err == nil {
			return anchors{
				name: fmt.Sprintf("%s as in %s", spec.ID, ref), certificates: certificates,
				known: func(ctx context.Context, chain [][]byte) ([]verify.Place, error) {
					return v.places(ctx, cluster, chain)
				},
			}, nil
		}
		if first == nil {
			first = err
		}
	}
	if apierrors.IsNotFound(first) {
		return anchors{}, fmt.Errorf("namespace %s has no target of %s; is it selected by the namespaceSelector? %w", namespace, spec.ID, first)
	}
	return anchors{}, first
}

// configMapAnchors returns the certificates of the ConfigMap of a bundle, for users who may read
// nothing else.
func (v *verification) configMapAnchors(ctx context.Context, cluster *survey.Cluster, namespace string) (anchors, error) {
	ref := target.Ref{Kind: bundle.ConfigMap, Namespace: namespace, Name: v.bundle}
	object, err := cluster.Read(ctx, ref)
	if err != nil {
		return anchors{}, err
	}
	trust := anchors{name: ref.String()}
	for _, value := range textsOf(ref.String(), object.Text, object.Binary) {
		content, err := decode.File([]byte(value.data), nil)
		if err == nil && len(trust.certificates) == 0 {
			trust.certificates = certificatesIn(content, value.origin)
		}
	}
	if len(trust.certificates) == 0 {
		return anchors{}, fmt.Errorf("%s has no file of certificates that can be read without a password", ref)
	}
	return trust, nil
}

// places returns the certificates of all bundles, and what is known of those that none trusts.
func (v *verification) places(ctx context.Context, cluster *survey.Cluster, chain [][]byte) (places []verify.Place, err error) {
	all, err := cluster.Appearances(ctx, progress(v.streams, "reading bundle"))
	if err != nil {
		return nil, err
	}
	sent := map[[sha256.Size]byte][]byte{}
	for _, der := range chain {
		sent[sha256.Sum256(der)] = der
	}
	for _, found := range all {
		if len(found.Certificate.DER) == 0 { // of an evicted certificate, only the fingerprint is known
			parsed, err := certs.ParseDER(sent[found.Certificate.Fingerprint])
			if err != nil || len(parsed) == 0 {
				continue
			}
			found.Certificate = parsed[0]
		}
		place := verify.Place{Certificate: found.Certificate, Description: found.Description()}
		if found.Standing == survey.LeftOut {
			place.Remedy = fmt.Sprintf("change %s of %s", found.Field, found.Bundle)
		}
		places = append(places, place)
	}
	return places, nil
}
