package serving

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// WebhookName is the entry of the ValidatingWebhookConfiguration that is this
// operator's. Others in the same object are left alone.
const WebhookName = "trust.cert-manager.io"

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

// holdBundle has the caBundle as wanted, and gives what it is then. That there is
// no configuration is an error only so that it is told and looked for again.
func (k *Keeper) holdBundle(ctx context.Context, configuration *admissionregistrationv1.ValidatingWebhookConfiguration, wanted []byte) (bundle []byte, err error) {
	webhook := entryOf(configuration)
	if webhook == nil {
		return nil, fmt.Errorf("there is no ValidatingWebhookConfiguration %s with a webhook %s", k.options.Name, WebhookName)
	}
	bundle = webhook.ClientConfig.CABundle
	if bytes.Equal(bundle, wanted) {
		return bundle, nil
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
	return wanted, nil
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
