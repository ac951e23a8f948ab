package source_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/internal/capackage"
)

// packageOf returns a default CA package with the given text.
func packageOf(version, text string) capackage.Package {
	return capackage.Package{Name: "test", Version: version, Bundle: text}
}

// encoded returns the content of a package file.
func encoded(tb testing.TB, p capackage.Package) []byte {
	tb.Helper()
	data, err := capackage.Encode(p)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// write writes a file in place: an existing file keeps its inode.
func write(tb testing.TB, path string, data []byte) {
	tb.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		tb.Fatal(err)
	}
}

// rename moves a file, and replaces the file at the destination.
func rename(tb testing.TB, from, to string) {
	tb.Helper()
	if err := os.Rename(from, to); err != nil {
		tb.Fatal(err)
	}
}

// packageFile writes a package to a new directory.
func packageFile(tb testing.TB, p capackage.Package) (path string) {
	tb.Helper()
	path = filepath.Join(tb.TempDir(), "package.json")
	write(tb, path, encoded(tb, p))
	return path
}

// objects is a fake reader of ConfigMaps and Secrets, by kind, namespace and name. If
// err is set, every read returns it, as if the API server were unreachable.
type objects struct {
	client.Reader
	held map[string]client.Object
	err  error
}

func newObjects(held ...client.Object) *objects {
	o := &objects{held: map[string]client.Object{}}
	for _, object := range held {
		o.held[place(object, client.ObjectKeyFromObject(object))] = object
	}
	return o
}

func place(kind client.Object, key client.ObjectKey) string {
	return fmt.Sprintf("%T %s", kind, key)
}

func (o *objects) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	if o.err != nil {
		return o.err
	}
	found, ok := o.held[place(into, key)]
	if !ok {
		return apierrors.NewNotFound(corev1.Resource(strings.ToLower(fmt.Sprintf("%T", into))), key.Name)
	}
	switch into := into.(type) {
	case *corev1.ConfigMap:
		found.(*corev1.ConfigMap).DeepCopyInto(into)
	case *corev1.Secret:
		found.(*corev1.Secret).DeepCopyInto(into)
	}
	return nil
}

func configMap(namespace, name string, data map[string]string, binary map[string][]byte) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: data, BinaryData: binary}
}

func secret(namespace, name string, data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: data}
}

func (o *objects) List(_ context.Context, into client.ObjectList, options ...client.ListOption) error {
	if o.err != nil {
		return o.err
	}
	var asked client.ListOptions
	asked.ApplyOptions(options)
	for _, held := range o.held {
		if held.GetNamespace() != asked.Namespace || !asked.LabelSelector.Matches(labels.Set(held.GetLabels())) {
			continue
		}
		switch into := into.(type) {
		case *corev1.ConfigMapList:
			if held, ok := held.(*corev1.ConfigMap); ok {
				into.Items = append(into.Items, *held)
			}
		case *corev1.SecretList:
			if held, ok := held.(*corev1.Secret); ok {
				into.Items = append(into.Items, *held)
			}
		}
	}
	return nil
}
