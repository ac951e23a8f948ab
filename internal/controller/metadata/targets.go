package metadata

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
)

// Targets has a reader for each API kind, of the metadata of the objects that carry its label.
type Targets map[bundle.APIKind]client.Reader

// Newest returns the newest metadata of an object that any of the readers has, or nil. While a
// bundle of one kind takes over an object of another, two of them may have it.
func (t Targets) Newest(ctx context.Context, kind schema.GroupVersionKind, namespace, name string) (*metav1.PartialObjectMetadata, error) {
	var newest *metav1.PartialObjectMetadata
	for _, reader := range t {
		object, err := Get(ctx, reader, kind, namespace, name)
		if err != nil {
			return nil, err
		}
		if object != nil && (newest == nil || target.IsNewer(object.ResourceVersion, newest.ResourceVersion)) {
			newest = object
		}
	}
	return newest, nil
}
