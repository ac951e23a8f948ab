package integration

import (
	"fmt"
	"maps"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/kinds"
	"trust-manager.io/test/framework/model"
	"trust-manager.io/test/framework/poll"
)

// target is the complete desired state of a ConfigMap or Secret: nothing may be missing
// or added (T1, T2, T4, T6).
type target struct {
	// kind is that of the object; the zero value is a ConfigMap.
	kind         kind
	bundle       *v1alpha1.Bundle
	namespace    string
	certificates []authority
	// Foreign content. With data, the target is shared.
	data, labels, annotations map[string]string
	// typed is the type of an existing Secret; the zero value is Opaque.
	typed corev1.SecretType
	// orphaned reports whether its owner reference was removed.
	orphaned bool
	// mark is the value of the annotation shared, if it is not due to data.
	mark string
}

var sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)

// check compares an object with the target.
func (w target) check(got *corev1.ConfigMap) error {
	asked := w.kind.asked(w.bundle)
	if err := comparePEM(got.Data[asked.Key], w.certificates); err != nil {
		return fmt.Errorf("key %q: %w", asked.Key, err)
	}
	hash := got.Annotations[marksOf(w.bundle.Name).Hash]
	if !sha256Hex.MatchString(hash) {
		return fmt.Errorf("the hash annotation is %q, want a SHA-256 in hexadecimal", hash)
	}
	want := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Labels:      map[string]string{marksOf(w.bundle.Name).Label: w.bundle.Name},
			Annotations: map[string]string{marksOf(w.bundle.Name).Hash: hash},
		},
		Data: map[string]string{asked.Key: pemOf(w.certificates...)},
	}
	if added := w.bundle.Spec.Target.AdditionalFormats; added != nil && added.HashedDirectory != nil {
		var blocks []string
		for _, certificate := range w.certificates {
			blocks = append(blocks, pemOf(certificate))
		}
		maps.Copy(want.Data, model.HashedDirectory(blocks))
	}
	for _, store := range storesOf(w.bundle) {
		if err := store.check(w.kind.binary(got, store.key), w.certificates); err != nil {
			return fmt.Errorf("key %q: %w", store.key, err)
		}
		w.kind.setBinary(want, store.key, w.kind.binary(got, store.key))
	}
	for key, value := range asked.Metadata.Labels {
		want.Labels[key] = value
	}
	maps.Copy(want.Annotations, asked.Metadata.Annotations)
	maps.Copy(want.Data, w.data)
	maps.Copy(want.Labels, w.labels)
	maps.Copy(want.Annotations, w.annotations)
	switch {
	case w.mark != "":
		want.Annotations[marksOf(w.bundle.Name).Shared] = w.mark
	case len(w.data) > 0:
		want.Annotations[marksOf(w.bundle.Name).Shared] = "true"
	case !w.orphaned:
		want.OwnerReferences = []metav1.OwnerReference{ownedBy(w.bundle)}
	}
	if err := compareContent(want, got); err != nil {
		return err
	}
	return compareText(typeOf(got), w.kind.typeOf(w.typed))
}

// compareContent compares everything in a target but metadata of the API server and the
// type.
func compareContent(want, got *corev1.ConfigMap) error {
	content := func(object *corev1.ConfigMap) map[string]any {
		if object = object.DeepCopy(); typeOf(object) != "" {
			if delete(object.Annotations, typeAnnotation); len(object.Annotations) == 0 {
				object.Annotations = nil
			}
		}
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

// ownedBy returns the owner reference of a Bundle's targets.
func ownedBy(bundle *v1alpha1.Bundle) metav1.OwnerReference {
	yes := true
	apiVersion, kind := kinds.Of(bundle.Name).GroupVersionKind().ToAPIVersionAndKind()
	return metav1.OwnerReference{
		APIVersion: apiVersion, Kind: kind, Name: bundle.Name, UID: bundle.UID,
		Controller: &yes, BlockOwnerDeletion: &yes,
	}
}

// look reads the object and checks it.
func (w target) look(t *testing.T) (*corev1.ConfigMap, error) {
	got, err := w.kind.get(t.Context(), w.namespace, w.bundle.Name)
	if err != nil {
		return nil, err
	}
	if err := w.check(got); err != nil {
		return nil, fmt.Errorf("%s %s/%s: %w", w.kind, got.Namespace, got.Name, err)
	}
	return got, nil
}

// await waits until the object matches, and returns it.
func (w target) await(t *testing.T) *corev1.ConfigMap {
	t.Helper()
	var found *corev1.ConfigMap
	poll.Eventually(t, "a target in sync", func() (err error) {
		found, err = w.look(t)
		return err
	})
	return found
}

// awaitTargets waits until a Bundle's ConfigMaps hold exactly these CAs, and no foreign
// content.
func awaitTargets(t *testing.T, bundle *v1alpha1.Bundle, namespaces []string, content ...authority) {
	t.Helper()
	inConfigMaps.await(t, bundle, namespaces, content...)
}

// await waits until a Bundle's targets of the kind hold exactly these CAs, and no foreign
// content.
func (k kind) await(t *testing.T, bundle *v1alpha1.Bundle, namespaces []string, content ...authority) {
	t.Helper()
	poll.Eventually(t, "all targets in order", func() error {
		found, err := k.list(t.Context(), bundle.Name)
		if err != nil {
			return err
		}
		for _, namespace := range namespaces {
			if found[namespace] == nil {
				return fmt.Errorf("there is no %s in %s", k, namespace)
			}
			want := target{kind: k, bundle: bundle, namespace: namespace, certificates: content}
			if err := want.check(found[namespace]); err != nil {
				return fmt.Errorf("%s %s/%s: %w", k, namespace, bundle.Name, err)
			}
		}
		return nil
	})
}

// configMap returns a ConfigMap to read into or to delete.
func configMap(namespace, name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}

// absent returns an error if a Bundle has a ConfigMap in a namespace.
func absent(t *testing.T, bundle *v1alpha1.Bundle, namespace string) error {
	return inConfigMaps.absent(t, bundle, namespace)
}

// absent returns an error if a Bundle has a target of the kind in a namespace.
func (k kind) absent(t *testing.T, bundle *v1alpha1.Bundle, namespace string) error {
	object, err := k.get(t.Context(), namespace, bundle.Name)
	if err == nil {
		return fmt.Errorf("%s %s/%s is there, with the keys %q", k, namespace, bundle.Name, keysOf(object))
	}
	return client.IgnoreNotFound(err)
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
