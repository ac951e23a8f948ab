package integration

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// theirLabels are the labels of an object that existed before.
var theirLabels = map[string]string{"theirs": "label"}

// before creates an object under the name of a Bundle, as its user, and returns it.
func (k kind) before(t *testing.T, bundle *v1alpha1.Bundle, namespace string, data map[string]string) *corev1.ConfigMap {
	t.Helper()
	object := configMap(namespace, bundle.Name)
	object.Labels, object.Data = theirLabels, data
	k.create(t, object)
	return k.read(t, namespace, bundle.Name)
}

// T4, T5: objects that existed before are adopted, but different content under a key of the
// Bundle is not overwritten without consent: by spec.target.overwrite (A16), or by an
// annotation. The deletion of the Bundle leaves all of them, without what the operator wrote.
func TestAdoption(t *testing.T) {
	t.Parallel()
	operator(t)
	eachKind(t, func(t *testing.T, k kind) {
		s := newScene(t)
		ca, next := newAuthority("CA"), newAuthority("next")
		source := s.source(ca)
		bundle := s.newBundle(from(source), k.ask)
		adopted := func(namespace string, data map[string]string) target {
			return target{kind: k, bundle: bundle, namespace: namespace, certificates: []authority{ca}, data: data, labels: theirLabels, mark: "adopted"}
		}
		namespaces := s.namespaces(5)
		other, same, empty, consenting, overwritten := namespaces[0], namespaces[1], namespaces[2], namespaces[3], namespaces[4]
		uids := map[string]types.UID{
			other: k.before(t, bundle, other, theirData).UID,
			same:  k.before(t, bundle, same, map[string]string{targetKey: pemOf(ca)}).UID,
			empty: k.before(t, bundle, empty, nil).UID,
		}
		refused := map[string]*corev1.ConfigMap{}
		for _, namespace := range []string{consenting, overwritten} {
			refused[namespace] = k.before(t, bundle, namespace, map[string]string{targetKey: "their own", "theirs": "data"})
			uids[namespace] = refused[namespace].UID
		}
		s.temporary(bundle)

		adopted(other, theirData).await(t)
		adopted(same, nil).await(t)
		adopted(empty, nil).await(t)
		awaitCondition(t, bundle, k.failed(), "2 of 5 targets failed", consenting, fmt.Sprintf("other content under %q", targetKey),
			"spec.target.overwrite", marksOf(bundle.Name).Adopt)
		for namespace, before := range refused {
			if now := k.read(t, namespace, bundle.Name); now.ResourceVersion != before.ResourceVersion {
				t.Errorf("the object in %s was changed: %v", namespace, compareContent(before, now))
			}
		}

		// There is no event about an object without the label: the next read finds the consent.
		k.change(t, consenting, bundle.Name, func(o *corev1.ConfigMap) {
			metav1.SetMetaDataAnnotation(&o.ObjectMeta, marksOf(bundle.Name).Adopt, "true")
		})
		agreed := adopted(consenting, theirData)
		agreed.annotations = map[string]string{marksOf(bundle.Name).Adopt: "true"}
		poll.EventuallyWithin(t, 12*time.Second, "the object to be adopted", func() error { _, err := agreed.look(t); return err })
		awaitCondition(t, bundle, k.failed(), "1 of 5 targets failed", overwritten)
		change(t, bundle, func(b *v1alpha1.Bundle) { b.Spec.Target.Overwrite = true })
		adopted(overwritten, theirData).await(t)
		awaitSynced(t, bundle, 5)

		// They are targets like others from now on.
		fill(t, source, next)
		for _, namespace := range namespaces[:3] {
			want := adopted(namespace, map[string]map[string]string{other: theirData}[namespace])
			want.certificates = []authority{next}
			want.await(t)
		}
		remove(t, bundle.DeepCopy(), client.PropagationPolicy(metav1.DeletePropagationForeground))
		awaitGone(t, bundle.DeepCopy())
		for namespace, data := range map[string]map[string]string{other: theirData, same: nil, empty: nil, consenting: theirData, overwritten: theirData} {
			want := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Labels: theirLabels}, Data: data}
			if namespace == consenting {
				want.Annotations = agreed.annotations
			}
			k.awaitContent(t, namespace, bundle.Name, want)
			if now := k.read(t, namespace, bundle.Name); now.UID != uids[namespace] {
				t.Errorf("the object in %s was created again", namespace)
			}
		}
	})
}

