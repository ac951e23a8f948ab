package move

import (
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/api/trustmanager/v1alpha2"
	"trust-manager.io/test/framework/poll"
)

// leave makes a target as a ClusterBundle operator of cert-manager's project leaves it: by a
// server-side apply, with the label, a hash of another kind, and the owner reference.
func (m *mover) leave(kind, namespace string) {
	m.Helper()
	value := m.ofCluster
	if kind == "Secret" {
		value = base64.StdEncoding.EncodeToString([]byte(value))
	}
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": kind, "data": map[string]any{pemKey: value},
	}}
	object.SetNamespace(namespace)
	object.SetName(name)
	object.SetLabels(map[string]string{v1alpha2.BundleLabelKey: name})
	object.SetAnnotations(map[string]string{v1alpha2.BundleHashAnnotationKey: "0123456789abcdef"})
	yes := true
	object.SetOwnerReferences([]metav1.OwnerReference{{
		APIVersion: v1alpha2.GroupVersion.String(), Kind: v1alpha2.ClusterBundleKind, Name: name, UID: m.cluster.UID,
		Controller: &yes, BlockOwnerDeletion: &yes,
	}})
	body, err := json.Marshal(object)
	m.must(err)
	m.must(env.Client.Patch(m.Context(), object, client.RawPatch("application/apply-patch+yaml", body), client.FieldOwner("trust-manager"), client.ForceOwnership))
}

// clear deletes all targets.
func (m *mover) clear() {
	m.Helper()
	for i := range places {
		at := metav1.ObjectMeta{Namespace: m.place(i), Name: name}
		for _, object := range []client.Object{&corev1.ConfigMap{ObjectMeta: at}, &corev1.Secret{ObjectMeta: at}} {
			m.must(client.IgnoreNotFound(env.Client.Delete(m.Context(), object)))
		}
	}
}

// E3: the targets of a ClusterBundle operator of cert-manager's project are taken over in place,
// however often the operator is killed meanwhile: the same objects, never without data, and at
// most one write each.
func TestFromTheOtherOperator(t *testing.T) {
	m := newMover(t)
	m.must(m.operator.Stop())
	for range *rounds {
		m.must(client.IgnoreNotFound(env.Client.Delete(t.Context(), &v1alpha1.Bundle{ObjectMeta: metav1.ObjectMeta{Name: name}}, client.PropagationPolicy(metav1.DeletePropagationOrphan))))
		cluster := m.cluster.DeepCopy()
		cluster.UID, cluster.ResourceVersion = "", ""
		m.must(env.Client.Create(t.Context(), cluster))
		m.cluster.UID = cluster.UID
		m.clear()
		for i := range places {
			m.leave("ConfigMap", m.place(i))
			m.leave("Secret", m.place(i))
		}
		m.observer = observe(t, contents{m.ofCluster})
		m.mark = env.Audit.Mark()
		m.start()
		m.crash()
		m.await("the ClusterBundle", &v1alpha2.ClusterBundle{}, v1alpha1.BundleConditionReady)
		m.awaitOwners("ClusterBundle", v1alpha2.BundleLabelKey)
		m.check("from the other operator")
		m.must(m.operator.Kill())
		m.observer.stop()
		m.must(env.Client.Delete(t.Context(), cluster))
		m.must(poll.UntilWithin(t.Context(), time.Minute, "the ClusterBundle to be gone", func() error {
			if err := env.Client.Get(t.Context(), client.ObjectKey{Name: name}, &v1alpha2.ClusterBundle{}); !apierrors.IsNotFound(err) {
				return errNotYet
			}
			return nil
		}))
	}
	m.start()
}
