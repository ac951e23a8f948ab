package integration

import (
	"encoding/json"
	"fmt"
	"maps"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/poll"
)

// asked is the target metadata of the Bundles in these tests.
var asked = v1alpha1.TargetMetadata{
	Labels:      map[string]v1alpha1.LabelValue{"asked": "label"},
	Annotations: map[string]string{"asked": "annotation"},
}

// drifts are changes to a target that the operator has to repair, as updates.
var drifts = map[string]func(*corev1.ConfigMap){
	"value edited":        func(o *corev1.ConfigMap) { o.Data[targetKey] += "# more\n" },
	"value emptied":       func(o *corev1.ConfigMap) { o.Data[targetKey] = "" },
	"key removed":         func(o *corev1.ConfigMap) { delete(o.Data, targetKey) },
	"data removed":        func(o *corev1.ConfigMap) { o.Data = nil },
	"key made binary":     makeBinary,
	"bundle label gone":   func(o *corev1.ConfigMap) { delete(o.Labels, marksOf(o.Name).Label) },
	"bundle label other":  func(o *corev1.ConfigMap) { o.Labels[marksOf(o.Name).Label] = "other" },
	"bundle label empty":  func(o *corev1.ConfigMap) { o.Labels[marksOf(o.Name).Label] = "" },
	"asked label gone":    func(o *corev1.ConfigMap) { delete(o.Labels, "asked") },
	"asked label other":   func(o *corev1.ConfigMap) { o.Labels["asked"] = "other" },
	"all labels gone":     func(o *corev1.ConfigMap) { o.Labels = nil },
	"hash gone":           func(o *corev1.ConfigMap) { delete(o.Annotations, marksOf(o.Name).Hash) },
	"hash other":          func(o *corev1.ConfigMap) { o.Annotations[marksOf(o.Name).Hash] = "other" },
	"shared mark added":   func(o *corev1.ConfigMap) { o.Annotations[marksOf(o.Name).Shared] = "true" },
	"asked annotation":    func(o *corev1.ConfigMap) { o.Annotations["asked"] = "other" },
	"all annotations":     func(o *corev1.ConfigMap) { o.Annotations = nil },
	"owner removed":       func(o *corev1.ConfigMap) { o.OwnerReferences = nil },
	"owner not in charge": func(o *corev1.ConfigMap) { o.OwnerReferences[0].Controller = nil },
	"owner not blocking":  func(o *corev1.ConfigMap) { o.OwnerReferences[0].BlockOwnerDeletion = nil },
	"all at once":         func(o *corev1.ConfigMap) { o.Data, o.Labels, o.Annotations, o.OwnerReferences = nil, nil, nil, nil },
	"replaced by another object's content": func(o *corev1.ConfigMap) {
		o.Data = map[string]string{targetKey: "their own"}
		o.Labels, o.Annotations, o.OwnerReferences = nil, nil, nil
	},
	"managedFields cleared, value edited": func(o *corev1.ConfigMap) {
		o.ManagedFields = []metav1.ManagedFieldsEntry{{}}
		o.Data[targetKey] = "edited"
	},
	"managedFields cleared, owner removed": func(o *corev1.ConfigMap) {
		o.ManagedFields = []metav1.ManagedFieldsEntry{{}}
		o.OwnerReferences = nil
	},
}

func makeBinary(o *corev1.ConfigMap) {
	o.BinaryData = map[string][]byte{targetKey: []byte(o.Data[targetKey])}
	o.Data = nil
}

// ways are the ways to cause drift.
var ways = map[string]func(t *testing.T, o *corev1.ConfigMap, drift func(*corev1.ConfigMap)){
	"update": func(t *testing.T, o *corev1.ConfigMap, drift func(*corev1.ConfigMap)) {
		change(t, o, drift, client.FieldOwner("somebody"))
	},
	"update as trust-manager": func(t *testing.T, o *corev1.ConfigMap, drift func(*corev1.ConfigMap)) {
		change(t, o, drift, client.FieldOwner("trust-manager"))
	},
	"merge patch": func(t *testing.T, o *corev1.ConfigMap, drift func(*corev1.ConfigMap)) {
		patch(t, o, drift, client.FieldOwner("somebody"))
	},
	"merge patch as trust-manager": func(t *testing.T, o *corev1.ConfigMap, drift func(*corev1.ConfigMap)) {
		patch(t, o, drift, client.FieldOwner("trust-manager"))
	},
}

func patch(t *testing.T, o *corev1.ConfigMap, drift func(*corev1.ConfigMap), options ...client.PatchOption) {
	t.Helper()
	before := read(t, o).DeepCopy()
	drift(o)
	if err := api.Patch(t.Context(), o, client.MergeFrom(before), options...); err != nil {
		t.Fatal(err)
	}
}

