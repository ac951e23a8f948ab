package serving

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ensureSecret creates, repairs or renews the Secret if necessary. It returns the contents
// and the time until which they are valid. If it cannot write the Secret, it returns the
// stored contents with the error. If the first of the inherited CAs is not one of the
// Secret's, it creates a new CA, and the inherited ones stay trusted like any previous CA.
func (k *Keeper) ensureSecret(ctx context.Context, inheritedCAs []*x509.Certificate) (current contents, until time.Time, err error) {
	secret, err := k.readSecret(ctx)
	if err != nil {
		return contents{}, time.Time{}, err
	}
	now := k.options.Clock.Now()
	d := decide(secret.Data, k.names, now)
	current, _ = parse(secret.Data)
	if d.step != replace && isForeign(inheritedCAs, current.authorities) {
		d = decision{step: replace, reason: "the caBundle was not written by the operator"}
	}
	if d.step == keep {
		k.previousCAs = current.authorities
		return current, d.until, nil
	}
	updated, err := k.write(ctx, secret, d, current, inheritedCAs, now)
	if err != nil {
		return current, time.Time{}, err
	}
	k.previousCAs = updated.authorities
	k.options.Log.Info("Wrote the self-managed webhook certificates", "secret", client.ObjectKeyFromObject(secret), "why", d.reason)
	return updated, decide(secret.Data, k.names, now).until, nil
}

// readSecret returns the Secret, or an object without a resource version if it does not
// exist.
func (k *Keeper) readSecret(ctx context.Context) (*corev1.Secret, error) {
	// The type prevents Bundles with includeAllKeys from reading the private keys.
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: k.options.Namespace, Name: SecretName(k.options.Name)},
		Type:       corev1.SecretTypeTLS,
	}
	err := k.options.Client.Get(ctx, client.ObjectKeyFromObject(secret), secret)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading the Secret: %w", err)
	}
	return secret, nil
}

// write applies the step and replaces all data of the Secret, whichever client wrote it:
// the name reserves the Secret for the operator. Labels, annotations and the type stay. If
// the Secret has changed since it was read, write returns an error.
func (k *Keeper) write(ctx context.Context, secret *corev1.Secret, d decision, current contents, inheritedCAs []*x509.Certificate, now time.Time) (contents, error) {
	if !k.writes.TryAccept() {
		return contents{}, errRateLimited
	}
	previous := slices.Concat(k.servedCAs(), inheritedCAs, trustAnchors(secret.Data), k.previousCAs)
	updated, err := d.step.apply(current, previous, k.names, now)
	if err != nil {
		return contents{}, err
	}
	if secret.Data, err = updated.encode(); err != nil {
		return contents{}, err
	}
	if secret.ResourceVersion == "" {
		err = k.options.Client.Create(ctx, secret)
	} else {
		err = k.options.Client.Update(ctx, secret)
	}
	if err != nil {
		return contents{}, fmt.Errorf("writing the Secret: %w", err)
	}
	return updated, nil
}

// servedCAs returns those previous CAs that issued the certificate that is served now.
func (k *Keeper) servedCAs() (servedCAs []*x509.Certificate) {
	for _, authority := range k.previousCAs {
		if k.state.current != nil && k.state.current.Leaf.CheckSignatureFrom(authority) == nil {
			servedCAs = append(servedCAs, authority)
		}
	}
	return servedCAs
}
