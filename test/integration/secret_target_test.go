package integration

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// secretBundle creates a Bundle with a Secret target, and no ConfigMap.
func (s *scene) secretBundle(sources []v1alpha1.BundleSource, changes ...func(*v1alpha1.Bundle)) *v1alpha1.Bundle {
	s.t.Helper()
	return s.bundle(sources, append([]func(*v1alpha1.Bundle){inSecrets.ask}, changes...)...)
}

func inSecret(bundle *v1alpha1.Bundle, namespace string, content ...authority) target {
	return target{kind: inSecrets, bundle: bundle, namespace: namespace, certificates: content}
}

// withMetadata adds metadata to the Secret targets of a Bundle.
func withMetadata(b *v1alpha1.Bundle) { b.Spec.Target.Secret.Metadata = asked }

// T4, T6, S13: a Bundle has a Secret and a ConfigMap target, and each matches exactly;
// sources and namespaces apply to both (C1: the status counts namespaces, not objects);
// if one kind is removed from the spec, its targets are deleted and the others stay.
func TestBothKinds(t *testing.T) { eachAPIKind(t, testBothKinds) }

func testBothKinds(t *testing.T, s *scene) {
	namespaces := s.namespaces(2)
	ca, next := newAuthority("CA"), newAuthority("Next")
	source := s.source(ca)
	bundle := s.bundle(from(source), func(b *v1alpha1.Bundle) {
		b.Spec.Target.Secret = &v1alpha1.TargetObject{Key: "ca.crt", Metadata: asked}
	})
	inBoth := func(namespaces []string, content ...authority) {
		t.Helper()
		inConfigMaps.await(t, bundle, namespaces, content...)
		inSecrets.await(t, bundle, namespaces, content...)
	}
	inBoth(namespaces, ca)
	awaitSynced(t, bundle, 2)
	fill(t, source, next, ca)
	inBoth(namespaces, next, ca)
	added := s.namespaces(1)
	inBoth(added, next, ca)
	awaitSynced(t, bundle, 3)
	label(t, added[0], sceneLabel, "")
	for _, k := range []kind{inConfigMaps, inSecrets} {
		poll.Eventually(t, "the target to go", func() error { return k.absent(t, bundle, added[0]) })
	}
	awaitSynced(t, bundle, 2)

	untouched := read(t, configMap(namespaces[0], bundle.Name)).ResourceVersion
	secret := bundle.Spec.Target.Secret
	change(t, bundle, func(b *v1alpha1.Bundle) { b.Spec.Target.Secret = nil })
	for _, namespace := range namespaces {
		poll.Eventually(t, "the Secret to go", func() error { return inSecrets.absent(t, bundle, namespace) })
	}
	awaitSynced(t, bundle, 2)
	change(t, bundle, func(b *v1alpha1.Bundle) { b.Spec.Target.Secret = secret })
	inBoth(namespaces, next, ca)
	if now := read(t, configMap(namespaces[0], bundle.Name)).ResourceVersion; now != untouched {
		t.Error("the ConfigMap was written")
	}
	change(t, bundle, func(b *v1alpha1.Bundle) { b.Spec.Target.ConfigMap = nil })
	for _, namespace := range namespaces {
		poll.Eventually(t, "the ConfigMap to go", func() error { return absent(t, bundle, namespace) })
	}
	inSecrets.await(t, bundle, namespaces, next, ca)
	awaitSynced(t, bundle, 2)
}

// T7, T11: every change of a Secret is repaired in place, under any field manager, and
// then nothing more is written.
func TestSecretDriftIsRepaired(t *testing.T) {
	t.Parallel()
	operator(t)
	for _, manager := range []string{"somebody", "trust-manager"} {
		t.Run(manager, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			ca := newAuthority("CA")
			bundle := s.secretBundle(inLine(ca), withMetadata)
			namespaces := s.namespaces(len(drifts))
			inSecrets.await(t, bundle, namespaces, ca)
			for name, drift := range drifts {
				namespace := namespaces[0]
				namespaces = namespaces[1:]
				t.Run(name, func(t *testing.T) {
					before := inSecret(bundle, namespace, ca).await(t)
					inSecrets.change(t, namespace, bundle.Name, drift, client.FieldOwner(manager))
					if after := inSecret(bundle, namespace, ca).await(t); after.UID != before.UID {
						t.Errorf("the object was re-created: it had UID %s, and has %s", before.UID, after.UID)
					}
				})
			}
			calm := env.Audit.Mark()
			stays(t, 300*time.Millisecond, "peace after the repairs", func() error { return noWrites(t, calm, bundle) })
		})
	}
}

