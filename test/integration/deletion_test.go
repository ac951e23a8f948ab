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

// theirData is what others have in the shared object of a deletable Bundle.
var theirData = map[string]string{"theirs": "data"}

// deletable makes a Bundle with targets in some namespaces, and one that is
// shared with others.
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

// awaitCollected waits until the targets that a Bundle owned are gone, and only
// the data of others is left of the one that it shared.
func awaitCollected(t *testing.T, bundle *v1alpha1.Bundle, owned []string, shared target) {
	t.Helper()
	for _, namespace := range owned {
		poll.Eventually(t, "the target to go", func() error { return absent(t, bundle, namespace) })
	}
	awaitContent(t, shared.namespace, bundle.Name, &corev1.ConfigMap{Data: theirData})
}

// T12: a Bundle deleted in the background or the foreground takes its targets
// along, none of which comes back on the way; of the shared one it takes its own
// part.
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
			stays(t, 300*time.Millisecond, "that no target comes back", func() error {
				for _, h := range histories {
					if types := h.types(); !slices.Equal(types, []watch.EventType{watch.Added, watch.Deleted}) &&
						!slices.Equal(types, []watch.EventType{watch.Added, watch.Modified, watch.Deleted}) {
						return fmt.Errorf("the watch told of %v", types)
					}
				}
				return nil
			})
		})
	}
}

// T12: an orphaning deletion leaves all targets as they are, but for the owner,
// and the data of the shared one. A Bundle made again under the name takes them
// over (T5).
func TestOrphaningDeletion(t *testing.T) {
	t.Parallel()
	operator(t)
	s := newScene(t)
	ca := newAuthority("CA")
	bundle, owned, shared := s.deletable(ca)
	before := env.Audit.Mark()
	remove(t, bundle.DeepCopy(), client.PropagationPolicy(metav1.DeletePropagationOrphan))
	awaitGone(t, bundle.DeepCopy())
	wantOrphans(t, before, bundle, owned, shared)

	again := &v1alpha1.Bundle{ObjectMeta: metav1.ObjectMeta{Name: bundle.Name}, Spec: *bundle.Spec.DeepCopy()}
	s.temporary(again)
	awaitTargets(t, again, owned, ca)
	shared.bundle = again
	shared.await(t)
	awaitSynced(t, again, 4)
}

// T12: the same where the operator comes to see it only when the Bundle is gone;
// and a restart later, when nobody knows how the Bundle was deleted.
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
	awaitTargets(t, s.bundle(inLine(ca)), owned, ca) // it is at work again
	wantOrphans(t, before, bundle, owned, shared)
	stop(t, o)
	startOperator(t)
	awaitTargets(t, s.bundle(inLine(ca)), owned, ca)
	wantOrphans(t, before, bundle, owned, shared)
}

// wantOrphans checks that the operator has not written to the targets of a Bundle
// that was deleted without them, and that the shared one has kept all data.
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
func TestBundleBeingDeletedIsInert(t *testing.T) {
	t.Parallel()
	operator(t)
	s := newScene(t)
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

// T12: what a Bundle shared with others is cleaned when the operator is up again,
// where the Bundle was deleted while it was down. What merely carries the label
// is left alone.
func TestDeletionWhileDown(t *testing.T) {
	o := startOperator(t)
	s := newScene(t)
	bundle, owned, shared := s.deletable(newAuthority("CA"))
	restored := configMap(s.labelledNamespaces(1, nil)[0], bundle.Name)
	restored.Labels = map[string]string{v1alpha1.BundleLabelKey: bundle.Name}
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

// T12, T4: a Bundle that was deleted and made again while the operator was down
// takes over the targets of the one before in place, unless garbage collection
// was first; then they are made anew.
func TestBundleMadeAgainWhileDown(t *testing.T) {
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
func TestBundleMadeAgainWhileRunning(t *testing.T) {
	t.Parallel()
	operator(t)
	s := newScene(t)
	ca := newAuthority("CA")
	bundle, owned, shared := s.deletable(ca)
	again := s.again(bundle)
	s.temporary(again)
	awaitSynced(t, again, 4)
	stays(t, time.Second, "the targets", func() error { return nil })
	awaitTargets(t, again, owned, ca)
	shared.bundle = again
	shared.await(t)
}

// again deletes a Bundle and gives one of the same name and spec, yet to be made.
func (s *scene) again(bundle *v1alpha1.Bundle) *v1alpha1.Bundle {
	s.t.Helper()
	remove(s.t, bundle.DeepCopy())
	awaitGone(s.t, bundle.DeepCopy())
	return &v1alpha1.Bundle{ObjectMeta: metav1.ObjectMeta{Name: bundle.Name}, Spec: *bundle.Spec.DeepCopy()}
}
