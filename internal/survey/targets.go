package survey

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/target"
)

// Target is a target object of a bundle, by its metadata.
type Target struct {
	target.Key
	// Digest identifies the content that the operator has written.
	Digest string
	Meta   metav1.ObjectMeta
}

// listing identifies a list of targets.
type listing struct {
	kind    bundle.Kind
	apiKind bundle.APIKind
}

// Targets returns the targets of one kind of all bundles of an API kind, by namespace.
func (c *Cluster) Targets(ctx context.Context, marks *bundle.Marks, kind bundle.Kind) ([]Target, error) {
	id := listing{kind, marks.Kind}
	if known, ok := c.targets[id]; ok {
		return known, nil
	}
	labelled, err := labels.NewRequirement(marks.Label, "exists", nil)
	if err != nil {
		return nil, err
	}
	list, err := listMetadata(ctx, c.config.Live, target.TypeOf(kind), client.MatchingLabelsSelector{Selector: labels.NewSelector().Add(*labelled)})
	if err != nil {
		return nil, fmt.Errorf("listing the %ss that are targets: %w", kind, err)
	}
	targets := []Target{}
	for i := range list.Items {
		object := &list.Items[i].ObjectMeta
		if key, ok := target.KeyOfObject(marks, kind, object); ok {
			targets = append(targets, Target{Key: key, Digest: object.Annotations[marks.Hash], Meta: *object})
		}
	}
	slices.SortFunc(targets, func(a, b Target) int { return cmp.Compare(a.Namespace, b.Namespace) })
	c.targets[id] = targets
	return targets, nil
}

// TargetsOf returns the targets of a bundle, of the kinds that its definition has.
func (c *Cluster) TargetsOf(ctx context.Context, spec bundle.Spec) ([]Target, error) {
	var targets []Target
	for _, wanted := range spec.Targets {
		all, err := c.Targets(ctx, spec.Marks, wanted.Kind)
		if err != nil {
			return nil, err
		}
		for _, t := range all {
			if t.Bundle == spec.ID && t.Name == bundle.ObjectName(wanted.Signer, spec.ID.Name) {
				targets = append(targets, t)
			}
		}
	}
	return targets, nil
}

// readableTargets returns the targets of a bundle that can be listed. The others are notes.
func (c *Cluster) readableTargets(ctx context.Context, spec bundle.Spec) (targets []Target) {
	for _, wanted := range spec.Targets {
		of := spec
		of.Targets = []bundle.Target{wanted}
		found, err := c.TargetsOf(ctx, of)
		if err != nil {
			c.note("%s: %v", spec.ID, err)
		}
		targets = append(targets, found...)
	}
	return targets
}

// listMetadata lists the metadata of all objects of a kind, in the first version that is served.
func listMetadata(ctx context.Context, live client.Reader, kind *target.Type, options ...client.ListOption) (*metav1.PartialObjectMetadataList, error) {
	list := &metav1.PartialObjectMetadataList{}
	return list, inServedVersion(kind, func(gvk schema.GroupVersionKind) error {
		list.SetGroupVersionKind(gvk)
		return live.List(ctx, list, options...)
	})
}

// listUnstructured lists all objects of a kind, in the first version that is served.
func listUnstructured(ctx context.Context, live client.Reader, kind *target.Type) (*unstructured.UnstructuredList, error) {
	list := &unstructured.UnstructuredList{}
	return list, inServedVersion(kind, func(gvk schema.GroupVersionKind) error {
		list.SetGroupVersionKind(gvk)
		return live.List(ctx, list)
	})
}

// inServedVersion calls a function with the versions of the list of a kind until one is served.
func inServedVersion(kind *target.Type, list func(schema.GroupVersionKind) error) (err error) {
	for _, version := range kind.Versions() {
		if err = list(version.WithKind(kind.GVK.Kind + "List")); !meta.IsNoMatchError(err) {
			return err
		}
	}
	return fmt.Errorf("the API server does not serve the kind %s", kind.GVK.Kind)
}

// Read returns a target object in full.
func (c *Cluster) Read(ctx context.Context, ref target.Ref) (*target.Object, error) {
	kind := target.TypeOf(ref.Kind)
	object := &unstructured.Unstructured{}
	err := inServedVersion(kind, func(gvk schema.GroupVersionKind) error {
		object.SetGroupVersionKind(gvk.GroupVersion().WithKind(kind.GVK.Kind))
		return c.config.Live.Get(ctx, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, object)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	typed := kind.NewObject()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, typed); err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	return kind.FromAPI(typed), nil
}

// CertificatesIn returns the certificates that a target object of a bundle has.
func (c *Cluster) CertificatesIn(ctx context.Context, spec bundle.Spec, ref target.Ref) ([]certs.Certificate, error) {
	object, err := c.Read(ctx, ref)
	if err != nil {
		return nil, err
	}
	var absent []string
	for _, wanted := range spec.Targets {
		if wanted.Kind != ref.Kind {
			continue
		}
		for _, file := range readable(wanted.Files) {
			data, ok := object.Text[file.Key]
			if !ok {
				var binary []byte
				binary, ok = object.Binary[file.Key]
				data = string(binary)
			}
			if ok {
				return decodeFile(file, data, certs.Origin{Object: ref.String(), Key: file.Key})
			}
			absent = append(absent, file.Key)
		}
	}
	// A key may have been renamed in the definition, and not in the target yet.
	for _, key := range slices.Sorted(maps.Keys(object.Text)) {
		if certificates, err := decodeFile(bundle.File{}, object.Text[key], certs.Origin{Object: ref.String(), Key: key}); err == nil {
			return certificates, nil
		}
	}
	return nil, fmt.Errorf("%s has none of the keys of %s: %s", ref, spec.ID, strings.Join(absent, ", "))
}

// readable returns the files with the whole bundle, in the order in which they are read: PEM needs no
// password.
func readable(files []bundle.File) []bundle.File {
	sorted := slices.DeleteFunc(slices.Clone(files), func(f bundle.File) bool { return f.Format == bundle.HashedDirectory })
	slices.SortStableFunc(sorted, func(a, b bundle.File) int {
		return cmp.Compare(min(1, len(a.Password)), min(1, len(b.Password)))
	})
	return sorted
}

// MostCommon returns one of the targets with the content that most of them have, and how many have
// another one; ok is false if there is no target. ConfigMaps come before objects that fewer users
// may read.
func MostCommon(targets []Target) (common Target, others int, ok bool) {
	type content struct {
		kind   bundle.Kind
		digest string
	}
	counts := map[content]int{}
	for _, t := range targets {
		counts[content{t.Kind, t.Digest}]++
	}
	best, kind := -1, 0
	for i, t := range targets {
		if best < 0 || t.Kind < targets[best].Kind || t.Kind == targets[best].Kind &&
			counts[content{t.Kind, t.Digest}] > counts[content{targets[best].Kind, targets[best].Digest}] {
			best = i
		}
	}
	if best < 0 {
		return Target{}, 0, false
	}
	for _, t := range targets {
		if t.Kind == targets[best].Kind {
			kind++
		}
	}
	return targets[best], kind - counts[content{targets[best].Kind, targets[best].Digest}], true
}
