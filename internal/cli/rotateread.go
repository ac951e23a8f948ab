package cli

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/decode"
	"trust-manager.io/internal/plan"
	"trust-manager.io/internal/survey"
	"trust-manager.io/internal/verify/peer"
)

// pods returns the pods that may run without the new CA, and adds their number to the rotation.
func (r *rotatePlan) pods(ctx context.Context, reader client.Reader, cluster *survey.Cluster, definitions []survey.Definition, rotation *plan.Rotation) (stale []usingPod) {
	finder := &pods{cluster: r.cluster, stale: true}
	for i := range definitions {
		definition := &definitions[i]
		id := definition.Spec.ID
		changed := survey.ReportOf(*definition).LastChanged
		if len(definition.Spec.Targets) == 0 {
			continue
		}
		if changed == nil {
			rotation.Unknown = append(rotation.Unknown, fmt.Sprintf("%s has no status.lastChanged, so it is unknown which pods started before it had the new CA", id))
			continue
		}
		objects, err := usedObjects(ctx, cluster, definition)
		found := &podList{LastChanged: changed}
		if err == nil {
			err = finder.list(ctx, reader, objects, found)
		}
		if err != nil {
			rotation.Unknown = append(rotation.Unknown, fmt.Sprintf("the pods that use %s are unknown: %v", id, err))
			continue
		}
		stale = append(stale, found.Pods...)
	}
	rotation.StalePods = len(stale)
	return stale
}

// servers adds the servers to the rotation: the hosts that are given, and the Secrets of servers.
func (r *rotatePlan) servers(ctx context.Context, reader client.Reader, rotation *plan.Rotation) {
	for _, host := range r.hosts {
		address, err := peer.ParseAddress(host)
		var presented *peer.Presented
		if err == nil {
			presented, err = peer.Fetch(ctx, address, peer.Options{StartTLS: r.starttls, Timeout: r.timeout})
		}
		if err != nil {
			rotation.Unknown = append(rotation.Unknown, fmt.Sprintf("the certificate of %s is unknown: %v", host, err))
			continue
		}
		rotation.Servers = append(rotation.Servers, plan.Server{Name: address.String(), Chain: presented.Chain})
	}
	options := []client.ListOption{client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("type", string(corev1.SecretTypeTLS))}}
	if r.cluster.Namespace != nil && *r.cluster.Namespace != "" {
		options = append(options, client.InNamespace(*r.cluster.Namespace))
	}
	err := eachPage(ctx, reader, &corev1.SecretList{}, func(page *corev1.SecretList) {
		for i := range page.Items {
			server := plan.Server{Name: fmt.Sprintf("Secret %s/%s", page.Items[i].Namespace, page.Items[i].Name)}
			content, err := decode.File(page.Items[i].Data[corev1.TLSCertKey], nil)
			if err != nil || len(content.Entries) == 0 {
				continue // it serves nothing
			}
			for _, entry := range content.Entries {
				server.Chain = append(server.Chain, entry.Certificate.DER)
			}
			rotation.Servers = append(rotation.Servers, server)
		}
	}, options...)
	if err != nil {
		rotation.Unknown = append(rotation.Unknown, fmt.Sprintf("the Secrets of type %s are unknown: %v", corev1.SecretTypeTLS, err))
	}
	r.ignoreCAs(rotation)
}

// ignoreCAs removes the Secrets that hold a CA with its key, as cert-manager's issuers do: a CA does
// not serve, and the old one is verified by itself.
func (r *rotatePlan) ignoreCAs(rotation *plan.Rotation) {
	rotation.Servers = slices.DeleteFunc(rotation.Servers, func(server plan.Server) bool {
		parsed, err := certs.ParseDER(server.Chain[0])
		return err == nil && len(parsed) == 1 && parsed[0].CA && sha256.Sum256(server.Chain[0]) == rotation.From.Fingerprint
	})
}
