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

// Watch returns a function for [Options] that watches the Secret and the
// ValidatingWebhookConfiguration with the given name, and no other objects, so permissions
// on these two names are sufficient. It watches only metadata, so no private key stays in
// memory.
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
		informers, err := cache.New(config, options)
		if err != nil {
			return fmt.Errorf("watching: %w", err)
		}
		for _, obj := range []client.Object{secret, configuration} {
			// Do not wait for the first list: it blocks while a permission is missing, and
			// reconcile could not report that.
			informer, err := informers.GetInformer(ctx, obj, cache.BlockUntilSynced(false))
			if err != nil {
				return fmt.Errorf("watching: %w", err)
			}
			if _, err := informer.AddEventHandler(handler(changed)); err != nil {
				return fmt.Errorf("watching: %w", err)
			}
		}
		go informers.Start(ctx) //nolint:errcheck // it returns only when ctx is canceled
		return nil
	}
}

func metadataOf(kind schema.GroupVersionKind) *metav1.PartialObjectMetadata {
	obj := &metav1.PartialObjectMetadata{}
	obj.SetGroupVersionKind(kind)
	return obj
}

func named(name string) fields.Selector { return fields.OneTermEqualSelector("metadata.name", name) }

func handler(changed func()) toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { changed() },
		UpdateFunc: func(any, any) { changed() },
		DeleteFunc: func(any) { changed() },
	}
}