// T7: every change of a target is repaired, under any field manager, and then nothing
// more is written (T11).
func TestDriftIsRepaired(t *testing.T) {
	t.Parallel()
	operator(t)
	for way, carryOut := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			ca := newAuthority("CA")
			bundle := s.bundle(inLine(ca), func(b *v1alpha1.Bundle) { b.Spec.Target.ConfigMap.Metadata = asked })
			namespaces := s.namespaces(len(drifts))
			awaitTargets(t, bundle, namespaces, ca)
			for name, drift := range drifts {
				namespace := namespaces[0]
				namespaces = namespaces[1:]
				t.Run(name, func(t *testing.T) {
					want := target{bundle: bundle, namespace: namespace, certificates: []authority{ca}}
					before := want.await(t)
					carryOut(t, configMap(namespace, bundle.Name), drift)
					if after := want.await(t); after.UID != before.UID {
						t.Errorf("the object was re-created: it had UID %s, and has %s", before.UID, after.UID)
					}
				})
			}
			calm := env.Audit.Mark()
			stays(t, 300*time.Millisecond, "peace after the repairs", func() error {
				if wrote := requests(t, calm, writesOf(bundle)); len(wrote) > 0 {
					return fmt.Errorf("the operator wrote %v", wrote)
				}
				return nil
			})
		})
	}
}

// T7: a deleted target is re-created.
func TestDeletedTargetIsRecreated(t *testing.T) { eachAPIKind(t, testDeletedTargetIsRecreated) }

func testDeletedTargetIsRecreated(t *testing.T, s *scene) {
	namespace := s.namespaces(1)[0]
	ca := newAuthority("CA")
	bundle := s.bundle(inLine(ca))
	want := target{bundle: bundle, namespace: namespace, certificates: []authority{ca}}
	for range 3 {
		before := want.await(t)
		remove(t, configMap(namespace, bundle.Name))
		if after := want.await(t); after.UID == before.UID {
			t.Error("the object was not deleted")
		}
	}
}

// T7: a value set by a forced server-side apply, under any field manager, is
// repaired, and so is one without information in managedFields.
func TestAppliedDriftIsRepaired(t *testing.T) { eachAPIKind(t, testAppliedDriftIsRepaired) }

func testAppliedDriftIsRepaired(t *testing.T, s *scene) {
	ca := newAuthority("CA")
	bundle := s.bundle(inLine(ca))
	for _, manager := range []string{"somebody", "trust-manager"} {
		t.Run(manager, func(t *testing.T) {
			namespace := s.namespaces(1)[0]
			want := target{bundle: bundle, namespace: namespace, certificates: []authority{ca}}
			want.await(t)
			apply(t, namespace, bundle.Name, manager, map[string]any{"data": map[string]any{targetKey: "applied"}})
			want.await(t)
			apply(t, namespace, bundle.Name, manager, map[string]any{
				"data":     map[string]any{targetKey: "applied again"},
				"metadata": map[string]any{"labels": map[string]any{marksOf(bundle.Name).Label: "applied"}},
			})
			want.await(t)
		})
	}
}

// apply applies fields to a ConfigMap, and forces conflicts.
func apply(t *testing.T, namespace, name, manager string, fields map[string]any) {
	t.Helper()
	inConfigMaps.apply(t, namespace, name, manager, fields)
}

// apply applies fields to an object of the kind, and forces conflicts.
func (k kind) apply(t *testing.T, namespace, name, manager string, fields map[string]any) {
	t.Helper()
	object := &unstructured.Unstructured{Object: fields}
	object.SetAPIVersion("v1")
	object.SetKind(k.String())
	object.SetNamespace(namespace)
	object.SetName(name)
	err := api.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), client.FieldOwner(manager), client.ForceOwnership)
	if err != nil {
		t.Fatal(err)
	}
}

// T6: foreign content of a target survives repairs and rollouts. T4: with foreign
// data the target is not owned but marked as shared; without, it is owned again.
func TestForeignEntriesStay(t *testing.T) { eachAPIKind(t, testForeignEntriesStay) }

