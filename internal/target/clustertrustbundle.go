package target

import (
	"fmt"
	"strconv"
	"strings"

	certificatesv1 "k8s.io/api/certificates/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
)

// signerField is the field of a ClusterTrustBundle's spec that has the signer.
const signerField = "signerName"

// acceptsTrustAnchors returns why the API server would refuse the certificates of a bundle as the
// content of a ClusterTrustBundle, by the rules of Kubernetes 1.37: each has to be a CA by its basic
// constraints. A bundle has no duplicates, and its size is limited to the same [MaxSize].
func acceptsTrustAnchors(content bundle.Bundle) error {
	var first string
	refused := 0
	for i := range content.Certificates {
		certificate := &content.Certificates[i]
		fault, remedy := FaultOfTrustAnchor(certificate)
		if fault == "" {
			continue
		}
		if refused++; refused > 1 {
			continue
		}
		origin := certificate.Origin.String()
		if i >= len(content.Certificates)-len(content.Retained) {
			origin, remedy = retainedFrom(certificate), exclude
		}
		first = fmt.Sprintf("%s: %s: the certificate %s", remedy, origin, fault)
	}
	if refused == 0 {
		return nil
	}
	// The end of a long text is cut in a status.
	return fmt.Errorf("the API server refuses %d of %d certificates; %s", refused, len(content.Certificates), first)
}

// retainedFrom describes where a retained certificate was last, or which one it is: a rotation
// state that was read from its ConfigMap does not say where.
func retainedFrom(certificate *certs.Certificate) string {
	const retained = "retained (spec.rotation)"
	if certificate.Origin.Field == "" && certificate.Origin.Object == "" {
		return retained + ", SHA-256 " + certificate.SHA256()
	}
	return retained + " from " + certificate.Origin.String()
}

// exclude is the remedy for a certificate that no filter drops.
const exclude = "add it to spec.exclude"

// FaultOfTrustAnchor returns what the API server has against one certificate, and the remedy; both
// are empty if nothing.
func FaultOfTrustAnchor(certificate *certs.Certificate) (fault, remedy string) {
	switch {
	case certificate.Nonconforming != "":
		return "is nonconforming: " + certificate.Nonconforming, "set spec.filters.nonconforming: Drop"
	case certificate.CA && certificate.Version1:
		return "is a root of version 1, without basic constraints", exclude
	case !certificate.CA:
		return "is not a CA", "set spec.filters.notCA: Drop"
	}
	return "", ""
}

// remedyForTrustBundle returns what to do about an error of the API server, or "".
func remedyForTrustBundle(name string, err error) string {
	const missing = "add %s to %s in the Helm values"
	switch cause := fmt.Sprint(err); {
	case !apierrors.IsForbidden(err):
		return ""
	case strings.Contains(cause, "not permitted to attest"):
		return fmt.Sprintf(missing, "the signer", "clusterTrustBundles.signers")
	case strings.Contains(cause, " cannot "): // RBAC
		return fmt.Sprintf(missing, strconv.Quote(name), "clusterTrustBundles.names")
	}
	return ""
}

func fromClusterTrustBundle(object runtime.Object) *Object {
	trustBundle := object.(*certificatesv1.ClusterTrustBundle) //nolint:forcetypeassert // it is made by newObject
	fields := map[string]string{bundle.TrustBundleField: trustBundle.Spec.TrustBundle}
	if trustBundle.Spec.SignerName != "" {
		fields[signerField] = trustBundle.Spec.SignerName
	}
	return &Object{Kind: bundle.ClusterTrustBundle, Meta: trustBundle.ObjectMeta, Text: fields}
}

func toClusterTrustBundle(object *Object) runtime.Object {
	return &certificatesv1.ClusterTrustBundle{ObjectMeta: object.Meta, Spec: certificatesv1.ClusterTrustBundleSpec{
		SignerName: object.Text[signerField], TrustBundle: object.Text[bundle.TrustBundleField],
	}}
}
