package faults

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/test/framework/model"
)

// The namespaces. Those of stable exist throughout, comers are created and deleted,
// and the label of flipping ones is set and removed.
var (
	stable   = names("stable", 14)
	comers   = names("comer", 10)
	flipping = names("flipping", 3)
)

func names(of string, count int) []string {
	var list []string
	for i := range count {
		list = append(list, fmt.Sprintf("%s%s-%d", prefix, of, i+1))
	}
	return list
}

// makeNamespace creates a namespace, with or without the label that selects it.
func (w *world) makeNamespace(name string, wanted bool, labels ...string) error {
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{wantedLabel: strconv.FormatBool(wanted)}}}
	for _, label := range labels {
		object.Labels[label] = "true"
	}
	w.history.Update(time.Now(), func(m *model.World) { m.Namespaces[name] = object.Labels })
	return w.persist("namespace "+name, func(ctx context.Context) error {
		err := w.api.Create(ctx, object.DeepCopy())
		var now corev1.Namespace
		if apierrors.IsAlreadyExists(err) && w.api.Get(ctx, client.ObjectKey{Name: name}, &now) == nil && now.DeletionTimestamp == nil {
			return nil // by an earlier try
		}
		return err
	})
}

// wantIn selects or deselects a namespace for targets.
func (w *world) wantIn(name string, wanted bool) error {
	w.history.Update(time.Now(), func(m *model.World) {
		m.Namespaces[name] = maps.Clone(m.Namespaces[name])
		m.Namespaces[name][wantedLabel] = strconv.FormatBool(wanted)
	})
	body := fmt.Sprintf(`{"metadata":{"labels":{%q:%q}}}`, wantedLabel, strconv.FormatBool(wanted))
	return w.persist("label of namespace "+name, func(ctx context.Context) error {
		object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		return w.api.Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte(body)))
	})
}

// removeNamespace deletes a namespace and waits until it is gone.
func (w *world) removeNamespace(name string) error {
	w.history.Update(time.Now(), func(m *model.World) { delete(m.Namespaces, name) })
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	err := w.persist("deletion of namespace "+name, func(ctx context.Context) error {
		return client.IgnoreNotFound(w.api.Delete(ctx, object))
	})
	if err != nil {
		return err
	}
	return w.persist("end of namespace "+name, func(ctx context.Context) error {
		err := w.api.Get(ctx, client.ObjectKeyFromObject(object), object)
		if err == nil {
			time.Sleep(pause)
			return fmt.Errorf("it is there")
		}
		return client.IgnoreNotFound(err)
	})
}
