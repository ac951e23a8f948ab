package serving

import (
	"context"
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Watch gives what watches the Secret and the ValidatingWebhookConfiguration of
// this name, and nothing else: rights on these two by their names are enough. It
// is told metadata only, so no key stays in memory for it.
func Watch(config *rest.Config, options cache.Options, name, namespace string) func(ctx context.Context, changed func()) error {
	secret := metadataOf(corev1.SchemeGroupVersion.WithKind("Secret"))
	configuration := metadataOf(admissionregistrationv1.SchemeGroupVersion.WithKind("ValidatingWebhookConfiguration"))
	options.ByObject = map[client.Object]cache.ByObject{
		secret: {Namespaces: map[string]cache.Config{
			namespace: {FieldSelector: named(SecretName(name))},
		}},
		configuration: {Field: named(name)},
	}
	return func(ctx context.Context, changed func()) error {
		objects, err := cache.New(config, options)
		if err != nil {
			return fmt.Errorf("watching: %w", err)
		}
		for _, object := range []client.Object{secret, configuration} {
			// Not to wait for the first list is what lets a missing right be told.
			informer, err := objects.GetInformer(ctx, object, cache.BlockUntilSynced(false))
			if err != nil {
				return fmt.Errorf("watching: %w", err)
			}
			if _, err := informer.AddEventHandler(handler(changed)); err != nil {
				return fmt.Errorf("watching: %w", err)
			}
		}
		go objects.Start(ctx) //nolint:errcheck // it ends with the context, and never otherwise
		return nil
	}
}

func metadataOf(kind schema.GroupVersionKind) *metav1.PartialObjectMetadata {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(kind)
	return object
}

func named(name string) fields.Selector { return fields.OneTermEqualSelector("metadata.name", name) }

func handler(changed func()) toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { changed() },
		UpdateFunc: func(any, any) { changed() },
		DeleteFunc: func(any) { changed() },
	}
}
