package cli

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// objects are the ConfigMaps and Secrets of the trust namespace, by name. They implement
// [client.Reader] for these two kinds.
type objects struct {
	configMaps map[string]*corev1.ConfigMap
	secrets    map[string]*corev1.Secret
}

var _ client.Reader = objects{}

func newObjects() objects {
	return objects{configMaps: map[string]*corev1.ConfigMap{}, secrets: map[string]*corev1.Secret{}}
}

// Get implements [client.Reader].
func (o objects) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	switch into := into.(type) {
	case *corev1.ConfigMap:
		if found, ok := o.configMaps[key.Name]; ok {
			found.DeepCopyInto(into)
			return nil
		}
		return apierrors.NewNotFound(corev1.Resource("configmaps"), key.Name)
	case *corev1.Secret:
		if found, ok := o.secrets[key.Name]; ok {
			found.DeepCopyInto(into)
			return nil
		}
		return apierrors.NewNotFound(corev1.Resource("secrets"), key.Name)
	}
	return fmt.Errorf("cannot read a %T", into)
}

// List implements [client.Reader].
func (o objects) List(_ context.Context, into client.ObjectList, options ...client.ListOption) error {
	var wanted client.ListOptions
	wanted.ApplyOptions(options)
	matches := func(object client.Object) bool {
		return wanted.LabelSelector == nil || wanted.LabelSelector.Matches(labels.Set(object.GetLabels()))
	}
	switch into := into.(type) {
	case *corev1.ConfigMapList:
		for _, object := range o.configMaps {
			if matches(object) {
				into.Items = append(into.Items, *object.DeepCopy())
			}
		}
	case *corev1.SecretList:
		for _, object := range o.secrets {
			if matches(object) {
				into.Items = append(into.Items, *object.DeepCopy())
			}
		}
	default:
		return fmt.Errorf("cannot list a %T", into)
	}
	return nil
}
