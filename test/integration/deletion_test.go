package integration

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// theirData is foreign content in the shared object of a deletable Bundle.
var theirData = map[string]string{"theirs": "data"}

// deletable creates a Bundle with owned targets in some namespaces, and one shared
// target.
func (s *scene) deletable(ca authority) (bundle *v1alpha1.Bundle, owned []string, shared target) {
	s.t.Helper()
	namespaces := s.namespaces(4)
	bundle = s.bundle(inLine(ca))
	awaitTargets(s.t, bundle, namespaces, ca)
	owned, shared = namespaces[1:], target{bundle: bundle, namespace: namespaces[0], certificates: []authority{ca}, data: theirData}
	addData(s.t, shared.namespace, bundle.Name, theirData)
	shared.await(s.t)
	awaitSynced(s.t, bundle, 4)
	return bundle, owned, shared
}

// awaitCollected waits until the targets that a Bundle owned are gone, and the shared
// one has only foreign data.
func awaitCollected(t *testing.T, bundle *v1alpha1.Bundle, owned []string, shared target) {
	t.Helper()
	for _, namespace := range owned {
		poll.Eventually(t, "the target to go", func() error { return absent(t, bundle, namespace) })
	}
	awaitContent(t, shared.namespace, bundle.Name, &corev1.ConfigMap{Data: theirData})
}

// T12: when a Bundle is deleted in the background or the foreground, its targets are
// deleted, none of which reappears in between; the shared one is released.
func TestDeletion(t *testing.T) {
	t.Parallel()
	operator(t)
	for _, policy := range []metav1.DeletionPropagation{metav1.DeletePropagationBackground, metav1.DeletePropagationForeground} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			bundle, owned, shared := s.deletable(newAuthority("CA"))
			var histories []*history
			for _, namespace := range owned {
				histories = append(histories, observe(t, namespace, bundle.Name))
			}
			remove(t, bundle, client.PropagationPolicy(policy))
			awaitGone(t, bundle)
			awaitCollected(t, bundle, owned, shared)
			deletedOnce := func() error {
				for _, h := range histories {
					if types := h.types(); !slices.Equal(types, []watch.EventType{watch.Added, watch.Deleted}) &&
						!slices.Equal(types, []watch.EventType{watch.Added, watch.Modified, watch.Deleted}) {
						return fmt.Errorf("the watch reported %v", types)
					}
				}
				return nil
			}
			poll.Eventually(t, "the watches to report the deletions", deletedOnce)
			stays(t, 300*time.Millisecond, "that no target comes back", deletedOnce)
		})
	}
}

// T12: an orphaning deletion removes only the owner of the targets, and keeps the
// data of the shared one. A Bundle re-created under the name adopts them (T5).
func TestOrphaningDeletion(t *testing.T) { eachAPIKind(t, testOrphaningDeletion) }

func testOrphaningDeletion(t *testing.T, s *scene) {
	ca := newAuthority("CA")
	bundle, owned, shared := s.deletable(ca)
	before := env.Audit.Mark()
	remove(t, bundle.DeepCopy(), client.PropagationPolicy(metav1.DeletePropagationOrphan))
	awaitGone(t, bundle.DeepCopy())
	wantOrphans(t, before, bundle, owned, shared)

	// Nothing that the operator has written needs consent to be changed.
	ca = newAuthority("Next")
	again := &v1alpha1.Bundle{ObjectMeta: metav1.ObjectMeta{Name: bundle.Name}, Spec: *bundle.Spec.DeepCopy()}
	again.Spec.Sources, shared.certificates = inLine(ca), []authority{ca}
	s.temporary(again)
	awaitTargets(t, again, owned, ca)
	shared.bundle, shared.mark = again, "adopted" // its own mark has gone with the first Bundle
	shared.await(t)
	awaitSynced(t, again, 4)
}

