package integration

import (
	"fmt"
	"maps"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/poll"
)

// T6: the release of a shared object removes the operator's content, and leaves foreign
// content unchanged.
func TestReleaseLeavesForeignEntries(t *testing.T) {
	t.Parallel()
	operator(t)
	someData := map[string]string{"theirs": "data"}
	someMeta := map[string]string{"theirs": "metadata"}
	for name, theirs := range map[string]target{
		"data":                    {data: someData},
		"a label":                 {labels: someMeta},
		"an annotation":           {annotations: someMeta},
		"data, label, annotation": {data: someData, labels: someMeta, annotations: someMeta},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			namespace := s.namespaces(1)[0]
			ca := newAuthority("CA")
			bundle := s.bundle(inLine(ca), func(b *v1alpha1.Bundle) { b.Spec.Target.ConfigMap.Metadata = asked })
			want := theirs
			want.bundle, want.namespace, want.certificates = bundle, namespace, []authority{ca}
			target{bundle: bundle, namespace: namespace, certificates: []authority{ca}}.await(t)
			addTheirs(t, configMap(namespace, bundle.Name), theirs)
			want.await(t)

			label(t, namespace, sceneLabel, "")
			left := &corev1.ConfigMap{
				ObjectMeta: metav1.ObjectMeta{Labels: theirs.labels, Annotations: theirs.annotations},
				Data:       theirs.data,
			}
			awaitContent(t, namespace, bundle.Name, left)
			awaitSynced(t, bundle, 0)

			remove(t, bundle)
			awaitGone(t, bundle)
			stays(t, 300*time.Millisecond, "what is left", func() error {
				return compareContent(left, read(t, configMap(namespace, bundle.Name)))
			})
		})
	}
}

func addTheirs(t *testing.T, object *corev1.ConfigMap, theirs target) {
	t.Helper()
	change(t, object, func(o *corev1.ConfigMap) {
		maps.Copy(o.Data, theirs.data)
		maps.Copy(o.Labels, theirs.labels)
		maps.Copy(o.Annotations, theirs.annotations)
	}, client.FieldOwner("somebody"))
}

// awaitContent waits until a ConfigMap has this content and nothing else.
func awaitContent(t *testing.T, namespace, name string, want *corev1.ConfigMap) {
	t.Helper()
	poll.Eventually(t, "the content of ConfigMap "+namespace+"/"+name, func() error {
		got := configMap(namespace, name)
		if err := api.Get(t.Context(), client.ObjectKeyFromObject(got), got); err != nil {
			return err
		}
		return compareContent(want, got)
	})
}

// T6: a copy or a restored backup, which merely carries the label, stays
// unchanged: while the operator runs, when a namespace is deselected, and when the
// Bundle is deleted (T12).
func TestCopiesAreLeftAlone(t *testing.T) { eachAPIKind(t, testCopiesAreLeftAlone) }

func testCopiesAreLeftAlone(t *testing.T, s *scene) {
	selected := s.namespaces(1)[0]
	other := s.labelledNamespaces(1, nil)[0]
	ca := newAuthority("CA")
	bundle := s.bundle(inLine(ca))
	original := target{bundle: bundle, namespace: selected, certificates: []authority{ca}}.await(t)

	copyOf := func(namespace, name string) *corev1.ConfigMap {
		object := configMap(namespace, name)
		object.Labels, object.Annotations, object.Data = original.Labels, original.Annotations, original.Data
		return object
	}
	ofOtherBundle := copyOf(other, "named-otherwise")
	ofOtherBundle.Labels = map[string]string{marksOf(bundle.Name).Label: "another-bundle"}
	copies := []*corev1.ConfigMap{
		copyOf(selected, "copied"),
		copyOf(other, "copied"),
		copyOf(other, bundle.Name),
		ofOtherBundle,
	}
	for _, object := range copies {
		create(t, object)
	}
	unchanged := func() error {
		for _, object := range copies {
			if now := read(t, object.DeepCopy()); now.UID != object.UID || now.ResourceVersion != object.ResourceVersion {
				return fmt.Errorf("ConfigMap %s/%s was touched: %w", object.Namespace, object.Name, compareContent(object, now))
			}
		}
		return nil
	}
	stays(t, 200*time.Millisecond, "the copies", unchanged)
	label(t, selected, sceneLabel, "")
	poll.Eventually(t, "the target to go", func() error { return absent(t, bundle, selected) })
	label(t, other, sceneLabel, "something-else")
	awaitSynced(t, bundle, 0)
	stays(t, 200*time.Millisecond, "the copies", unchanged)
	remove(t, bundle)
	awaitGone(t, bundle)
	stays(t, 300*time.Millisecond, "the copies", unchanged)
}
