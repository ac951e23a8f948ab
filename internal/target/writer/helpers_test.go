package writer

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
)

const (
	bundleLabel = v1alpha1.BundleLabelKey
	hashKey     = v1alpha1.BundleHashAnnotationKey
	sharedKey   = v1alpha1.SharedAnnotationKey
	adoptKey    = v1alpha1.AdoptAnnotationKey

	bundleUID = types.UID("bundle-uid")
)

var (
	roots = target.KeyOf(bundle.ID{Kind: bundle.APIBundle, Name: "roots"}, bundle.ConfigMap, "team-a")
	marks = apis.Bundle{}.Marks()
	// kinds are the kinds of targets.
	kinds = []bundle.Kind{bundle.ConfigMap, bundle.Secret}
)

// preferred returns the preferred version of a kind.
func preferred(kind bundle.Kind) (schema.GroupVersion, error) {
	return target.TypeOf(kind).GVK.GroupVersion(), nil
}

// eachKind runs a test for each kind of target.
func eachKind(t *testing.T, test func(t *testing.T, kind bundle.Kind)) {
	t.Helper()
	for _, kind := range kinds {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			test(t, kind)
		})
	}
}

// ownedBy refers to the Bundle roots under a UID.
func ownedBy(uid types.UID) metav1.OwnerReference {
	return metav1.OwnerReference{
		APIVersion: "trust.cert-manager.io/v1alpha1", Kind: "Bundle", Name: "roots", UID: uid,
		Controller: new(true), BlockOwnerDeletion: new(true),
	}
}

// deployment is an owner that is not a Bundle.
func deployment(controller bool) metav1.OwnerReference {
	return metav1.OwnerReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web", UID: "web-uid", Controller: &controller}
}

// shape is the content of the targets of the Bundle roots.
func shape() *target.Shape {
	return &target.Shape{
		Kind:        bundle.ConfigMap,
		Digest:      "digest",
		Text:        map[string]string{"ca.pem": "PEM\n"},
		Labels:      map[string]string{bundleLabel: "roots", "team": "a"},
		Annotations: map[string]string{hashKey: "digest", "note": "b"},
	}
}

// of returns a shape for targets of a kind.
func of(kind bundle.Kind, s *target.Shape) *target.Shape {
	s.Kind = kind
	if kind == bundle.Secret {
		binary := map[string][]byte{}
		maps.Copy(binary, s.Binary)
		for key, value := range s.Text {
			binary[key] = []byte(value)
		}
		s.Text, s.Binary = nil, binary
	}
	return s
}

// keyOf returns the key of the target of the Bundle roots of a kind.
func keyOf(kind bundle.Kind) target.Key {
	key := roots
	key.Kind = kind
	return key
}

// Desired states of one target.

func wantedOf(kind bundle.Kind) target.Desired {
	return target.Desired{Owner: ownedBy(bundleUID), Marks: marks, Shape: of(kind, shape()), Selected: true}
}

func deselectedOf(kind bundle.Kind) target.Desired {
	return target.Desired{Owner: ownedBy(bundleUID), Marks: marks, Shape: of(kind, shape())}
}

func bundleDeleted() target.Desired {
	return target.Desired{Owner: metav1.OwnerReference{Name: "roots"}, Marks: marks, BundleDeleted: true}
}

// Fields of an object.

func text(key string) target.Field {
	return target.Field{Section: target.SectionData, Key: key}
}

func binaryData(key string) target.Field {
	return target.Field{Section: target.SectionBinaryData, Key: key}
}

func label(key string) target.Field {
	return target.Field{Section: target.SectionLabels, Key: key}
}

func annotation(key string) target.Field {
	return target.Field{Section: target.SectionAnnotations, Key: key}
}

// isReserved reports whether the name of an entry is reserved for the operator.
func isReserved(at target.Field) bool {
	return at == label(bundleLabel) || at == annotation(hashKey) || at == annotation(sharedKey)
}

// entriesOf returns the entries of an object.
func entriesOf(o *target.Object) map[target.Field]string {
	return entries(o.Kind, o.Text, o.Binary, o.Meta.Labels, o.Meta.Annotations)
}

// entriesOfShape returns the entries of a shape.
func entriesOfShape(s *target.Shape) map[target.Field]string {
	return entries(s.Kind, s.Text, s.Binary, s.Labels, s.Annotations)
}

func entries(kind bundle.Kind, data map[string]string, binary map[string][]byte, labels, annotations map[string]string) map[target.Field]string {
	all := map[target.Field]string{}
	for key, value := range data {
		all[text(key)] = value
	}
	for key, value := range binary {
		if kind == bundle.Secret {
			all[text(key)] = string(value)
		} else {
			all[binaryData(key)] = string(value)
		}
	}
	for key, value := range labels {
		all[label(key)] = value
	}
	for key, value := range annotations {
		all[annotation(key)] = value
	}
	return all
}

// isBundle reports whether an owner is the Bundle roots, under any UID.
func isBundle(owner metav1.OwnerReference) bool {
	return strings.HasPrefix(owner.APIVersion, v1alpha1.GroupName+"/") && owner.Kind == "Bundle" && owner.Name == "roots"
}

// isForeignControlled reports whether another owner controls an object.
func isForeignControlled(o *target.Object) bool {
	for _, owner := range o.Meta.OwnerReferences {
		if owner.Controller != nil && *owner.Controller && !isBundle(owner) {
			return true
		}
	}
	return false
}

// tracked returns the fields that managedFields list as the operator's.
func tracked(t *testing.T, o *target.Object) map[target.Field]bool {
	t.Helper()
	fields := map[target.Field]bool{}
	for _, entry := range o.Meta.ManagedFields {
		if entry.Manager != target.FieldManager {
			continue
		}
		var record struct {
			Data     map[string]any `json:"f:data"`
			Binary   map[string]any `json:"f:binaryData"`
			Metadata struct {
				Labels      map[string]any `json:"f:labels"`
				Annotations map[string]any `json:"f:annotations"`
			} `json:"f:metadata"`
		}
		if err := json.Unmarshal(entry.FieldsV1.GetRawBytes(), &record); err != nil {
			t.Fatal(err)
		}
		for section, names := range map[string]map[string]any{
			target.SectionData: record.Data, target.SectionBinaryData: record.Binary,
			target.SectionLabels: record.Metadata.Labels, target.SectionAnnotations: record.Metadata.Annotations,
		} {
			for name := range names {
				if key, ok := strings.CutPrefix(name, "f:"); ok {
					fields[target.Field{Section: section, Key: key}] = true
				}
			}
		}
	}
	return fields
}

// expected fills in the inputs of the decision in an Action.
func expected(action target.Action, desired target.Desired) target.Action {
	action.Key, action.Owner, action.Shape = roots, desired.Owner, desired.Shape
	return action
}

// readObject returns what Read passes on.
func readObject(ctx context.Context, w *Writer, key target.Key) (object *target.Object, err error) {
	err = w.Read(ctx, key, func(o *target.Object) { object = o })
	return object, err
}