// T12: the same if the operator observes the deletion only when the Bundle is gone;
// and after a later restart, when the deletion's propagation policy is unknown.
func TestOrphaningDeletionSeenLate(t *testing.T) {
	o := startOperator(t)
	s := newScene(t)
	ca := newAuthority("CA")
	bundle, owned, shared := s.deletable(ca)
	if err := o.Pause(); err != nil {
		t.Fatal(err)
	}
	before := env.Audit.Mark()
	remove(t, bundle.DeepCopy(), client.PropagationPolicy(metav1.DeletePropagationOrphan))
	awaitGone(t, bundle.DeepCopy())
	if err := o.Resume(); err != nil {
		t.Fatal(err)
	}
	awaitTargets(t, s.bundle(inLine(ca)), owned, ca) // it is running again
	wantOrphans(t, before, bundle, owned, shared)
	stop(t, o)
	startOperator(t)
	awaitTargets(t, s.bundle(inLine(ca)), owned, ca)
	wantOrphans(t, before, bundle, owned, shared)
}

// wantOrphans checks that the operator has not written to the orphaned targets of a
// deleted Bundle, and that the shared one has kept all data.
func wantOrphans(t *testing.T, since rig.Mark, bundle *v1alpha1.Bundle, owned []string, shared target) {
	t.Helper()
	for _, namespace := range owned {
		target{bundle: bundle, namespace: namespace, certificates: shared.certificates, orphaned: true}.await(t)
	}
	about := func(q rig.Request) bool { return writesOf(bundle)(q) && q.Namespace != shared.namespace }
	data := maps.Clone(theirData)
	data[targetKey] = pemOf(shared.certificates...)
	stays(t, 500*time.Millisecond, "that nothing is touched", func() error {
		if wrote := requests(t, since, about); len(wrote) > 0 {
			return fmt.Errorf("the operator wrote %v", wrote)
		}
		if now := read(t, configMap(shared.namespace, bundle.Name)); !maps.Equal(now.Data, data) {
			return fmt.Errorf("of the shared object's data there are left the keys %q", keysOf(now))
		}
		return nil
	})
}

// T12: a Bundle with a deletion timestamp is inert: nothing of it is created,
// repaired, released or reported, until it is gone.
func TestBundleBeingDeletedIsInert(t *testing.T) { eachAPIKind(t, testBundleBeingDeletedIsInert) }

func testBundleBeingDeletedIsInert(t *testing.T, s *scene) {
	ca, next := newAuthority("CA"), newAuthority("Next")
	source := s.source(ca)
	namespaces := s.namespaces(4)
	bundle := s.bundle(from(source), func(b *v1alpha1.Bundle) { b.Finalizers = []string{holdFinalizer} })
	awaitTargets(t, bundle, namespaces, ca)
	awaitSynced(t, bundle, 4)

	remove(t, bundle.DeepCopy())
	witness := s.bundle(from(source))
	awaitTargets(t, witness, namespaces, ca)
	before := env.Audit.Mark()
	change(t, configMap(namespaces[0], bundle.Name), func(o *corev1.ConfigMap) { o.Data[targetKey] = "edited" })
	change(t, configMap(namespaces[1], bundle.Name), func(o *corev1.ConfigMap) { o.OwnerReferences = nil })
	remove(t, configMap(namespaces[2], bundle.Name))
	label(t, namespaces[3], sceneLabel, "other")
	added := s.namespaces(1)
	fill(t, source, next)
	awaitTargets(t, witness, append(added, namespaces[:3]...), next)
	stays(t, 500*time.Millisecond, "that nothing is done", func() error {
		about := func(q rig.Request) bool { return q.IsWrite() && q.Name == bundle.Name }
		if wrote := requests(t, before, about); len(wrote) > 0 {
			return fmt.Errorf("the operator wrote %v", wrote)
		}
		return nil
	})
	change(t, bundle, func(b *v1alpha1.Bundle) { b.Finalizers = nil })
	for _, namespace := range []string{namespaces[0], namespaces[3]} {
		poll.Eventually(t, "the target to go", func() error { return absent(t, bundle, namespace) })
	}
}

