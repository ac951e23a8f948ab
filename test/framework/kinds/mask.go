package kinds

import (
	"bytes"
	"context"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/api/trustmanager/v1alpha2"
)

// Masked is a Client that also shows the targets of ClusterBundles as those of Bundles: with
// their label, annotations and owner reference. What it writes is translated back. A target
// that has metadata of a Bundle nevertheless shows them under other names.
type Masked struct{ Client }

// Mask returns a Masked client.
func Mask(inner client.WithWatch) client.WithWatch { return Masked{Client{inner}} }

// domain and clusterDomain begin the labels and annotations of targets.
const domain, clusterDomain = v1alpha1.GroupName + "/", v1alpha2.GroupName + "/"

// rename replaces the beginnings of the keys of a map.
func rename(entries map[string]string, from, to, left string) map[string]string {
	if entries == nil {
		return nil
	}
	renamed := map[string]string{}
	for key, value := range entries {
		if name, ok := strings.CutPrefix(key, from); ok {
			key = to + name
		} else if name, ok := strings.CutPrefix(key, to); ok {
			key = left + name
		}
		renamed[key] = value
	}
	return renamed
}

// leftDomain begins what shows that a target has metadata of a Bundle.
const leftDomain = "left." + domain

// translate replaces the metadata of a target of a ClusterBundle by that of a Bundle's, or the
// other way round.
func translate(object metav1.Object, toCluster bool) {
	if _, isBundle := object.(*v1alpha1.Bundle); isBundle || !IsCluster(object.GetName()) {
		return
	}
	from, to := clusterDomain, domain
	ofBundle, ofCluster := v1alpha1.GroupVersion.WithKind(v1alpha1.BundleKind), v1alpha2.GroupVersion.WithKind(v1alpha2.ClusterBundleKind)
	fromKind, toKind := ofCluster, ofBundle
	if toCluster {
		from, to, fromKind, toKind = to, from, toKind, fromKind
	}
	object.SetLabels(rename(object.GetLabels(), from, to, leftDomain))
	object.SetAnnotations(rename(object.GetAnnotations(), from, to, leftDomain))
	owners := object.GetOwnerReferences()
	for i := range owners {
		switch owners[i].Kind {
		case fromKind.Kind:
			owners[i].APIVersion, owners[i].Kind = toKind.ToAPIVersionAndKind()
		case toKind.Kind:
			owners[i].Kind = "Left" + owners[i].Kind
		}
	}
	object.SetOwnerReferences(owners)
}

func unmask(object runtime.Object) {
	if accessor, err := meta.Accessor(object); err == nil {
		translate(accessor, false)
	}
}

// Get implements client.Client.
func (m Masked) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	err := m.Client.Get(ctx, key, object, options...)
	unmask(object)
	return err
}

// List implements client.Client.
func (m Masked) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	if err := m.Client.List(ctx, list, options...); err != nil {
		return err
	}
	return meta.EachListItem(list, func(item runtime.Object) error {
		unmask(item)
		return nil
	})
}

// Watch implements client.WithWatch.
func (m Masked) Watch(ctx context.Context, list client.ObjectList, options ...client.ListOption) (watch.Interface, error) {
	events, err := m.Client.Watch(ctx, list, options...)
	if err != nil {
		return nil, err
	}
	return watch.Filter(events, func(event watch.Event) (watch.Event, bool) {
		unmask(event.Object)
		return event, true
	}), nil
}

// Create implements client.Client.
func (m Masked) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	translate(object, true)
	defer unmask(object)
	return m.Client.Create(ctx, object, options...)
}

// Update implements client.Client.
func (m Masked) Update(ctx context.Context, object client.Object, options ...client.UpdateOption) error {
	translate(object, true)
	defer unmask(object)
	return m.Client.Update(ctx, object, options...)
}

// Patch implements client.Client.
func (m Masked) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	if _, isBundle := object.(*v1alpha1.Bundle); !isBundle && IsCluster(object.GetName()) {
		body, err := patch.Data(object)
		if err != nil {
			return err
		}
		body = bytes.ReplaceAll(body, []byte(domain), []byte(clusterDomain))
		patch = client.RawPatch(patch.Type(), body)
	}
	defer unmask(object)
	return m.Client.Patch(ctx, object, patch, options...)
}