// noWrites returns an error if the targets of a Bundle have been written.
func noWrites(t *testing.T, since rig.Mark, bundle *v1alpha1.Bundle) error {
	if wrote := requests(t, since, writesOf(bundle)); len(wrote) > 0 {
		return fmt.Errorf("the operator wrote %v", wrote)
	}
	return nil
}

// T7: a deleted Secret is re-created, and one that a foreign client has re-created with
// another type keeps that type.
func TestDeletedSecretIsRecreated(t *testing.T) { eachAPIKind(t, testDeletedSecretIsRecreated) }

func testDeletedSecretIsRecreated(t *testing.T, s *scene) {
	namespace := s.namespaces(1)[0]
	ca := newAuthority("CA")
	bundle := s.secretBundle(inLine(ca))
	want := inSecret(bundle, namespace, ca)
	before := want.await(t)
	inSecrets.remove(t, namespace, bundle.Name)
	if after := want.await(t); after.UID == before.UID {
		t.Error("the object was not deleted")
	}
}

// T4, T6: a Secret with foreign data is shared: it is not owned, and after any kind of
// release it has only foreign content.
func TestSharedSecretIsReleased(t *testing.T) {
	t.Parallel()
	operator(t)
	releases := map[string]func(*testing.T, *v1alpha1.Bundle, string){
		"deselected": func(t *testing.T, _ *v1alpha1.Bundle, namespace string) { label(t, namespace, sceneLabel, "") },
		"kind removed": func(t *testing.T, bundle *v1alpha1.Bundle, _ string) {
			change(t, bundle, func(b *v1alpha1.Bundle) {
				b.Spec.Target.ConfigMap, b.Spec.Target.Secret = b.Spec.Target.Secret, nil
			})
		},
		"Bundle deleted": func(t *testing.T, bundle *v1alpha1.Bundle, _ string) { remove(t, bundle.DeepCopy()) },
		"Bundle deleted in the foreground": func(t *testing.T, bundle *v1alpha1.Bundle, _ string) {
			remove(t, bundle.DeepCopy(), client.PropagationPolicy(metav1.DeletePropagationForeground))
		},
	}
	for name, release := range releases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			namespaces := s.namespaces(2)
			ca := newAuthority("CA")
			bundle := s.secretBundle(inLine(ca), withMetadata)
			inSecrets.await(t, bundle, namespaces, ca)
			shared, owned := inSecret(bundle, namespaces[0], ca), namespaces[1]
			shared.data, shared.labels = map[string]string{"theirs": "\xff\xfe"}, map[string]string{"theirs": "label"}
			inSecrets.addData(t, shared.namespace, bundle.Name, shared.data)
			inSecrets.change(t, shared.namespace, bundle.Name, func(o *corev1.ConfigMap) { maps.Copy(o.Labels, shared.labels) })
			shared.await(t)

			for _, namespace := range namespaces {
				release(t, bundle, namespace)
				if name != "deselected" {
					break // one release covers all namespaces
				}
			}
			inSecrets.awaitContent(t, shared.namespace, bundle.Name, &corev1.ConfigMap{
				ObjectMeta: metav1.ObjectMeta{Labels: shared.labels}, Data: shared.data,
			})
			poll.Eventually(t, "the owned target to go", func() error { return inSecrets.absent(t, bundle, owned) })
		})
	}
}

// T12: an orphaning deletion removes only the owner of Secrets, and the marks of the
// shared one; a re-created Bundle adopts them.
func TestSecretsAreOrphaned(t *testing.T) { eachAPIKind(t, testSecretsAreOrphaned) }

