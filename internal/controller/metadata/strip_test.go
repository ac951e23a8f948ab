package metadata

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
)

// full returns an object with every field that the API server may set.
func full() *metav1.PartialObjectMetadata {
	object := New(target.TypeOf(bundle.ConfigMap).GVK)
	object.ObjectMeta = metav1.ObjectMeta{
		Name: "roots", Namespace: "a", UID: "uid", ResourceVersion: "7", Generation: 3,
		Labels:            map[string]string{v1alpha1.BundleLabelKey: "roots", "theirs": "x"},
		Annotations:       map[string]string{v1alpha1.SharedAnnotationKey: "true", v1alpha1.BundleHashAnnotationKey: "h", "theirs": strings.Repeat("x", 1000)},
		OwnerReferences:   []metav1.OwnerReference{{Name: "roots"}},
		Finalizers:        []string{"f"},
		DeletionTimestamp: new(metav1.NewTime(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))),
		ManagedFields:     []metav1.ManagedFieldsEntry{{Manager: "m"}},
	}
	return object
}

// Design rule 8: the cache holds only the fields that decisions read.
func TestStripTarget(t *testing.T) {
	t.Parallel()
	want := New(target.TypeOf(bundle.ConfigMap).GVK)
	want.ObjectMeta = metav1.ObjectMeta{
		Name: "roots", Namespace: "a", UID: "uid", ResourceVersion: "7",
		Labels:      map[string]string{v1alpha1.BundleLabelKey: "roots"},
		Annotations: map[string]string{v1alpha1.SharedAnnotationKey: "true"},
	}
	checkStripped(t, NewInterner(apis.Bundle{}.Marks()).Strip, full(), want)
	for _, mark := range []string{"adopted", "orphan", "adopted,orphan"} {
		marked := full()
		marked.Annotations[v1alpha1.SharedAnnotationKey] = mark
		want.Annotations = map[string]string{v1alpha1.SharedAnnotationKey: mark}
		checkStripped(t, NewInterner(apis.Bundle{}.Marks()).Strip, marked, want)
	}
	want.Annotations = nil
	for _, annotations := range []map[string]string{nil, {v1alpha1.SharedAnnotationKey: strings.Repeat("true", 1000)}} {
		unshared := full()
		unshared.Annotations = annotations
		checkStripped(t, NewInterner(apis.Bundle{}.Marks()).Strip, unshared, want)
	}
}

// Targets of one bundle share their labels; the number of remembered label sets is
// bounded, however many other clients create.
func TestLabelSets(t *testing.T) {
	t.Parallel()
	sets := NewInterner(apis.Bundle{}.Marks())
	for number := range maxLabelSets + 10 {
		name := strconv.Itoa(number)
		if got := sets.get(name); len(got) != 1 || got[v1alpha1.BundleLabelKey] != name {
			t.Fatalf("labels of %s: %v", name, got)
		}
	}
	if got := len(sets.of); got != maxLabelSets {
		t.Errorf("%d label sets are remembered, want %d", got, maxLabelSets)
	}
	one, other := reflect.ValueOf(sets.get("7")), reflect.ValueOf(sets.get("7"))
	if one.Pointer() != other.Pointer() {
		t.Error("two targets of a bundle have label sets of their own")
	}
}

func TestStripNamespace(t *testing.T) {
	t.Parallel()
	object := full()
	object.SetGroupVersionKind(Namespace)
	want := New(Namespace)
	want.ObjectMeta = metav1.ObjectMeta{
		Name: "roots", UID: "uid", ResourceVersion: "7", Labels: object.Labels, DeletionTimestamp: object.DeletionTimestamp,
	}
	checkStripped(t, StripNamespace, object, want)
}

// checkStripped strips an object and compares. It also strips a stripped object, which
// informers may do, and a value of another type, such as the tombstone of an object whose
// deletion was missed.
func checkStripped(t *testing.T, strip func(any) (any, error), object, want *metav1.PartialObjectMetadata) {
	t.Helper()
	before, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	got, err := strip(object)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stripped (-want +got):\n%s", diff)
	}
	if again, err := strip(got); err != nil || cmp.Diff(want, again) != "" {
		t.Errorf("stripped twice: %v, %v", again, err)
	}
	if after, err := json.Marshal(object); err != nil || string(after) != string(before) {
		t.Errorf("the object has changed: %s, %v", after, err)
	}
	other := "something else"
	if got, err := strip(other); got != other || err != nil {
		t.Errorf("something else: %v, %v", got, err)
	}
}
