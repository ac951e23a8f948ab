package cli

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/decode"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/survey"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/text"
	"trust-manager.io/internal/verify"
)

// anchors are the certificates that a chain is verified with.
type anchors struct {
	// name describes them, for example "Bundle example in namespace default".
	name         string
	certificates []certs.Certificate
	// notes describe what is unusual about the place that they are read from.
	notes []string
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
	return v.bundleAnchors(ctx, connected, cluster, definition, namespace)
}

// bundleAnchors returns the certificates of a bundle as they are in a namespace.
func (v *verification) bundleAnchors(ctx context.Context, reader client.Reader, cluster *survey.Cluster, definition *survey.Definition, namespace string) (anchors, error) {
	spec := definition.Spec
	if len(spec.Targets) == 0 {
		return anchors{}, fmt.Errorf("%s has no target", spec.ID)
	}
	trust := anchors{known: func(ctx context.Context, chain [][]byte) ([]verify.Place, error) {
		return v.places(ctx, cluster, chain)
	}}
	var failures []error
	for _, wanted := range spec.Targets {
		ref := target.Ref{Kind: wanted.Kind, Name: bundle.ObjectName(wanted.Signer, spec.ID.Name)}
		if !target.TypeOf(wanted.Kind).ClusterScoped {
			ref.Namespace = namespace
		}
		certificates, err := cluster.CertificatesIn(ctx, spec, ref)
		if err == nil {
			trust.name, trust.certificates = fmt.Sprintf("%s as in %s", spec.ID, ref), certificates
			return trust, nil
		}
		failures = append(failures, err)
		detail := err.Error()
		if apierrors.IsNotFound(err) {
			detail = ref.String() + " does not exist"
		}
		trust.notes = append(trust.notes, detail+", so another target of "+spec.ID.String()+" was read")
	}
	for _, err := range failures {
		if !apierrors.IsNotFound(err) {
			return anchors{}, err
		}
	}
	return anchors{}, fmt.Errorf("namespace %s has no target of %s: %s", namespace, spec.ID, whyNoTarget(ctx, reader, definition, namespace))
}

// whyNoTarget returns why a namespace has no target of a bundle, as far as it can be read.
func whyNoTarget(ctx context.Context, reader client.Reader, definition *survey.Definition, namespace string) string {
	var present corev1.Namespace
	err := reader.Get(ctx, client.ObjectKey{Name: namespace}, &present)
	report := survey.ReportOf(*definition)
	isSynced := func(c metav1.Condition) bool { return c.Type == ledger.ConditionSynced }
	at := slices.IndexFunc(report.Conditions, isSynced)
	switch {
	case apierrors.IsNotFound(err):
		return "the namespace does not exist"
	case err == nil && !definition.Spec.Namespaces.Matches(labels.Set(present.Labels)):
		return fmt.Sprintf("the labels of the namespace do not match its namespaceSelector: %s", definition.Spec.Namespaces)
	case at >= 0 && report.Conditions[at].Status == metav1.ConditionFalse:
		return fmt.Sprintf("it is not in sync: %s: %s", report.Conditions[at].Reason, text.Printable(report.Conditions[at].Message))
	case err != nil:
		return fmt.Sprintf("whether its namespaceSelector matches is unknown: %v", err)
	}
	return "it has not been written yet; see the status of " + definition.Spec.ID.String()
}

// configMapAnchors returns the certificates of the ConfigMap of a bundle, for users who may read
// nothing else. The keys of its files are not known then, so all of them must have the same
// certificates.
func (v *verification) configMapAnchors(ctx context.Context, cluster *survey.Cluster, namespace string) (anchors, error) {
	ref := target.Ref{Kind: bundle.ConfigMap, Namespace: namespace, Name: v.bundle}
	object, err := cluster.Read(ctx, ref)
	if err != nil {
		return anchors{}, err
	}
	var trust anchors
	var keys []string
	isAmbiguous := false
	for _, value := range textsOf(ref.String(), object.Text, object.Binary) {
		content, err := decode.File([]byte(value.data), nil)
		if err != nil || len(content.Entries) == 0 {
			continue
		}
		certificates := certificatesIn(content, value.origin)
		if len(keys) == 0 {
			trust = anchors{name: fmt.Sprintf("%s, key %q", ref, value.origin.Key), certificates: certificates}
		}
		isAmbiguous = isAmbiguous || !isSameSet(trust.certificates, certificates)
		keys = append(keys, strconv.Quote(value.origin.Key))
	}
	switch {
	case len(keys) == 0:
		return anchors{}, fmt.Errorf("%s has no file of certificates that can be read without a password", ref)
	case isAmbiguous:
		return anchors{}, fmt.Errorf("%s: the keys %s have different certificates, and which of them are those of the bundle is unknown without the right to list Bundles and ClusterBundles; give one as a file with --file",
			ref, strings.Join(keys, ", "))
	}
	return trust, nil
}

// isSameSet reports whether two lists have the same certificates, in any order.
func isSameSet(a, b []certs.Certificate) bool {
	set := func(list []certs.Certificate) map[[sha256.Size]byte]bool {
		fingerprints := map[[sha256.Size]byte]bool{}
		for i := range list {
			fingerprints[list[i].Fingerprint] = true
		}
		return fingerprints
	}
	return maps.Equal(set(a), set(b))
}

// places returns the certificates of all bundles, and what is known of those that none trusts.
func (v *verification) places(ctx context.Context, cluster *survey.Cluster, chain [][]byte) (places []verify.Place, err error) {
	all, err := cluster.Appearances(ctx, progress(v.streams, "reading bundle"))
	if err != nil {
		return nil, err
	}
	for _, note := range cluster.Notes() {
		warnf(v.streams.ErrOut, "%s", note)
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
