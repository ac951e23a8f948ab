package target

import (
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
)

const (
	bundleLabel = v1alpha1.BundleLabelKey
	hashKey     = v1alpha1.BundleHashAnnotationKey
	sharedKey   = v1alpha1.SharedAnnotationKey

	bundleUID = types.UID("bundle-uid")
	objectUID = "object-uid"
	version   = "7"
)

var bundleRoots = bundle.ID{Kind: bundle.APIBundle, Name: "roots"}

var marks = bundle.Marks{
	Kind: bundle.APIBundle, Owner: v1alpha1.GroupVersion.WithKind("Bundle").GroupKind(),
	Label: bundleLabel, Hash: hashKey, Shared: sharedKey, Adopt: v1alpha1.AdoptAnnotationKey,
}

var roots = KeyOf(bundleRoots, bundle.ConfigMap, "team-a")

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
func shape() *Shape {
	return &Shape{
		Kind:        bundle.ConfigMap,
		Digest:      "digest",
		Text:        map[string]string{"ca.pem": "PEM\n"},
		Labels:      map[string]string{bundleLabel: "roots", "team": "a"},
		Annotations: map[string]string{hashKey: "digest", "note": "b"},
	}
}

// of returns a shape for targets of a kind.
func of(kind bundle.Kind, s *Shape) *Shape {
	s.Kind = kind
	if kind == bundle.Secret {
		binary := maps.Clone(s.Binary)
		for key, value := range s.Text {
			if binary == nil {
				binary = map[string][]byte{}
			}
			binary[key] = []byte(value)
		}
		s.Text, s.Binary = nil, binary
	}
	return s
}

// keyOf returns the key of the target of the Bundle roots of a kind.
func keyOf(kind bundle.Kind) Key {
	key := roots
	key.Kind = kind
	return key
}

// Desired states of one target: one for each reason to have it or to release it.
func wanted() Desired {
	return Desired{Owner: ownedBy(bundleUID), Marks: &marks, Shape: shape(), Selected: true}
}
func wantedOf(kind bundle.Kind) Desired {
	want := wanted()
	want.Shape = of(kind, want.Shape)
	return want
}
func deselected() Desired { return Desired{Owner: ownedBy(bundleUID), Marks: &marks, Shape: shape()} }
func bundleDeleted() Desired {
	return Desired{Owner: metav1.OwnerReference{Name: "roots"}, Marks: &marks, BundleDeleted: true}
}

// managed is a managedFields entry over entries of an object.
func managed(manager string, operation metav1.ManagedFieldsOperationType, record string) metav1.ManagedFieldsEntry {
	fields := &metav1.FieldsV1{}
	fields.SetRawBytes([]byte(record))
	return metav1.ManagedFieldsEntry{Manager: manager, Operation: operation, APIVersion: "v1", FieldsType: "FieldsV1", FieldsV1: fields}
}

// ours is the managedFields record of a target that the operator has created.
const ours = `{"f:data":{".":{},"f:ca.pem":{}},"f:metadata":{` +
	`"f:annotations":{".":{},"f:note":{},"f:trust.cert-manager.io/hash":{}},` +
	`"f:labels":{".":{},"f:team":{},"f:trust.cert-manager.io/bundle":{}},` +
	`"f:ownerReferences":{".":{},"k:{\"uid\":\"bundle-uid\"}":{}}}}`

// object returns the target of the Bundle roots as the operator has created it, with
// changes.
func object(changes ...func(*Object)) *Object {
	from := shape()
	o := &Object{
		Kind: bundle.ConfigMap,
		Meta: metav1.ObjectMeta{
			Name: "roots", Namespace: "team-a", UID: objectUID, ResourceVersion: version,
			Labels: from.Labels, Annotations: from.Annotations,
			OwnerReferences: []metav1.OwnerReference{ownedBy(bundleUID)},
			ManagedFields:   []metav1.ManagedFieldsEntry{managed(FieldManager, metav1.ManagedFieldsOperationUpdate, ours)},
		},
		Text:   maps.Clone(from.Text),
		Binary: map[string][]byte{},
	}
	for _, change := range changes {
		change(o)
	}
	return o
}

// Changes of an object.

func withText(key, value string) func(*Object) {
	return func(o *Object) { o.Text[key] = value }
}

func withoutText(key string) func(*Object) {
	return func(o *Object) { delete(o.Text, key) }
}

func withBinary(key, value string) func(*Object) {
	return func(o *Object) { o.Binary[key] = []byte(value) }
}

func withLabel(key, value string) func(*Object) {
	return func(o *Object) { o.Meta.Labels[key] = value }
}

func withoutLabel(key string) func(*Object) {
	return func(o *Object) { delete(o.Meta.Labels, key) }
}

func withAnnotation(key, value string) func(*Object) {
	return func(o *Object) { o.Meta.Annotations[key] = value }
}

func withoutAnnotation(key string) func(*Object) {
	return func(o *Object) { delete(o.Meta.Annotations, key) }
}

func withOwners(owners ...metav1.OwnerReference) func(*Object) {
	return func(o *Object) { o.Meta.OwnerReferences = owners }
}

func withFinalizer(o *Object) { o.Meta.Finalizers = []string{"example.com/keep"} }

func immutable(o *Object) { o.Immutable = true }

func deleting(o *Object) { o.Meta.DeletionTimestamp = new(metav1.NewTime(time.Unix(1, 0))) }

// shared makes an object one that also holds foreign data.
func shared(o *Object) {
	withAnnotation(sharedKey, "true")(o)
	withOwners()(o)
}

// tracked replaces the managedFields.
func tracked(entries ...metav1.ManagedFieldsEntry) func(*Object) {
	return func(o *Object) { o.Meta.ManagedFields = entries }
}

// also adds a managedFields entry.
func also(entry metav1.ManagedFieldsEntry) func(*Object) {
	return func(o *Object) { o.Meta.ManagedFields = append(o.Meta.ManagedFields, entry) }
}

// Entries, as in Changes.

func text(key string) Field       { return Field{SectionData, key} }
func binaryData(key string) Field { return Field{SectionBinaryData, key} }
func label(key string) Field      { return Field{SectionLabels, key} }
func annotation(key string) Field { return Field{SectionAnnotations, key} }

func dropped(entries ...Field) map[Field]bool {
	set := map[Field]bool{}
	for _, entry := range entries {
		set[entry] = true
	}
	return set
}

// oursDropped has all entries of the operator, and more.
func oursDropped(more ...Field) map[Field]bool {
	return dropped(append(more, text("ca.pem"), label(bundleLabel), label("team"), annotation(hashKey), annotation("note"))...)
}

// held is the Holding of a target that is in sync.
func held(clean bool) Holding {
	return Holding{Digest: "digest", Owner: string(bundleUID), Clean: clean}
}

// sameAction compares two Actions, apart from the Reason, which is text for people.
func sameAction(want, got Action) string {
	return cmp.Diff(want, got, cmp.AllowUnexported(Field{}), cmpopts.EquateEmpty(), cmpopts.IgnoreFields(Action{}, "Reason"))
}

// expected fills in the inputs of the decision in an Action.
func expected(action Action, want Desired) Action {
	action.Key, action.Owner, action.Shape = roots, want.Owner, want.Shape
	return action
}

// check compares a decision with the expected action.
func check(t *testing.T, want Desired, seen Observed, action Action) {
	t.Helper()
	got := Decide(roots, want, seen)
	if diff := sameAction(expected(action, want), got); diff != "" {
		t.Errorf("action (-want +got):\n%s", diff)
	}
	if got.Reason == "" {
		t.Error("the action has no reason")
	}
}
