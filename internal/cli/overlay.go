package cli

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// overlay reads the ConfigMaps and Secrets of manifests, and all others from the cluster.
type overlay struct {
	objects
	live client.Reader
}

var _ client.Reader = overlay{}

// Get implements [client.Reader].
func (o overlay) Get(ctx context.Context, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
	if err := o.objects.Get(ctx, key, into); !apierrors.IsNotFound(err) {
		return err
	}
	return o.live.Get(ctx, key, into, options...)
}

// List implements [client.Reader].
func (o overlay) List(ctx context.Context, into client.ObjectList, options ...client.ListOption) error {
	if err := o.live.List(ctx, into, options...); err != nil {
		return err
	}
	switch into := into.(type) {
	case *corev1.ConfigMapList:
		into.Items = slices.DeleteFunc(into.Items, func(item corev1.ConfigMap) bool { return o.configMaps[item.Name] != nil })
	case *corev1.SecretList:
		into.Items = slices.DeleteFunc(into.Items, func(item corev1.Secret) bool { return o.secrets[item.Name] != nil })
	}
	return o.objects.List(ctx, into, options...)
}
