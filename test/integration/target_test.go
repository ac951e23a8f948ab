package integration

import (
	"fmt"
	"maps"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
)

// target is what a ConfigMap should look like, whole: nothing in it may be
// missing, and nothing more may be there (T1, T4, T6).
type target struct {
	bundle       *v1alpha1.Bundle
	namespace    string
	certificates []authority
	// What others have in it. With data it is shared.
	data, labels, annotations map[string]string
	// orphaned says that it has no owner any more, and otherwise stays as it is.
	orphaned bool
}

var sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)

// check says how an object differs from what it should look like.
func (w target) check(got *corev1.ConfigMap) error {
	key := w.bundle.Spec.Target.ConfigMap.Key
	if err := comparePEM(got.Data[key], w.certificates); err != nil {
		return fmt.Errorf("key %q: %w", key, err)
	}
	hash := got.Annotations[v1alpha1.BundleHashAnnotationKey]
	if !sha256Hex.MatchString(hash) {
		return fmt.Errorf("the hash annotation is %q, want a SHA-256 in hexadecimal", hash)
	}
	want := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Labels:      map[string]string{v1alpha1.BundleLabelKey: w.bundle.Name},
			Annotations: map[string]string{v1alpha1.BundleHashAnnotationKey: hash},
		},
		Data: map[string]string{key: pemOf(w.certificates...)},
	}
	asked := w.bundle.Spec.Target.ConfigMap.Metadata
	for key, value := range asked.Labels {
		want.Labels[key] = value
	}
	maps.Copy(want.Annotations, asked.Annotations)
	maps.Copy(want.Data, w.data)
	maps.Copy(want.Labels, w.labels)
	maps.Copy(want.Annotations, w.annotations)
	switch {
	case len(w.data) > 0:
		want.Annotations[v1alpha1.SharedAnnotationKey] = "true"
	case !w.orphaned:
		want.OwnerReferences = []metav1.OwnerReference{ownedBy(w.bundle)}
	}
	return compareContent(want, got)
}

// compareContent compares all that people put into a ConfigMap.
func compareContent(want, got *corev1.ConfigMap) error {
	content := func(object *corev1.ConfigMap) map[string]any {
		return map[string]any{
			"data": object.Data, "binaryData": object.BinaryData, "immutable": object.Immutable != nil && *object.Immutable,
			"labels": object.Labels, "annotations": object.Annotations,
			"owners": object.OwnerReferences, "finalizers": object.Finalizers,
		}
	}
	if diff := cmp.Diff(content(want), content(got)); diff != "" {
		return fmt.Errorf("(-want +got):\n%s", diff)
	}
	return nil
}

// ownedBy gives the reference that a target has to its Bundle.
func ownedBy(bundle *v1alpha1.Bundle) metav1.OwnerReference {
	yes := true
	return metav1.OwnerReference{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: v1alpha1.BundleKind, Name: bundle.Name, UID: bundle.UID,
		Controller: &yes, BlockOwnerDeletion: &yes,
	}
}

// look reads the object and checks it.
func (w target) look(t *testing.T) (*corev1.ConfigMap, error) {
	got := configMap(w.namespace, w.bundle.Name)
	if err := api.Get(t.Context(), client.ObjectKeyFromObject(got), got); err != nil {
		return nil, err
	}
	if err := w.check(got); err != nil {
		return nil, fmt.Errorf("ConfigMap %s/%s: %w", got.Namespace, got.Name, err)
	}
	return got, nil
}

// await waits until the object looks as it should, and gives it.
func (w target) await(t *testing.T) *corev1.ConfigMap {
	t.Helper()
	var found *corev1.ConfigMap
	eventually(t, "a target in order", func() (err error) {
		found, err = w.look(t)
		return err
	})
	return found
}

// awaitTargets waits until a Bundle's targets hold these CAs, with nothing of
// others in them.
func awaitTargets(t *testing.T, bundle *v1alpha1.Bundle, namespaces []string, content ...authority) {
	t.Helper()
	eventually(t, "all targets in order", func() error {
		var list corev1.ConfigMapList
		if err := api.List(t.Context(), &list, client.MatchingLabels{v1alpha1.BundleLabelKey: bundle.Name}); err != nil {
			return err
		}
		found := map[string]*corev1.ConfigMap{}
		for i := range list.Items {
			if list.Items[i].Name == bundle.Name {
				found[list.Items[i].Namespace] = &list.Items[i]
			}
		}
		for _, namespace := range namespaces {
			if found[namespace] == nil {
				return fmt.Errorf("there is none in %s", namespace)
			}
			want := target{bundle: bundle, namespace: namespace, certificates: content}
			if err := want.check(found[namespace]); err != nil {
				return fmt.Errorf("ConfigMap %s/%s: %w", namespace, bundle.Name, err)
			}
		}
		return nil
	})
}

// configMap gives a ConfigMap to read into or to delete.
func configMap(namespace, name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}

// absent says whether a Bundle has no target in a namespace.
func absent(t *testing.T, bundle *v1alpha1.Bundle, namespace string) error {
	object := configMap(namespace, bundle.Name)
	err := api.Get(t.Context(), client.ObjectKeyFromObject(object), object)
	if err == nil {
		return fmt.Errorf("ConfigMap %s/%s is there, with the keys %q", namespace, bundle.Name, keysOf(object))
	}
	if !apierrors.IsNotFound(err) {
		return err
	}
	return nil
}

func keysOf(object *corev1.ConfigMap) []string {
	var keys []string
	for key := range object.Data {
		keys = append(keys, key)
	}
	for key := range object.BinaryData {
		keys = append(keys, key)
	}
	return keys
}
