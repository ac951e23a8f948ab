package previous

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"trust-manager.io/api/trust/v1alpha1"
)

// The kinds of targets.
const configMap, secret = "ConfigMap", "Secret"

// kindOf maps the resource in a request to the kind of a target.
var kindOf = map[string]string{"configmaps": configMap, "secrets": secret}

// place identifies an object that can be a target.
type place struct{ kind, namespace, name string }

// String returns the place as failures show it.
func (p place) String() string { return p.kind + " " + p.namespace + "/" + p.name }

// object is what the API server has stored under the name of a Bundle.
type object struct {
	uid     types.UID
	version string
	// entries are all fields but those that each write changes, by path.
	entries  map[string]string
	managers []metav1.ManagedFieldsEntry
}

// isTarget reports whether the object has the operator's label.
func (o *object) isTarget() bool {
	return o.entries[entry("metadata.labels", v1alpha1.BundleLabelKey)] != ""
}

// isShared reports whether the object is marked as holding foreign data.
func (o *object) isShared() bool {
	return o.entries[entry("metadata.annotations", v1alpha1.SharedAnnotationKey)] != ""
}

func entry(section, key string) string { return section + "[" + key + "]" }

// targets returns all objects with the name of a Bundle of the test.
func (w *world) targets() map[place]*object {
	w.t.Helper()
	all := map[place]*object{}
	for _, kind := range []string{configMap, secret} {
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion("v1")
		list.SetKind(kind + "List")
		if err := w.api.List(w.t.Context(), list); err != nil {
			w.t.Fatal(err)
		}
		for i := range list.Items {
			item := &list.Items[i]
			if w.isName[item.GetName()] {
				all[place{kind, item.GetNamespace(), item.GetName()}] = objectOf(item)
			}
		}
	}
	return all
}

func objectOf(item *unstructured.Unstructured) *object {
	o := &object{uid: item.GetUID(), version: item.GetResourceVersion(), entries: map[string]string{}, managers: item.GetManagedFields()}
	metadata, _, _ := unstructured.NestedMap(item.Object, "metadata")
	for name, value := range item.Object {
		if name != "metadata" {
			o.add(name, value)
		}
	}
	for name, value := range metadata {
		if name != "managedFields" && name != "resourceVersion" {
			o.add("metadata."+name, value)
		}
	}
	return o
}

// add adds a field, and of a map each entry by itself.
func (o *object) add(path string, value any) {
	if values, ok := value.(map[string]any); ok {
		for key, value := range values {
			o.entries[entry(path, key)] = fmt.Sprint(value)
		}
		return
	}
	o.entries[path] = fmt.Sprint(value)
}

// difference is an object that is not as it was before.
type difference struct {
	place place
	text  string
}

// compare returns the objects that differ between two points in time, sorted.
func compare(before, after map[place]*object) (all []difference) {
	places := maps.Clone(before)
	maps.Copy(places, after)
	for at := range places {
		old, now := before[at], after[at]
		var text string
		switch {
		case old == nil:
			text = "created by " + managersOf(now.managers)
		case now == nil:
			text = "deleted"
		case old.uid != now.uid:
			text = "deleted and created by " + managersOf(now.managers)
		case old.version != now.version || !reflect.DeepEqual(old.entries, now.entries):
			text = fmt.Sprintf("resource version %s became %s, by %s; %s", old.version, now.version, old.changedManagers(now), old.changedEntries(now))
		default:
			continue
		}
		all = append(all, difference{at, at.String() + ": " + text})
	}
	slices.SortFunc(all, func(a, b difference) int { return strings.Compare(a.text, b.text) })
	return all
}

