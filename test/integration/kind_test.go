package integration

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/poll"
)

// kind is a kind of target. Tests use objects of both kinds in the form of a ConfigMap,
// so that the same code checks both: the data of a Secret, text or not, is in Data, and
// its type is an annotation of the form.
type kind int

// The kinds of targets.
const (
	inConfigMaps kind = iota
	inSecrets
)

// typeAnnotation holds the type of a Secret, only in the form of a ConfigMap.
const typeAnnotation = "integration/type"

func (k kind) String() string { return [...]string{"ConfigMap", "Secret"}[k] }

// failed returns the reason of a condition about a failed target of the kind.
func (k kind) failed() string {
	return [...]string{v1alpha1.BundleReasonSyncConfigMapTargetFailed, v1alpha1.BundleReasonSyncSecretTargetFailed}[k]
}

// ask changes the targets of a Bundle to the kind, and to no other.
func (k kind) ask(b *v1alpha1.Bundle) {
	asked := b.Spec.Target.ConfigMap
	if asked == nil {
		asked = b.Spec.Target.Secret
	}
	b.Spec.Target.ConfigMap, b.Spec.Target.Secret = nil, nil
	if k == inSecrets {
		b.Spec.Target.Secret = asked
	} else {
		b.Spec.Target.ConfigMap = asked
	}
}

// asked returns a Bundle's target of the kind.
func (k kind) asked(bundle *v1alpha1.Bundle) *v1alpha1.TargetObject {
	if k == inSecrets {
		return bundle.Spec.Target.Secret
	}
	return bundle.Spec.Target.ConfigMap
}

// typeOf returns the type of an object of the kind that was created with a type.
func (k kind) typeOf(typed corev1.SecretType) string {
	if k == inSecrets && typed == "" {
		typed = corev1.SecretTypeOpaque
	}
	return string(typed)
}

// typeOf returns the type of a Secret, and an empty string for a ConfigMap.
func typeOf(object *corev1.ConfigMap) string { return object.Annotations[typeAnnotation] }

// binary returns a value that is not text.
func (k kind) binary(object *corev1.ConfigMap, key string) []byte {
	if k == inSecrets {
		return []byte(object.Data[key])
	}
	return object.BinaryData[key]
}

// setBinary sets a value that is not text; nil removes it.
func (k kind) setBinary(object *corev1.ConfigMap, key string, value []byte) {
	switch {
	case k == inSecrets && value == nil:
		delete(object.Data, key)
	case k == inSecrets:
		object.Data[key] = string(value)
	case value == nil:
		delete(object.BinaryData, key)
	default:
		if object.BinaryData == nil {
			object.BinaryData = map[string][]byte{}
		}
		object.BinaryData[key] = value
	}
}

// formOf returns a Secret in the form of a ConfigMap.
func formOf(secret *corev1.Secret) *corev1.ConfigMap {
	form := &corev1.ConfigMap{ObjectMeta: secret.ObjectMeta, Immutable: secret.Immutable}
	form.Annotations = maps.Clone(secret.Annotations)
	metav1.SetMetaDataAnnotation(&form.ObjectMeta, typeAnnotation, string(secret.Type))
	for key, value := range secret.Data {
		if form.Data == nil {
			form.Data = map[string]string{}
		}
		form.Data[key] = string(value)
	}
	return form
}

// object returns the API's object of a form.
func (k kind) object(form *corev1.ConfigMap) client.Object {
	if k == inConfigMaps {
		return form.DeepCopy()
	}
	secret := &corev1.Secret{ObjectMeta: *form.ObjectMeta.DeepCopy(), Immutable: form.Immutable}
	secret.Type = corev1.SecretType(typeOf(form))
	delete(secret.Annotations, typeAnnotation)
	secret.Data = maps.Clone(form.BinaryData)
	for key, value := range form.Data {
		if secret.Data == nil {
			secret.Data = map[string][]byte{}
		}
		secret.Data[key] = []byte(value)
	}
	return secret
}

// form returns the form of an API object.
func form(object client.Object) *corev1.ConfigMap {
	switch object := object.(type) {
	case *corev1.ConfigMap:
		return object
	case *corev1.Secret:
		return formOf(object)
	}
	return nil
}

// get reads an object.
func (k kind) get(ctx context.Context, namespace, name string) (*corev1.ConfigMap, error) {
	object := k.object(configMap(namespace, name))
	if err := api.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
		return nil, err
	}
	return form(object), nil
}

