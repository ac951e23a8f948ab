package metadata

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Namespace is the GroupVersionKind of Namespaces.
var Namespace = corev1.SchemeGroupVersion.WithKind("Namespace")

// New returns an empty object of the given kind.
func New(kind schema.GroupVersionKind) *metav1.PartialObjectMetadata {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(kind)
	return object
}

// Get returns the metadata of an object, or nil if the object does not exist.
func Get(ctx context.Context, reader client.Reader, kind schema.GroupVersionKind, namespace, name string) (*metav1.PartialObjectMetadata, error) {
	object := New(kind)
	err := reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, object)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return object, err
}

// Namespaces returns the metadata of the Namespaces that match the options.
func Namespaces(ctx context.Context, reader client.Reader, options ...client.ListOption) ([]metav1.PartialObjectMetadata, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(Namespace)
	err := reader.List(ctx, list, options...)
	return list.Items, err
}
