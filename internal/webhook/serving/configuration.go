package serving

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// WebhookName is the name of the operator's entry in the ValidatingWebhookConfiguration.
// Other entries of the object are not changed.
const WebhookName = "trust.cert-manager.io"

// issuerAnnotation on a configuration names the issuer of the certificate, if it may be
// another component; selfManaged means this operator. The chart sets it, and thereby hands
// over the caBundle to another issuer in the same write that changes the caBundle.
const (
	issuerAnnotation = "trust-manager.io/webhook-certificate"
	selfManaged      = "selfManaged"
)

// checkIssuer returns an error if another component issues the certificate. Neither the
// caBundle nor the Secret may be changed then: either this replica belongs to the previous
// revision of the release, or a replica that does still needs the caBundle.
func checkIssuer(configuration *admissionregistrationv1.ValidatingWebhookConfiguration) error {
	issuer, isSet := configuration.Annotations[issuerAnnotation]
	if !isSet || issuer == selfManaged {
		return nil
	}
	return fmt.Errorf("the ValidatingWebhookConfiguration %s is for the certificate of another issuer: its annotation %s is %q, not %q",
		configuration.Name, issuerAnnotation, issuer, selfManaged)
}

// readConfiguration returns the configuration, or an object without a resource version if
// it does not exist.
func (k *Keeper) readConfiguration(ctx context.Context) (*admissionregistrationv1.ValidatingWebhookConfiguration, error) {
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: k.options.Name}}
	err := k.options.Client.Get(ctx, client.ObjectKeyFromObject(configuration), configuration)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading the ValidatingWebhookConfiguration: %w", err)
	}
	return configuration, nil
}

// inheritedCAs returns the certificates in the caBundle as long as this replica serves no
// certificate. They verify the certificates of earlier replicas, whether those were issued
// by the operator or by the previous issuer. Once this replica serves a certificate, the
// operator owns the caBundle, and foreign content in it is drift.
func (k *Keeper) inheritedCAs(configuration *admissionregistrationv1.ValidatingWebhookConfiguration) []*x509.Certificate {
	webhook := entryOf(configuration)
	if webhook == nil || k.state.current != nil {
		return nil
	}
	certificates, _ := parseCertificates(webhook.ClientConfig.CABundle)
	return certificates
}

// isForeign reports whether the first certificate of a caBundle, the issuer of the
// certificate that is served now, is not one of the authorities. An authority at a later
// position was only trusted before.
func isForeign(bundle, authorities []*x509.Certificate) bool {
	return len(bundle) > 0 && !slices.ContainsFunc(authorities, bundle[0].Equal)
}

// ensureCABundle updates the caBundle if necessary and returns its content. A missing
// configuration is an error, so that it is logged and retried.
func (k *Keeper) ensureCABundle(ctx context.Context, configuration *admissionregistrationv1.ValidatingWebhookConfiguration, want []byte) (bundle []byte, err error) {
	webhook := entryOf(configuration)
	if webhook == nil {
		return nil, fmt.Errorf("there is no ValidatingWebhookConfiguration %s with a webhook %s", k.options.Name, WebhookName)
	}
	bundle = webhook.ClientConfig.CABundle
	if bytes.Equal(bundle, want) {
		return bundle, k.dropManagedFields(ctx, configuration)
	}
	if !k.writes.TryAccept() {
		return bundle, errRateLimited
	}
	patch, err := caBundlePatch(configuration.ResourceVersion, want)
	if err != nil {
		return bundle, err
	}
	if err := k.options.Client.Patch(ctx, configuration, client.RawPatch(types.StrategicMergePatchType, patch)); err != nil {
		return bundle, fmt.Errorf("writing the caBundle: %w", err)
	}
	if webhook = entryOf(configuration); webhook == nil || !bytes.Equal(webhook.ClientConfig.CABundle, want) {
		return bundle, errors.New("the API server returned a different caBundle than was written")
	}
	k.options.Log.Info("Wrote the caBundle of the self-managed webhook certificate", "validatingWebhookConfiguration", k.options.Name)
	return want, k.dropManagedFields(ctx, configuration)
}

// dropManagedFields removes the operator's entry from the managedFields of the
// configuration. Helm uses server-side apply: it refuses a release that sets the caBundle,
// such as one with a certificate issued by Helm, if another field manager owns the field.
func (k *Keeper) dropManagedFields(ctx context.Context, configuration *admissionregistrationv1.ValidatingWebhookConfiguration) error {
	remaining := slices.DeleteFunc(slices.Clone(configuration.ManagedFields), func(entry metav1.ManagedFieldsEntry) bool {
		return entry.Manager == k.options.Manager
	})
	if len(remaining) == len(configuration.ManagedFields) || len(remaining) == 0 {
		return nil
	}
	if !k.writes.TryAccept() {
		return errRateLimited
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": configuration.ResourceVersion, "managedFields": remaining},
	})
	if err != nil {
		return err
	}
	if err := k.options.Client.Patch(ctx, configuration, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return fmt.Errorf("releasing the ownership of the caBundle field: %w", err)
	}
	return nil
}

func entryOf(configuration *admissionregistrationv1.ValidatingWebhookConfiguration) *admissionregistrationv1.ValidatingWebhook {
	for i := range configuration.Webhooks {
		if configuration.Webhooks[i].Name == WebhookName {
			return &configuration.Webhooks[i]
		}
	}
	return nil
}

// caBundlePatch returns a patch of the caBundle in the operator's entry, which fails if the
// object has changed since it was read.
func caBundlePatch(resourceVersion string, bundle []byte) ([]byte, error) {
	type clientConfig struct {
		CABundle []byte `json:"caBundle"`
	}
	type webhook struct {
		Name         string       `json:"name"`
		ClientConfig clientConfig `json:"clientConfig"`
	}
	return json.Marshal(map[string]any{
		"metadata": map[string]string{"resourceVersion": resourceVersion},
		"webhooks": []webhook{{WebhookName, clientConfig{bundle}}},
	})
}