// read reads an object, which has to exist.
func (k kind) read(t *testing.T, namespace, name string) *corev1.ConfigMap {
	t.Helper()
	object, err := k.get(t.Context(), namespace, name)
	if err != nil {
		t.Fatal(err)
	}
	return object
}

// list reads all objects with a Bundle's name and label, by namespace.
func (k kind) list(ctx context.Context, bundle string) (map[string]*corev1.ConfigMap, error) {
	found := map[string]*corev1.ConfigMap{}
	labelled := client.MatchingLabels{marksOf(bundle).Label: bundle}
	add := func(object *corev1.ConfigMap) {
		if object.Name == bundle {
			found[object.Namespace] = object
		}
	}
	if k == inSecrets {
		var list corev1.SecretList
		err := api.List(ctx, &list, labelled)
		for i := range list.Items {
			add(formOf(&list.Items[i]))
		}
		return found, err
	}
	var list corev1.ConfigMapList
	err := api.List(ctx, &list, labelled)
	for i := range list.Items {
		add(&list.Items[i])
	}
	return found, err
}

// create creates an object, and updates the form from the response.
func (k kind) create(t *testing.T, object *corev1.ConfigMap) {
	t.Helper()
	made := k.object(object)
	create(t, made)
	*object = *form(made)
}

// change reads and updates an object.
func (k kind) change(t *testing.T, namespace, name string, mutate func(*corev1.ConfigMap), options ...client.UpdateOption) {
	t.Helper()
	if k == inConfigMaps {
		change(t, configMap(namespace, name), mutate, options...)
		return
	}
	change(t, &corev1.Secret{ObjectMeta: configMap(namespace, name).ObjectMeta}, func(secret *corev1.Secret) {
		changed := formOf(secret)
		mutate(changed)
		if typeOf(changed) == "" { // all annotations were removed
			metav1.SetMetaDataAnnotation(&changed.ObjectMeta, typeAnnotation, string(secret.Type))
		}
		again, ok := k.object(changed).(*corev1.Secret)
		if !ok {
			t.Fatal("not a Secret")
		}
		*secret = *again
	}, options...)
}

// remove deletes an object.
func (k kind) remove(t *testing.T, namespace, name string) {
	t.Helper()
	remove(t, k.object(configMap(namespace, name)))
}

// addData adds foreign keys to an object.
func (k kind) addData(t *testing.T, namespace, name string, data map[string]string) {
	t.Helper()
	k.change(t, namespace, name, func(object *corev1.ConfigMap) { maps.Copy(object.Data, data) }, client.FieldOwner("somebody"))
}

// awaitContent waits until an object has this content and nothing else.
func (k kind) awaitContent(t *testing.T, namespace, name string, want *corev1.ConfigMap) {
	t.Helper()
	poll.Eventually(t, fmt.Sprintf("the content of %s %s/%s", k, namespace, name), func() error {
		got, err := k.get(t.Context(), namespace, name)
		if err != nil {
			return err
		}
		return compareContent(want, got)
	})
}

// eachKind runs a test for each kind of target, in parallel.
func eachKind(t *testing.T, test func(t *testing.T, k kind)) {
	t.Helper()
	for _, k := range []kind{inConfigMaps, inSecrets} {
		t.Run(k.String(), func(t *testing.T) {
			t.Parallel()
			test(t, k)
		})
	}
}

// A form holds all of a Secret, since the tests compare only forms.
func TestFormOfSecret(t *testing.T) {
	yes := true
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "n", Labels: map[string]string{"a": "b"}, Annotations: map[string]string{"c": "d"}},
		Immutable:  &yes, Type: corev1.SecretTypeTLS, Data: map[string][]byte{"text": []byte("x"), "binary": {0xff, 0x00}},
	}
	again, ok := inSecrets.object(formOf(secret)).(*corev1.Secret)
	if !ok || again.Type != secret.Type || again.Annotations["c"] != "d" || len(again.Annotations) != 1 ||
		!maps.EqualFunc(again.Data, secret.Data, slices.Equal) || again.Immutable == nil || again.Labels["a"] != "b" {
		t.Errorf("there and back it is %v", again)
	}
	if len(secret.Annotations) != 1 {
		t.Errorf("the Secret has changed: %v", secret.Annotations)
	}
}