// changedManagers returns the managers whose record of managed fields has changed.
func (o *object) changedManagers(now *object) string {
	isIn := func(list []metav1.ManagedFieldsEntry) func(metav1.ManagedFieldsEntry) bool {
		return func(e metav1.ManagedFieldsEntry) bool {
			return slices.ContainsFunc(list, func(other metav1.ManagedFieldsEntry) bool { return reflect.DeepEqual(e, other) })
		}
	}
	changed := slices.DeleteFunc(slices.Clone(now.managers), isIn(o.managers))
	if len(changed) > 0 {
		return managersOf(changed)
	}
	if removed := slices.DeleteFunc(slices.Clone(o.managers), isIn(now.managers)); len(removed) > 0 {
		return "an unknown manager, which removed the record of " + managersOf(removed)
	}
	return "an unknown manager: managedFields are unchanged"
}

func managersOf(entries []metav1.ManagedFieldsEntry) string {
	var names []string
	for _, e := range entries {
		names = append(names, fmt.Sprintf("manager %q (%s)", e.Manager, e.Operation))
	}
	return strings.Join(names, ", ")
}

// changedEntries returns the fields that have changed. It shows the values of metadata,
// and of data only the sizes.
func (o *object) changedEntries(now *object) string {
	var changed []string
	for path := range o.entries {
		if _, ok := now.entries[path]; !ok {
			changed = append(changed, path+" removed")
		}
	}
	for path, value := range now.entries {
		old, ok := o.entries[path]
		switch {
		case ok && old == value:
		case !strings.HasPrefix(path, "metadata."):
			changed = append(changed, fmt.Sprintf("%s changed from %d to %d bytes", path, len(old), len(value)))
		default:
			changed = append(changed, fmt.Sprintf("%s changed from %q to %q", path, old, value))
		}
	}
	if len(changed) == 0 {
		return "the content is unchanged"
	}
	slices.Sort(changed)
	return strings.Join(changed, ", ")
}

// A comparison that reports no difference would prove nothing.
func TestCompare(t *testing.T) {
	at := place{configMap, "namespace", "bundle"}
	target := func(changes ...func(*unstructured.Unstructured)) map[place]*object {
		o := &unstructured.Unstructured{Object: map[string]any{"data": map[string]any{"key": "value"}}}
		o.SetUID("one")
		o.SetResourceVersion("1")
		o.SetAnnotations(map[string]string{"hash": "a"})
		o.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "trust-manager", Operation: "Apply"}})
		for _, change := range changes {
			change(o)
		}
		return map[place]*object{at: objectOf(o)}
	}
	version := func(o *unstructured.Unstructured) { o.SetResourceVersion("2") }
	manager := func(o *unstructured.Unstructured) {
		o.SetManagedFields(append(o.GetManagedFields(), metav1.ManagedFieldsEntry{Manager: "another", Operation: "Update"}))
	}
	for name, tc := range map[string]struct {
		after map[place]*object
		want  string
	}{
		"unchanged":  {target(), ""},
		"deleted":    {nil, "deleted"},
		"re-created": {target(func(o *unstructured.Unstructured) { o.SetUID("two") }), `deleted and created by manager "trust-manager" (Apply)`},
		"version":    {target(version), "resource version 1 became 2, by an unknown manager: managedFields are unchanged; the content is unchanged"},
		"manager":    {target(version, manager), `resource version 1 became 2, by manager "another" (Update); the content is unchanged`},
		"untracked": {
			target(version, func(o *unstructured.Unstructured) { o.SetManagedFields(nil) }),
			`resource version 1 became 2, by an unknown manager, which removed the record of manager "trust-manager" (Apply); the content is unchanged`,
		},
		"metadata": {
			target(version, manager, func(o *unstructured.Unstructured) { o.SetAnnotations(map[string]string{"hash": "b"}) }),
			`resource version 1 became 2, by manager "another" (Update); metadata.annotations[hash] changed from "a" to "b"`,
		},
		"data": {
			target(version, manager, func(o *unstructured.Unstructured) { o.Object["data"] = map[string]any{"key": "other value"} }),
			`resource version 1 became 2, by manager "another" (Update); data[key] changed from 5 to 11 bytes`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got, want []string
			for _, difference := range compare(target(), tc.after) {
				got = append(got, difference.text)
			}
			if tc.want != "" {
				want = []string{"ConfigMap namespace/bundle: " + tc.want}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