// T12: if a Bundle was deleted while the operator was down, the operator releases its
// shared targets after the start. Objects that merely carry the label stay unchanged.
func TestDeletionWhileDown(t *testing.T) {
	o := startOperator(t)
	s := newScene(t)
	bundle, owned, shared := s.deletable(newAuthority("CA"))
	restored := configMap(s.labelledNamespaces(1, nil)[0], bundle.Name)
	restored.Labels = map[string]string{marksOf(bundle.Name).Label: bundle.Name}
	restored.Data = map[string]string{targetKey: "restored"}
	create(t, restored)
	stop(t, o)
	remove(t, bundle)
	awaitGone(t, bundle)
	startOperator(t)
	awaitCollected(t, bundle, owned, shared)
	if now := read(t, restored.DeepCopy()); now.ResourceVersion != restored.ResourceVersion {
		t.Errorf("the restored object was touched: %v", compareContent(restored, now))
	}
}

// T12, T4: a Bundle that was deleted and re-created while the operator was down adopts
// the targets of its predecessor in place, unless garbage collection was first; then
// they are re-created.
func TestBundleRecreatedWhileDown(t *testing.T) {
	for name, collectorFirst := range map[string]bool{"operator first": false, "collector first": true} {
		t.Run(name, func(t *testing.T) {
			o := startOperator(t)
			s := newScene(t)
			ca := newAuthority("CA")
			bundle, owned, shared := s.deletable(ca)
			stop(t, o)
			resume := func() {}
			if !collectorFirst {
				resume = pauseGarbageCollection(t)
			}
			histories := map[string]*history{}
			for _, namespace := range owned {
				histories[namespace] = observe(t, namespace, bundle.Name)
			}
			again := s.again(bundle)
			if collectorFirst {
				for _, namespace := range owned {
					poll.Eventually(t, "the collector to take the target", func() error { return absent(t, bundle, namespace) })
				}
			}
			s.temporary(again)
			startOperator(t)
			awaitTargets(t, again, owned, ca)
			shared.bundle = again
			shared.await(t)
			awaitSynced(t, again, 4)
			resume()
			stays(t, time.Second, "the ownership", func() error {
				for _, namespace := range owned {
					if _, err := (target{bundle: again, namespace: namespace, certificates: []authority{ca}}).look(t); err != nil {
						return err
					}
				}
				return nil
			})
			for _, namespace := range owned {
				if !collectorFirst {
					histories[namespace].wantTakenOver(t, read(t, configMap(namespace, bundle.Name)))
				}
			}
		})
	}
}

// T12, T4: the same while the operator runs.
func TestBundleRecreatedWhileRunning(t *testing.T) { eachAPIKind(t, testBundleRecreatedWhileRunning) }

func testBundleRecreatedWhileRunning(t *testing.T, s *scene) {
	ca := newAuthority("CA")
	bundle, owned, shared := s.deletable(ca)
	again := s.again(bundle)
	s.temporary(again)
	awaitSynced(t, again, 4)
	stays(t, time.Second, "the targets", func() error { return nil })
	awaitTargets(t, again, owned, ca)
	shared.bundle = again
	if read(t, configMap(shared.namespace, again.Name)).Annotations[marksOf(bundle.Name).Shared] == "adopted" {
		shared.mark = "adopted" // it was released in between
	}
	shared.await(t)
}

// again deletes a Bundle and returns one of the same name and spec, not yet created.
func (s *scene) again(bundle *v1alpha1.Bundle) *v1alpha1.Bundle {
	s.t.Helper()
	remove(s.t, bundle.DeepCopy())
	awaitGone(s.t, bundle.DeepCopy())
	return &v1alpha1.Bundle{ObjectMeta: metav1.ObjectMeta{Name: bundle.Name}, Spec: *bundle.Spec.DeepCopy()}
}
