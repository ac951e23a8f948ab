package controller

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
)

// full gives an object with everything that the API server may set.
func full() *metav1.PartialObjectMetadata {
	object := metadataOf(configMapKind)
	object.ObjectMeta = metav1.ObjectMeta{
		Name: "roots", Namespace: "a", UID: "uid", ResourceVersion: "7", Generation: 3,
		Labels:            map[string]string{v1alpha1.BundleLabelKey: "roots", "theirs": "x"},
		Annotations:       map[string]string{v1alpha1.SharedAnnotationKey: "true", v1alpha1.BundleHashAnnotationKey: "h", "theirs": strings.Repeat("x", 1000)},
		OwnerReferences:   []metav1.OwnerReference{{Name: "roots"}},
		Finalizers:        []string{"f"},
		DeletionTimestamp: new(metav1.NewTime(start)),
		ManagedFields:     []metav1.ManagedFieldsEntry{{Manager: "m"}},
	}
	return object
}

// Design rule 8: the cache holds what decisions read, and nothing else.
func TestStripTarget(t *testing.T) {
	t.Parallel()
	want := metadataOf(configMapKind)
	want.ObjectMeta = metav1.ObjectMeta{
		Name: "roots", Namespace: "a", UID: "uid", ResourceVersion: "7",
		Labels:      map[string]string{v1alpha1.BundleLabelKey: "roots"},
		Annotations: map[string]string{v1alpha1.SharedAnnotationKey: "true"},
	}
	checkStripped(t, newLabelSets().strip, full(), want)
	want.Annotations = nil
	for _, annotations := range []map[string]string{nil, {v1alpha1.SharedAnnotationKey: strings.Repeat("true", 1000)}} {
		unshared := full()
		unshared.Annotations = annotations
		checkStripped(t, newLabelSets().strip, unshared, want)
	}
}

// Targets of one bundle share their labels; however many labels others make up,
// only so many are remembered.
func TestLabelSets(t *testing.T) {
	t.Parallel()
	sets := newLabelSets()
	for number := range mostLabelSets + 10 {
		name := strconv.Itoa(number)
		if got := sets.get(name); len(got) != 1 || got[v1alpha1.BundleLabelKey] != name {
			t.Fatalf("labels of %s: %v", name, got)
		}
	}
	if got := len(sets.of); got != mostLabelSets {
		t.Errorf("%d label sets are remembered, want %d", got, mostLabelSets)
	}
	one, other := reflect.ValueOf(sets.get("7")), reflect.ValueOf(sets.get("7"))
	if one.Pointer() != other.Pointer() {
		t.Error("two targets of a bundle have label sets of their own")
	}
}

func TestStripNamespace(t *testing.T) {
	t.Parallel()
	object := full()
	object.SetGroupVersionKind(namespaceKind)
	want := metadataOf(namespaceKind)
	want.ObjectMeta = metav1.ObjectMeta{
		Name: "roots", UID: "uid", ResourceVersion: "7", Labels: object.Labels, DeletionTimestamp: object.DeletionTimestamp,
	}
	checkStripped(t, stripNamespace, object, want)
}

// checkStripped strips an object and compares. It also strips what was stripped
// before, which informers may do, and what is something else, such as the mark
// of an object whose end was not seen.
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

func TestSourcesOf(t *testing.T) {
	t.Parallel()
	from := made("roots",
		fromConfigMap("a"), fromSecret("a"),
		v1alpha1.BundleSource{InLine: new("text")},
		v1alpha1.BundleSource{UseDefaultCAs: new(true)},
		v1alpha1.BundleSource{UseDefaultCAs: new(false)},
		v1alpha1.BundleSource{},
	)
	if diff := cmp.Diff([]string{"ConfigMap/a", "Secret/a", "default"}, sourcesOf(from)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if got := sourcesOf(&corev1.ConfigMap{}); got != nil {
		t.Errorf("of something else: %v", got)
	}
}

// T6: an object of another name merely carries the label.
func TestBundleOf(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		object client.Object
		want   []string
	}{
		"a target": {observed("roots", "a", "7"), []string{"roots"}},
		"a copy":   {changed(observed("roots", "a", "7"), func(o *metav1.PartialObjectMetadata) { o.Name = "copy" }), nil},
		"no label": {changed(observed("roots", "a", "7"), func(o *metav1.PartialObjectMetadata) { o.Labels = nil }), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, bundleOf(tc.object)); diff != "" {
				t.Errorf("bundle (-want +got):\n%s", diff)
			}
		})
	}
}
