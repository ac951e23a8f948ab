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

// WebhookName is the entry of the ValidatingWebhookConfiguration that is this
// operator's. Others in the same object are left alone.
const WebhookName = "trust.cert-manager.io"

// makerAnnotation says on a configuration who makes the certificate, if that may be
// somebody else; ownMaker is this operator. The chart sets it, and so hands the
// caBundle over from one to another in the same write in which it sets another one.
const (
	makerAnnotation = "trust-manager.io/webhook-certificate"
	ownMaker        = "selfManaged"
)

// checkMaker gives an error where somebody else makes the certificate. Then neither
// the caBundle nor the Secret is touched: this replica is of before, or there is one
// of before that needs the caBundle as it is.
func checkMaker(configuration *admissionregistrationv1.ValidatingWebhookConfiguration) error {
	maker, is := configuration.Annotations[makerAnnotation]
	if !is || maker == ownMaker {
		return nil
	}
	return fmt.Errorf("the ValidatingWebhookConfiguration %s is for another certificate: its annotation %s is %q, not %q",
		configuration.Name, makerAnnotation, maker, ownMaker)
}

// readConfiguration gives an object without a resource version if there is no
// configuration.
func (k *Keeper) readConfiguration(ctx context.Context) (*admissionregistrationv1.ValidatingWebhookConfiguration, error) {
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: k.options.Name}}
	err := k.options.Client.Get(ctx, client.ObjectKeyFromObject(configuration), configuration)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading the ValidatingWebhookConfiguration: %w", err)
	}
	return configuration, nil
}

// inherited gives the certificates of the caBundle as long as nothing is shown. What
// replicas from before show is trusted by them, be it of the operator itself or of
// whoever made the certificate until now. Later the caBundle is this operator's, and
// what others put there is a fault.
func (k *Keeper) inherited(configuration *admissionregistrationv1.ValidatingWebhookConfiguration) []*x509.Certificate {
	webhook := entryOf(configuration)
	if webhook == nil || k.shown.current != nil {
		return nil
	}
	certificates, _ := parseCertificates(webhook.ClientConfig.CABundle)
	return certificates
}

// isForeign says whether a caBundle has certificates, and the first, which vouches for
// what is shown now, is none of these. That a CA of these comes later says only that it
// was trusted before.
func isForeign(bundle, authorities []*x509.Certificate) bool {
	return len(bundle) > 0 && !slices.ContainsFunc(authorities, bundle[0].Equal)
}

// holdBundle has the caBundle as wanted, and gives what it is then. That there is
// no configuration is an error only so that it is told and looked for again.
func (k *Keeper) holdBundle(ctx context.Context, configuration *admissionregistrationv1.ValidatingWebhookConfiguration, wanted []byte) (bundle []byte, err error) {
	webhook := entryOf(configuration)
	if webhook == nil {
		return nil, fmt.Errorf("there is no ValidatingWebhookConfiguration %s with a webhook %s", k.options.Name, WebhookName)
	}
	bundle = webhook.ClientConfig.CABundle
	if bytes.Equal(bundle, wanted) {
		return bundle, k.disown(ctx, configuration)
	}
	if !k.writes.TryAccept() {
		return bundle, errTooOften
	}
	patch, err := bundlePatch(configuration.ResourceVersion, wanted)
	if err != nil {
		return bundle, err
	}
	if err := k.options.Client.Patch(ctx, configuration, client.RawPatch(types.StrategicMergePatchType, patch)); err != nil {
		return bundle, fmt.Errorf("writing the caBundle: %w", err)
	}
	if webhook = entryOf(configuration); webhook == nil || !bytes.Equal(webhook.ClientConfig.CABundle, wanted) {
		return bundle, errors.New("the caBundle has been written, and is another all the same")
	}
	k.options.Log.Info("Wrote the caBundle of the webhook's own certificate", "validatingWebhookConfiguration", k.options.Name)
	return wanted, k.disown(ctx, configuration)
}

// disown has nobody be the manager of what this operator has written, in the sense of
// server-side apply. Helm applies so, and refuses a release that sets the caBundle,
// as one with a certificate of Helm's does, where it has another manager.
func (k *Keeper) disown(ctx context.Context, configuration *admissionregistrationv1.ValidatingWebhookConfiguration) error {
	others := slices.DeleteFunc(slices.Clone(configuration.ManagedFields), func(entry metav1.ManagedFieldsEntry) bool {
		return entry.Manager == k.options.Manager
	})
	if len(others) == len(configuration.ManagedFields) || len(others) == 0 {
		return nil
	}
	if !k.writes.TryAccept() {
		return errTooOften
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": configuration.ResourceVersion, "managedFields": others},
	})
	if err != nil {
		return err
	}
	if err := k.options.Client.Patch(ctx, configuration, client.RawPatch(types.MergePatchType, patch)); err != nil {
		return fmt.Errorf("giving up the caBundle's field: %w", err)
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

// bundlePatch changes the caBundle of the one entry, and that only if the object
// has not changed since it was read.
func bundlePatch(resourceVersion string, bundle []byte) ([]byte, error) {
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
