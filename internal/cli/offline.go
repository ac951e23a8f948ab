package cli

import (
	"context"

	certificatesv1 "k8s.io/api/certificates/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/survey"
	"trust-manager.io/internal/target"
)

// offline answers for a cluster that has nothing but the ClusterTrustBundles of manifests.
type offline struct{ *manifests }

var _ client.Reader = offline{}

// Get implements [client.Reader].
func (offline) Get(_ context.Context, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	return apierrors.NewNotFound(schema.GroupResource{Resource: "objects"}, key.Name)
}

// List implements [client.Reader].
func (o offline) List(_ context.Context, into client.ObjectList, _ ...client.ListOption) error {
	list, ok := into.(*unstructured.UnstructuredList)
	gvk := into.GetObjectKind().GroupVersionKind()
	if !ok || gvk.Kind != target.TypeOf(bundle.ClusterTrustBundle).GVK.Kind+"List" {
		return nil
	}
	if gvk.Version != certificatesv1.SchemeGroupVersion.Version {
		return &meta.NoKindMatchError{GroupKind: gvk.GroupKind()}
	}
	for _, object := range o.trustBundles {
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			return err
		}
		list.Items = append(list.Items, unstructured.Unstructured{Object: fields})
	}
	return nil
}

// offlineSurvey returns what the operator would do with manifests alone.
func (f *operatorFlags) offlineSurvey(m *manifests, clock clock.PassiveClock) *survey.Cluster {
	return survey.NewCluster(survey.Config{
		Live: offline{m}, Sources: m.objects, TrustNamespace: f.trustNamespace,
		DefaultCAs: f.defaultCAs, Filter: f.filter(), Clock: clock,
	})
}