// T15, A17: targets of a Bundle with deletionPolicy Orphan outlive it, with label and
// content, however it is deleted, and a Bundle that is created again takes them over
// without a write. Namespaces that are no longer selected are released as ever.
func TestDeletionPolicyOrphan(t *testing.T) {
	t.Parallel()
	operator(t)
	deleteBy := func(policy metav1.DeletionPropagation) func(*testing.T, *v1alpha1.Bundle) {
		return func(t *testing.T, bundle *v1alpha1.Bundle) {
			t.Helper()
			remove(t, bundle, client.PropagationPolicy(policy))
		}
	}
	for name, deleted := range map[string]func(*testing.T, *v1alpha1.Bundle){
		"background": deleteBy(metav1.DeletePropagationBackground),
		"foreground": deleteBy(metav1.DeletePropagationForeground),
		"orphaning":  deleteBy(metav1.DeletePropagationOrphan),
		"prune": func(t *testing.T, bundle *v1alpha1.Bundle) { // by label, as GitOps tools do
			t.Helper()
			change(t, bundle.DeepCopy(), func(b *v1alpha1.Bundle) { b.Labels = map[string]string{"pruned": b.Name} })
			if err := api.DeleteAllOf(t.Context(), &v1alpha1.Bundle{}, client.MatchingLabels{"pruned": bundle.Name}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			ca := newAuthority("CA")
			namespaces := s.labelledNamespaces(4, map[string]string{sceneLabel: s.name, "outlive": "yes"})
			bundle := s.newBundle(inLine(ca), func(b *v1alpha1.Bundle) {
				b.Spec.Target.DeletionPolicy = v1alpha1.DeletionPolicyOrphan
				b.Spec.Target.NamespaceSelector.MatchLabels["outlive"] = "yes"
			})
			inConfigMaps.before(t, bundle, namespaces[3], theirData)
			s.temporary(bundle)
			targets, versions := make([]target, len(namespaces)), map[string]string{}
			for i, namespace := range namespaces {
				targets[i] = target{bundle: bundle, namespace: namespace, certificates: []authority{ca}, mark: "orphan"}
			}
			targets[3].mark, targets[3].data, targets[3].labels = "adopted,orphan", theirData, theirLabels
			for _, one := range targets {
				versions[one.namespace] = one.await(t).ResourceVersion
			}
			awaitSynced(t, bundle, 4)
			before := env.Audit.Mark()
			unchanged := func() error {
				if wrote := requests(t, before, writesOf(bundle)); len(wrote) > 0 {
					return fmt.Errorf("the operator wrote %v", wrote)
				}
				for _, one := range targets {
					now, err := one.look(t)
					if err == nil && now.ResourceVersion != versions[one.namespace] {
						err = fmt.Errorf("the target in %s was written", one.namespace)
					}
					if err != nil {
						return err
					}
				}
				return nil
			}
			deleted(t, bundle.DeepCopy())
			awaitGone(t, bundle.DeepCopy())
			stays(t, time.Second, "that the targets are there", unchanged)

			again := &v1alpha1.Bundle{ObjectMeta: metav1.ObjectMeta{Name: bundle.Name}, Spec: *bundle.Spec.DeepCopy()}
			s.temporary(again)
			awaitSynced(t, again, 4)
			stays(t, time.Second, "that the targets are there", unchanged)

			label(t, namespaces[0], "outlive", "no")
			label(t, namespaces[3], "outlive", "no")
			poll.Eventually(t, "the target to go", func() error { return absent(t, again, namespaces[0]) })
			awaitContent(t, namespaces[3], again.Name, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Labels: theirLabels}, Data: theirData})
			change(t, again, func(b *v1alpha1.Bundle) { b.Spec.Target.DeletionPolicy = v1alpha1.DeletionPolicyDelete })
			awaitTargets(t, again, namespaces[1:3], ca)
			remove(t, again)
			poll.Eventually(t, "the target to go", func() error { return absent(t, again, namespaces[1]) })
		})
	}
}

// T15, K5: with the targets, the certificates stay that rotation retains in them.
func TestOrphansKeepRetainedCertificates(t *testing.T) {
	eachAPIKind(t, testOrphansKeepRetainedCertificates)
}

func testOrphansKeepRetainedCertificates(t *testing.T, s *scene) {
	namespaces := s.namespaces(2)
	old, next := newAuthority("Old"), newAuthority("Next")
	source := s.source(old)
	bundle := s.bundle(from(source), retaining(time.Hour), func(b *v1alpha1.Bundle) {
		b.Spec.Target.DeletionPolicy = v1alpha1.DeletionPolicyOrphan
	})
	want := target{bundle: bundle, namespace: namespaces[0], certificates: []authority{old}, mark: "orphan"}
	want.await(t)
	fill(t, source, next)
	want.certificates = []authority{next, old}
	version := want.await(t).ResourceVersion
	awaitSynced(t, bundle, 2)
	again := s.again(bundle)
	s.temporary(again)
	awaitSynced(t, again, 2)
	stays(t, time.Second, "the retained certificate", func() error {
		now, err := want.look(t)
		if err == nil && now.ResourceVersion != version {
			err = fmt.Errorf("it was written")
		}
		return err
	})
}

// T4: an object whose managedFields were cleared is marked as adopted by the request that
// labels it. If the operator ended in between, it would count as the operator's own.
func TestAdoptionOfUntrackedObject(t *testing.T) { eachAPIKind(t, testAdoptionOfUntrackedObject) }

func testAdoptionOfUntrackedObject(t *testing.T, s *scene) {
	namespace, ca := s.namespaces(1)[0], newAuthority("CA")
	bundle := s.newBundle(inLine(ca))
	inConfigMaps.before(t, bundle, namespace, theirData)
	change(t, configMap(namespace, bundle.Name), func(o *corev1.ConfigMap) { o.ManagedFields = []metav1.ManagedFieldsEntry{{}} })
	before := env.Audit.Mark()
	s.temporary(bundle)
	target{bundle: bundle, namespace: namespace, certificates: []authority{ca}, data: theirData, labels: theirLabels, mark: "adopted"}.await(t)
	wrote := requests(t, before, func(q rig.Request) bool { return writesOf(bundle)(q) && q.Verb != "create" })
	if len(wrote) != 1 || wrote[0].Verb != "patch" {
		t.Errorf("the operator wrote %v, want one apply", wrote)
	}
}
