package kinds

import (
	"context"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/api/trustmanager/v1alpha2"
	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
)

// Prefix begins the names of the Bundles that are stored as ClusterBundles.
const Prefix = "cluster-"

// IsCluster reports whether a Bundle of this name is stored as a ClusterBundle.
func IsCluster(name string) bool { return strings.HasPrefix(name, Prefix) }

// Of returns the adapter of the API kind as which a Bundle of this name is stored.
func Of(name string) apis.Adapter {
	if IsCluster(name) {
		return apis.ClusterBundle{}
	}
	return apis.Bundle{}
}

// MarksOf returns the marks of the targets of a Bundle of this name.
func MarksOf(name string) *bundle.Marks { return Of(name).Marks() }

// Client is a client that stores the Bundles of some names as ClusterBundles.
type Client struct{ client.WithWatch }

// stored returns what is sent for an object, and a function that takes over the response. It
// returns the object itself unless it is a Bundle that is stored as a ClusterBundle.
func stored(object client.Object) (send client.Object, received func()) {
	from, ok := object.(*v1alpha1.Bundle)
	if !ok || !IsCluster(from.Name) {
		return object, func() {}
	}
	to := apis.ClusterBundleOf(from)
	return to, func() { *from = *BundleOf(to) }
}

// Get implements client.Client.
func (c Client) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	from, ok := object.(*v1alpha1.Bundle)
	if !ok || !IsCluster(key.Name) {
		return c.WithWatch.Get(ctx, key, object, options...)
	}
	to := &v1alpha2.ClusterBundle{}
	err := c.WithWatch.Get(ctx, key, to, options...)
	if err == nil {
		*from = *BundleOf(to)
	}
	return err
}

// List implements client.Client. Bundles of both kinds are listed.
func (c Client) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	err := c.WithWatch.List(ctx, list, options...)
	bundles, ok := list.(*v1alpha1.BundleList)
	if err != nil || !ok {
		return err
	}
	others := &v1alpha2.ClusterBundleList{}
	err = c.WithWatch.List(ctx, others, options...)
	if meta.IsNoMatchError(err) {
		return nil // an earlier release has no ClusterBundles
	}
	if err != nil {
		return err
	}
	return meta.EachListItem(others, func(item runtime.Object) error {
		if other, ok := item.(*v1alpha2.ClusterBundle); ok && IsCluster(other.Name) {
			bundles.Items = append(bundles.Items, *BundleOf(other))
		}
		return nil
	})
}

// Watch implements client.WithWatch. A watch of Bundles is one of those of one kind: that of the
// name in the field selector.
func (c Client) Watch(ctx context.Context, list client.ObjectList, options ...client.ListOption) (watch.Interface, error) {
	var how client.ListOptions
	how.ApplyOptions(options)
	_, ofBundles := list.(*v1alpha1.BundleList)
	if !ofBundles || how.FieldSelector == nil || !strings.Contains(how.FieldSelector.String(), "metadata.name="+Prefix) {
		return c.WithWatch.Watch(ctx, list, options...)
	}
	events, err := c.WithWatch.Watch(ctx, &v1alpha2.ClusterBundleList{}, options...)
	if err != nil {
		return nil, err
	}
	return watch.Filter(events, func(event watch.Event) (watch.Event, bool) {
		if cluster, ok := event.Object.(*v1alpha2.ClusterBundle); ok {
			event.Object = BundleOf(cluster)
		}
		return event, true
	}), nil
}

// Create implements client.Client.
func (c Client) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	send, received := stored(object)
	err := c.WithWatch.Create(ctx, send, options...)
	if err == nil {
		received()
	}
	return err
}

// Update implements client.Client.
func (c Client) Update(ctx context.Context, object client.Object, options ...client.UpdateOption) error {
	send, received := stored(object)
	err := c.WithWatch.Update(ctx, send, options...)
	if err == nil {
		received()
	}
	return err
}

// Delete implements client.Client.
func (c Client) Delete(ctx context.Context, object client.Object, options ...client.DeleteOption) error {
	send, _ := stored(object)
	return c.WithWatch.Delete(ctx, send, options...)
}

// Patch implements client.Client. The patch of a Bundle that is stored as a ClusterBundle has to
// change only fields that both have under one path.
func (c Client) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	body, err := patch.Data(object)
	if err != nil {
		return err
	}
	send, received := stored(object)
	err = c.WithWatch.Patch(ctx, send, client.RawPatch(patch.Type(), body), options...)
	if err == nil {
		received()
	}
	return err
}

// Status implements client.Client.
func (c Client) Status() client.SubResourceWriter { return statusWriter{c.WithWatch.Status()} }

type statusWriter struct{ client.SubResourceWriter }

// Update implements client.SubResourceWriter.
func (w statusWriter) Update(ctx context.Context, object client.Object, options ...client.SubResourceUpdateOption) error {
	send, received := stored(object)
	err := w.SubResourceWriter.Update(ctx, send, options...)
	if err == nil {
		received()
	}
	return err
}

// Patch implements client.SubResourceWriter.
func (w statusWriter) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
	send, received := stored(object)
	err := w.SubResourceWriter.Patch(ctx, send, patch, options...)
	if err == nil {
		received()
	}
	return err
}

// IDOf returns the ID of a Bundle of this name.
func IDOf(name string) bundle.ID { return bundle.ID{Kind: MarksOf(name).Kind, Name: name} }

// Canonical returns the spec as it is read back for a Bundle of this name.
func Canonical(name string, spec v1alpha1.BundleSpec) v1alpha1.BundleSpec {
	if !IsCluster(name) {
		return spec
	}
	return BundleOf(apis.ClusterBundleOf(&v1alpha1.Bundle{Spec: spec})).Spec
}