func testSecretsAreOrphaned(t *testing.T, s *scene) {
	namespaces := s.namespaces(2)
	ca := newAuthority("CA")
	bundle := s.secretBundle(inLine(ca))
	inSecrets.await(t, bundle, namespaces, ca)
	inSecrets.addData(t, namespaces[0], bundle.Name, theirData)
	shared := inSecret(bundle, namespaces[0], ca)
	shared.data = theirData
	uid := shared.await(t).UID
	remove(t, bundle.DeepCopy(), client.PropagationPolicy(metav1.DeletePropagationOrphan))
	awaitGone(t, bundle.DeepCopy())
	orphan := inSecret(bundle, namespaces[1], ca)
	orphan.orphaned = true
	orphan.await(t)
	data := maps.Clone(theirData)
	data[targetKey] = pemOf(ca)
	inSecrets.awaitContent(t, namespaces[0], bundle.Name, &corev1.ConfigMap{Data: data})

	again := &v1alpha1.Bundle{ObjectMeta: metav1.ObjectMeta{Name: bundle.Name}, Spec: *bundle.Spec.DeepCopy()}
	s.temporary(again)
	inSecrets.await(t, again, namespaces[1:], ca)
	shared.bundle, shared.mark = again, "adopted" // its own mark has gone with the first Bundle
	if now := shared.await(t).UID; now != uid {
		t.Error("the shared object was re-created")
	}
	awaitSynced(t, again, 2)
}

// T6, T8: a Secret with another type keeps the type and its data, and is neither
// replaced nor deleted.
func TestSecretOfOtherType(t *testing.T) { eachAPIKind(t, testSecretOfOtherType) }

func testSecretOfOtherType(t *testing.T, s *scene) {
	namespaces := s.namespaces(2)
	ca, next := newAuthority("CA"), newAuthority("Next")
	source := s.source(ca)
	bundle := s.newBundle(from(source), inSecrets.ask)
	theirs := map[corev1.SecretType]map[string]string{
		corev1.SecretTypeBasicAuth: {"username": "u", "password": "p"},
		"example.com/own":          nil,
	}
	var before []*corev1.ConfigMap
	for i, typed := range []corev1.SecretType{corev1.SecretTypeBasicAuth, "example.com/own"} {
		object := configMap(namespaces[i], bundle.Name)
		metav1.SetMetaDataAnnotation(&object.ObjectMeta, typeAnnotation, string(typed))
		object.Data = theirs[typed]
		inSecrets.create(t, object)
		before = append(before, object)
	}
	s.temporary(bundle)
	wanted := func(content ...authority) {
		t.Helper()
		for i, object := range before {
			want := inSecret(bundle, namespaces[i], content...)
			want.typed = corev1.SecretType(typeOf(object))
			want.data, want.mark = theirs[want.typed], "adopted"
			if after := want.await(t); after.UID != object.UID {
				t.Errorf("the %s was re-created", want.typed)
			}
		}
		awaitSynced(t, bundle, 2)
	}
	wanted(ca)
	fill(t, source, next)
	wanted(next)
	for i := range before {
		inSecrets.change(t, namespaces[i], bundle.Name, func(o *corev1.ConfigMap) { delete(o.Data, targetKey) })
	}
	wanted(next)
	for i, object := range before {
		label(t, namespaces[i], sceneLabel, "")
		inSecrets.awaitContent(t, namespaces[i], bundle.Name, &corev1.ConfigMap{Data: theirs[corev1.SecretType(typeOf(object))]})
		if after := inSecrets.read(t, namespaces[i], bundle.Name); after.UID != object.UID {
			t.Error("the object was re-created")
		}
	}
}

// T8, C2: only a Secret with another controller, and an immutable one, fail, and they
// stay unchanged; the reason is that of Secrets, and the message names them; when the
// obstacle is deleted, the target is retried at once.
func TestSecretConflicts(t *testing.T) { eachAPIKind(t, testSecretConflicts) }