func testForeignEntriesStay(t *testing.T, s *scene) {
	namespace := s.namespaces(1)[0]
	ca, next := newAuthority("CA"), newAuthority("Next")
	source := s.source(ca)
	bundle := s.bundle(from(source), func(b *v1alpha1.Bundle) { b.Spec.Target.ConfigMap.Metadata = asked })
	want := target{bundle: bundle, namespace: namespace, certificates: []authority{ca}}
	uid := want.await(t).UID

	object := configMap(namespace, bundle.Name)
	want.labels, want.annotations = map[string]string{"theirs": "label"}, map[string]string{"theirs": "annotation"}
	change(t, object, func(o *corev1.ConfigMap) {
		maps.Copy(o.Labels, want.labels)
		maps.Copy(o.Annotations, want.annotations)
	}, client.FieldOwner("somebody"))
	change(t, object, func(o *corev1.ConfigMap) { o.Data[targetKey] = "" }, client.FieldOwner("somebody"))
	want.await(t)

	want.data = map[string]string{"theirs": "data", "more": ""}
	addData(t, namespace, bundle.Name, want.data)
	want.await(t)
	change(t, object, func(o *corev1.ConfigMap) { o.OwnerReferences = []metav1.OwnerReference{ownedBy(bundle)} })
	want.await(t)
	change(t, object, func(o *corev1.ConfigMap) { delete(o.Annotations, marksOf(o.Name).Shared) })
	want.await(t)

	fill(t, source, next)
	want.certificates = []authority{next}
	want.await(t)

	change(t, object, func(o *corev1.ConfigMap) { delete(o.Data, "theirs") })
	want.data = map[string]string{"more": ""}
	want.await(t)
	change(t, object, func(o *corev1.ConfigMap) { delete(o.Data, "more") })
	want.data = nil
	if after := want.await(t); after.UID != uid {
		t.Error("the object was re-created on the way")
	}
	awaitSynced(t, bundle, 1)
}

// T6: a foreign binary key and a foreign owner that is not the controller stay, too.
func TestForeignBinaryAndOwnerStay(t *testing.T) { eachAPIKind(t, testForeignBinaryAndOwnerStay) }

func testForeignBinaryAndOwnerStay(t *testing.T, s *scene) {
	namespace := s.namespaces(1)[0]
	ca, next := newAuthority("CA"), newAuthority("Next")
	source := s.source(ca)
	bundle := s.bundle(from(source))
	target{bundle: bundle, namespace: namespace, certificates: []authority{ca}}.await(t)
	other := configMap(namespace, "other-owner")
	create(t, other)
	theirs := metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: other.Name, UID: other.UID}
	object := configMap(namespace, bundle.Name)
	change(t, object, func(o *corev1.ConfigMap) { o.OwnerReferences = append(o.OwnerReferences, theirs) })
	fill(t, source, next)
	poll.Eventually(t, "both owners", func() error {
		read(t, object)
		if err := comparePEM(object.Data[targetKey], []authority{next}); err != nil {
			return err
		}
		return compareContent(&corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{
				Labels: object.Labels, Annotations: object.Annotations,
				OwnerReferences: []metav1.OwnerReference{ownedBy(bundle), theirs},
			},
			Data: object.Data,
		}, object)
	})
	change(t, object, func(o *corev1.ConfigMap) { o.BinaryData = map[string][]byte{"store.jks": {0xfe, 0xed}} })
	poll.Eventually(t, "the object to be shared", func() error {
		read(t, object)
		if object.Annotations[marksOf(object.Name).Shared] != "true" || len(object.OwnerReferences) != 1 {
			return fmt.Errorf("annotations %v, owners %v", object.Annotations, object.OwnerReferences)
		}
		return nil
	})
	fill(t, source, ca)
	poll.Eventually(t, "the rollout", func() error { return comparePEM(read(t, object).Data[targetKey], []authority{ca}) })
	if len(object.BinaryData["store.jks"]) != 2 || object.OwnerReferences[0].UID != theirs.UID {
		t.Errorf("what others had is gone: %v", object)
	}
}

// T6, T7: foreign content stays even if managedFields were cleared.
func TestForeignEntriesStayWithoutManagedFields(t *testing.T) {
	eachAPIKind(t, testForeignEntriesStayWithoutManagedFields)
}

func testForeignEntriesStayWithoutManagedFields(t *testing.T, s *scene) {
	namespace := s.namespaces(1)[0]
	ca, next := newAuthority("CA"), newAuthority("Next")
	source := s.source(ca)
	bundle := s.bundle(from(source))
	want := target{bundle: bundle, namespace: namespace, certificates: []authority{ca}}
	want.await(t)
	want.data, want.labels = map[string]string{"theirs": "data"}, map[string]string{"theirs": "label"}
	clear, err := json.Marshal(map[string]any{
		"data":     want.data,
		"metadata": map[string]any{"labels": want.labels, "managedFields": []any{map[string]any{}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := api.Patch(t.Context(), configMap(namespace, bundle.Name), client.RawPatch(types.MergePatchType, clear)); err != nil {
		t.Fatal(err)
	}
	want.await(t)
	fill(t, source, next)
	want.certificates = []authority{next}
	want.await(t)
}
