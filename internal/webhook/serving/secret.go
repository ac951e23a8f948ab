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

// holdSecret has the Secret in order, and gives what it holds and until when that
// is in order. Where it cannot be written, what it holds is given with the error.
// Inherited certificates of which the first is none of its CAs are a reason for a new CA: they
// are trusted beside it, for as long as those before any other.
func (k *Keeper) holdSecret(ctx context.Context, inherited []*x509.Certificate) (held contents, until time.Time, err error) {
	secret, err := k.readSecret(ctx)
	if err != nil {
		return contents{}, time.Time{}, err
	}
	now := k.options.Clock.Now()
	found := decide(secret.Data, k.names, now)
	held, _ = parse(secret.Data)
	if found.step != replace && isForeign(inherited, held.authorities) {
		found = verdict{step: replace, why: "the caBundle is of another origin"}
	}
	if found.step == keep {
		k.remembered = held.authorities
		return held, found.until, nil
	}
	made, err := k.write(ctx, secret, found, held, inherited, now)
	if err != nil {
		return held, time.Time{}, err
	}
	k.remembered = made.authorities
	k.options.Log.Info("Wrote the webhook's own certificates", "secret", client.ObjectKeyFromObject(secret), "why", found.why)
	return made, decide(secret.Data, k.names, now).until, nil
}

// readSecret gives an object without a resource version if there is no Secret.
func (k *Keeper) readSecret(ctx context.Context) (*corev1.Secret, error) {
	// The type keeps the private keys from Bundles that read whole Secrets.
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

// write takes the step and puts the outcome in the place of all that the Secret
// holds, whoever has written that: it is this operator's by its name. Labels,
// annotations and the type stay. A Secret that has changed since it was read is left
// alone, with an error.
func (k *Keeper) write(ctx context.Context, secret *corev1.Secret, found verdict, held contents, inherited []*x509.Certificate, now time.Time) (contents, error) {
	if !k.writes.TryAccept() {
		return contents{}, errTooOften
	}
	before := slices.Concat(k.issuers(), inherited, trusted(secret.Data), k.remembered)
	made, err := found.step.take(held, before, k.names, now)
	if err != nil {
		return contents{}, err
	}
	if secret.Data, err = made.encode(); err != nil {
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
	return made, nil
}

// issuers gives the CAs of the certificate that is shown, if they are remembered.
func (k *Keeper) issuers() (issuers []*x509.Certificate) {
	for _, authority := range k.remembered {
		if k.shown.current != nil && k.shown.current.Leaf.CheckSignatureFrom(authority) == nil {
			issuers = append(issuers, authority)
		}
	}
	return issuers
}
