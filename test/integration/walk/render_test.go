package walk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/api/trustmanager/v1alpha2"
	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/cli"
	"trust-manager.io/test/framework/rig"
)

// compareRendered returns an error if `kubectl trust render` prints anything else for the objects of
// the cluster than the operator has written (L1). Objects may have foreign entries in addition.
func (w *world) compareRendered() error {
	synced, file, err := w.manifests()
	if err != nil || len(synced) == 0 {
		return err
	}
	rendered, err := w.render(file)
	if err != nil {
		return err
	}
	for i := range rendered {
		want := &rendered[i]
		name := want.GetName()[strings.LastIndex(want.GetName(), ":")+1:]
		if !synced[name] {
			continue
		}
		stored := &unstructured.Unstructured{}
		stored.SetGroupVersionKind(want.GroupVersionKind())
		if err := env.Client.Get(w.ctx, client.ObjectKeyFromObject(want), stored); err != nil {
			return fmt.Errorf("render prints %s %s/%s, and %w", want.GetKind(), want.GetNamespace(), want.GetName(), err)
		}
		unstructured.RemoveNestedField(want.Object, "metadata", "creationTimestamp")
		for _, shared := range apis.All().Annotations() {
			if stored.GetAnnotations()[shared] != "" { // the Bundle does not own it
				unstructured.RemoveNestedField(want.Object, "metadata", "annotations", shared)
				want.SetOwnerReferences(nil)
			}
		}
		if err := contains(stored.Object, want.Object, want.GetKind()); err != nil {
			return fmt.Errorf("render prints %s %s/%s with another value than is stored: %w", want.GetKind(), want.GetNamespace(), want.GetName(), err)
		}
		w.rendered++
	}
	return nil
}

// contains returns an error unless an object has all fields of another one.
func contains(stored, want any, path string) error {
	fields, ok := want.(map[string]any)
	if !ok {
		if fmt.Sprint(stored) != fmt.Sprint(want) {
			return fmt.Errorf("%s", path)
		}
		return nil
	}
	present, _ := stored.(map[string]any)
	for key, value := range fields {
		if err := contains(present[key], value, path+"."+key); err != nil {
			return err
		}
	}
	return nil
}

// manifests writes all objects that render reads into a file, and returns the names of the bundles
// that are in sync.
func (w *world) manifests() (synced map[string]bool, file string, err error) {
	synced = map[string]bool{}
	var items []runtime.Object
	for _, read := range []struct {
		list    client.ObjectList
		gvk     schema.GroupVersionKind
		options []client.ListOption
	}{
		{&v1alpha1.BundleList{}, v1alpha1.GroupVersion.WithKind(v1alpha1.BundleKind), nil},
		{&v1alpha2.ClusterBundleList{}, v1alpha2.GroupVersion.WithKind(v1alpha2.ClusterBundleKind), nil},
		{&corev1.NamespaceList{}, corev1.SchemeGroupVersion.WithKind("Namespace"), nil},
		{&corev1.ConfigMapList{}, corev1.SchemeGroupVersion.WithKind("ConfigMap"), []client.ListOption{client.InNamespace(rig.TrustNamespace)}},
		{&corev1.SecretList{}, corev1.SchemeGroupVersion.WithKind("Secret"), []client.ListOption{client.InNamespace(rig.TrustNamespace)}},
		{&certificatesv1.ClusterTrustBundleList{}, certificatesv1.SchemeGroupVersion.WithKind("ClusterTrustBundle"), nil},
	} {
		if err := env.Client.List(w.ctx, read.list, read.options...); err != nil {
			return nil, "", err
		}
		err := meta.EachListItem(read.list, func(object runtime.Object) error {
			object.GetObjectKind().SetGroupVersionKind(read.gvk)
			items = append(items, object.DeepCopyObject())
			switch object := object.(type) {
			case *v1alpha1.Bundle:
				synced[object.Name] = meta.IsStatusConditionTrue(object.Status.Conditions, v1alpha1.BundleConditionSynced)
			case *v1alpha2.ClusterBundle:
				synced[object.Name] = meta.IsStatusConditionTrue(object.Status.Conditions, v1alpha1.BundleConditionSynced)
			}
			return nil
		})
		if err != nil {
			return nil, "", err
		}
	}
	data, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	if err != nil {
		return nil, "", err
	}
	file = filepath.Join(w.folder, "manifests.json")
	return synced, file, os.WriteFile(file, data, 0o600)
}

// render returns what `kubectl trust render` prints.
func (w *world) render(file string) ([]unstructured.Unstructured, error) {
	var out, errs bytes.Buffer
	streams := genericiooptions.IOStreams{In: &bytes.Buffer{}, Out: &out, ErrOut: &errs}
	args := []string{"render", "-f", file, "-o", "json", "--trust-namespace", rig.TrustNamespace, "--default-package", w.packagePath()}
	if status := cli.Run(w.ctx, args, streams, clock.RealClock{}); status > 1 {
		return nil, fmt.Errorf("render: exit status %d: %s", status, &errs)
	}
	var printed struct {
		metav1.TypeMeta
		Items []unstructured.Unstructured
	}
	err := json.Unmarshal(out.Bytes(), &printed)
	return printed.Items, err
}
