package cli

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/decode"
	"trust-manager.io/internal/plan"
	"trust-manager.io/internal/survey"
	"trust-manager.io/internal/text"
	"trust-manager.io/internal/verify/peer"
)

// caKey is the key of the issuing CA in a Secret of a server, as cert-manager writes it.
const caKey = "ca.crt"

// pods returns the pods that may run without the new CA, each once, and adds their number to the
// rotation.
func (r *rotatePlan) pods(ctx context.Context, reader client.Reader, cluster *survey.Cluster, definitions []survey.Definition, rotation *plan.Rotation) (stale []usingPod) {
	finder := &pods{cluster: r.cluster, stale: true}
	for i := range definitions {
		definition := &definitions[i]
		id := definition.Spec.ID
		if len(definition.Spec.Targets) == 0 {
			continue
		}
		if survey.ReportOf(*definition).LastChanged == nil {
			rotation.UnknownPods = append(rotation.UnknownPods, fmt.Sprintf("%s has no status.lastChanged, so it is unknown which pods started before it had the new CA", id))
			continue
		}
		var using []usingPod
		objects, changed, err := usedObjects(ctx, cluster, definition)
		if err == nil {
			using, err = finder.list(ctx, reader, objects, changed)
		}
		if err != nil {
			rotation.UnknownPods = append(rotation.UnknownPods, fmt.Sprintf("the pods that use %s are unknown: %v", id, err))
			continue
		}
		stale = mergePods(stale, using)
	}
	rotation.StalePods = len(stale)
	return stale
}

// mergePods adds pods that use another bundle to a list.
func mergePods(list, others []usingPod) []usingPod {
	for _, pod := range others {
		at := slices.IndexFunc(list, func(p usingPod) bool { return p.Namespace == pod.Namespace && p.Name == pod.Name })
		if at < 0 {
			list = append(list, pod)
			continue
		}
		known := &list[at]
		known.Uses, known.Reason = append(known.Uses, pod.Uses...), worse(known.Reason, pod.Reason)
		known.StartedAt = earlier(known.StartedAt, pod.StartedAt)
	}
	return list
}

// earlier returns the earlier of two times, of which nil is unknown.
func earlier(a, b *metav1.Time) *metav1.Time {
	if a == nil || b != nil && b.Before(a) {
		return b
	}
	return a
}

// servers adds the servers to the rotation: the hosts that are given, and the Secrets of servers.
func (r *rotatePlan) servers(ctx context.Context, reader client.Reader, rotation *plan.Rotation) {
	for _, host := range r.hosts {
		server, err := r.host(ctx, host)
		if err != nil {
			rotation.UnknownServers = append(rotation.UnknownServers, fmt.Sprintf("the certificate of %s is unknown: %v", host, err))
			continue
		}
		rotation.Servers = append(rotation.Servers, server)
	}
	secrets := tlsSecrets{rotation: rotation, seen: map[string]bool{}}
	options := []client.ListOption{
		client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("type", string(corev1.SecretTypeTLS))},
		client.InNamespace(r.cluster.givenNamespace()),
	}
	err := eachPage(ctx, reader, &corev1.SecretList{}, func(page *corev1.SecretList) {
		for i := range page.Items {
			secrets.add(&page.Items[i])
		}
	}, options...)
	if err != nil {
		rotation.UnknownServers = append(rotation.UnknownServers, fmt.Sprintf("the Secrets of type %s are unknown: %v", corev1.SecretTypeTLS, err))
	}
	secrets.report()
}

// host returns a server as it presents itself.
func (r *rotatePlan) host(ctx context.Context, host string) (plan.Server, error) {
	address, err := peer.ParseAddress(host)
	if err != nil {
		return plan.Server{}, err
	}
	presented, err := peer.Fetch(ctx, address, peer.Options{StartTLS: r.starttls, Timeout: r.timeout})
	if err != nil {
		return plan.Server{}, err
	}
	if err := presented.Failure(); err != nil {
		return plan.Server{}, fmt.Errorf("the TLS handshake failed: %w", err)
	}
	return plan.Server{Name: address.String(), Chain: presented.Chain}, nil
}

// tlsSecrets adds Secrets of type kubernetes.io/tls to a rotation.
type tlsSecrets struct {
	rotation *plan.Rotation
	// seen are the values of ca.crt that have been read: many Secrets have the same one.
	seen map[string]bool
	// unreadable describes what is wrong with Secrets whose tls.crt cannot be read.
	unreadable []string
}

// add adds a Secret, unless it has no certificate.
func (s *tlsSecrets) add(secret *corev1.Secret) {
	if ca := string(secret.Data[caKey]); !s.seen[ca] {
		s.seen[ca] = true
		content, _ := decode.File([]byte(ca), nil) // it only helps to find issuers
		s.rotation.Known = append(s.rotation.Known, certificatesIn(content, certs.Origin{})...)
	}
	data := secret.Data[corev1.TLSCertKey]
	if strings.TrimSpace(string(data)) == "" {
		return
	}
	server := plan.Server{Name: fmt.Sprintf("Secret %s/%s", secret.Namespace, secret.Name)}
	content, err := decode.File(data, nil)
	if err == nil && len(content.Entries) == 0 {
		err = errors.New("it has no certificate")
	}
	if err != nil {
		s.unreadable = append(s.unreadable, fmt.Sprintf("%s: %s cannot be read: %v", server.Name, corev1.TLSCertKey, err))
		return
	}
	for _, entry := range content.Entries {
		server.Chain = append(server.Chain, entry.Certificate.DER)
	}
	if !isIssuer(&content.Entries[0].Certificate, &s.rotation.From) {
		s.rotation.Servers = append(s.rotation.Servers, server)
	}
}

// maxUnreadable is how many Secrets that cannot be read are described.
const maxUnreadable = 5

// report adds the Secrets that cannot be read to the rotation.
func (s *tlsSecrets) report() {
	shown := s.unreadable[:min(maxUnreadable, len(s.unreadable))]
	s.rotation.UnknownServers = append(s.rotation.UnknownServers, shown...)
	if more := len(s.unreadable) - len(shown); more > 0 {
		s.rotation.UnknownServers = append(s.rotation.UnknownServers, fmt.Sprintf("%s: %s cannot be read", text.Count(more, "more Secret"), corev1.TLSCertKey))
	}
}

// isIssuer reports whether a certificate is that of the old CA in a Secret with its key, as
// cert-manager's issuers use it: it does not serve. One with the names of hosts may serve.
func isIssuer(certificate, from *certs.Certificate) bool {
	parsed, err := x509.ParseCertificate(certificate.DER)
	return certificate.CA && isTwin(certificate, from) && err == nil && len(parsed.DNSNames)+len(parsed.IPAddresses) == 0
}

// isTwin reports whether two certificates have the same name and key.
func isTwin(a, b *certs.Certificate) bool {
	return bytes.Equal(a.RawSubject, b.RawSubject) && bytes.Equal(a.RawPublicKey, b.RawPublicKey)
}
