package apis

import (
	"errors"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/api/trustmanager/v1alpha2"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/ledger"
)

// Adapter converts the objects of one API kind and version. Objects that are passed to its
// methods must be of the type that New returns.
type Adapter interface {
	// GroupVersionKind returns the API kind and version.
	GroupVersionKind() schema.GroupVersionKind
	// New and NewList return an empty object and an empty list.
	New() client.Object
	NewList() client.ObjectList
	// Marks returns how the targets of the kind are marked.
	Marks() *bundle.Marks
	// HasSameSpec reports whether two objects have the same spec.
	HasSameSpec(a, b client.Object) bool
	// Spec converts the spec of an object. The problems have the paths of all invalid
	// fields; the Spec is then without the invalid parts, and only what it says of
	// exclusions, rotation and the existence of targets may be used.
	Spec(obj client.Object) (bundle.Spec, bundle.Problems)
	// Report returns what the status of an object reports.
	Report(obj client.Object) ledger.Report
	// Status returns the status that has this report, for use in an apply configuration.
	Status(report ledger.Report) any
}

// Adapters are the adapters of all API kinds that the operator serves.
type Adapters []Adapter

// All returns the adapters of all API kinds.
func All() Adapters { return Adapters{Bundle{}, ClusterBundle{}} }

// Of returns the adapter of an API kind, or nil if it is not served.
func (a Adapters) Of(kind bundle.APIKind) Adapter {
	for _, adapter := range a {
		if adapter.Marks().Kind == kind {
			return adapter
		}
	}
	return nil
}

// Labels returns the labels by which targets of these kinds are recognized.
func (a Adapters) Labels() (labels []string) {
	for _, adapter := range a {
		labels = append(labels, adapter.Marks().Label)
	}
	return labels
}

// Annotations returns the annotations that have the marks of targets of these kinds.
func (a Adapters) Annotations() (annotations []string) {
	for _, adapter := range a {
		annotations = append(annotations, adapter.Marks().Shared)
	}
	return annotations
}

// AddToScheme registers the types of all API kinds.
func AddToScheme(scheme *runtime.Scheme) error {
	return errors.Join(v1alpha1.AddToScheme(scheme), v1alpha2.AddToScheme(scheme))
}

// The marks of the targets of each API kind. Each has the other as its peer.
var bundleMarks, clusterBundleMarks = newMarks()

func newMarks() (ofBundles, ofClusterBundles *bundle.Marks) {
	ofBundles = &bundle.Marks{
		Kind:   bundle.APIBundle,
		Owner:  schema.GroupKind{Group: v1alpha1.GroupName, Kind: v1alpha1.BundleKind},
		Label:  v1alpha1.BundleLabelKey,
		Hash:   v1alpha1.BundleHashAnnotationKey,
		Shared: v1alpha1.SharedAnnotationKey,
		Adopt:  v1alpha1.AdoptAnnotationKey,
	}
	ofClusterBundles = &bundle.Marks{
		Kind:   bundle.APIClusterBundle,
		Owner:  schema.GroupKind{Group: v1alpha2.GroupName, Kind: v1alpha2.ClusterBundleKind},
		Label:  v1alpha2.BundleLabelKey,
		Hash:   v1alpha2.BundleHashAnnotationKey,
		Shared: v1alpha2.SharedAnnotationKey,
		Adopt:  v1alpha2.AdoptAnnotationKey,
		Peers:  []*bundle.Marks{ofBundles},
	}
	ofBundles.Peers = []*bundle.Marks{ofClusterBundles}
	return ofBundles, ofClusterBundles
}