func testSecretConflicts(t *testing.T, s *scene) {
	blocked, free := s.namespaces(2), s.namespaces(2)
	ca := newAuthority("CA")
	bundle := s.newBundle(inLine(ca), inSecrets.ask)
	yes := true
	controller := configMap(blocked[0], "controller")
	create(t, controller)
	controlled, immutable := configMap(blocked[0], bundle.Name), configMap(blocked[1], bundle.Name)
	controlled.OwnerReferences = []metav1.OwnerReference{
		{APIVersion: "v1", Kind: "ConfigMap", Name: controller.Name, UID: controller.UID, Controller: &yes},
	}
	immutable.Immutable = &yes
	for _, object := range []*corev1.ConfigMap{controlled, immutable} {
		object.Data = map[string]string{targetKey: "other"}
		inSecrets.create(t, object)
	}
	s.temporary(bundle)
	inSecrets.await(t, bundle, free, ca)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSyncSecretTargetFailed, "2 of 4 targets failed",
		"Secret in namespace "+blocked[0]+": the object is controlled by ConfigMap controller",
		"Secret in namespace "+blocked[1]+": the object is immutable")
	for _, object := range []*corev1.ConfigMap{controlled, immutable} {
		if now := inSecrets.read(t, object.Namespace, bundle.Name); now.ResourceVersion != object.ResourceVersion {
			t.Errorf("the object in %s was touched: %v", object.Namespace, compareContent(object, now))
		}
		inSecrets.remove(t, object.Namespace, bundle.Name)
	}
	inSecrets.await(t, bundle, slices.Concat(blocked, free), ca)
	awaitSynced(t, bundle, 4)
}

// C2: if both kinds fail, the reason is that of ConfigMaps, and the message names both.
func TestBothKindsFail(t *testing.T) { eachAPIKind(t, testBothKindsFail) }

func testBothKindsFail(t *testing.T, s *scene) {
	refusing := s.faultyNamespaces(1)
	env.Admission.Refuse(refusing...)
	bundle := s.bundle(inLine(newAuthority("CA")), func(b *v1alpha1.Bundle) {
		b.Spec.Target.Secret = &v1alpha1.TargetObject{Key: "ca.crt"}
	})
	awaitCondition(t, bundle, v1alpha1.BundleReasonSyncConfigMapTargetFailed, "2 of 2 targets failed",
		"ConfigMap in namespace "+refusing[0], "Secret in namespace "+refusing[0], rig.Refusal)
	change(t, bundle, inSecrets.ask)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSyncSecretTargetFailed, "1 of 1 target failed", rig.Refusal)
	env.Admission.Admit(refusing...)
	awaitSynced(t, bundle, 1)
}

// T6: a copy of a Secret, or a restored backup, stays unchanged.
func TestCopiesOfSecretsAreLeftAlone(t *testing.T) { eachAPIKind(t, testCopiesOfSecretsAreLeftAlone) }

func testCopiesOfSecretsAreLeftAlone(t *testing.T, s *scene) {
	selected, other := s.namespaces(1)[0], s.labelledNamespaces(1, nil)[0]
	ca := newAuthority("CA")
	bundle := s.secretBundle(inLine(ca))
	inSecrets.await(t, bundle, []string{selected}, ca)
	original := inSecrets.read(t, selected, bundle.Name)
	var copies []*corev1.ConfigMap
	for namespace, name := range map[string]string{selected: "copied", other: bundle.Name} {
		object := configMap(namespace, name)
		object.Labels, object.Annotations, object.Data = original.Labels, original.Annotations, original.Data
		inSecrets.create(t, object)
		copies = append(copies, object)
	}
	label(t, selected, sceneLabel, "")
	poll.Eventually(t, "the target to go", func() error { return inSecrets.absent(t, bundle, selected) })
	label(t, other, sceneLabel, "something-else")
	remove(t, bundle)
	awaitGone(t, bundle)
	stays(t, 300*time.Millisecond, "the copies", func() error {
		for _, object := range copies {
			if now := inSecrets.read(t, object.Namespace, object.Name); now.ResourceVersion != object.ResourceVersion {
				return fmt.Errorf("Secret %s/%s was touched", object.Namespace, object.Name)
			}
		}
		return nil
	})
}
