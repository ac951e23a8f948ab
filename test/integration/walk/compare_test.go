package walk

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/model"
)

// compareObjects returns how the objects of the cluster differ from the model.
func (m *state) compareObjects(present map[model.Target]*model.Observed) error {
	for _, at := range m.sortedObjects() {
		if present[at] == nil {
			return fmt.Errorf("%s is not there", at)
		}
		if err := m.Objects[at].Check(present[at]); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
	}
	for at := range m.copies {
		if present[at] == nil {
			return fmt.Errorf("the copy %s is not there", at)
		}
	}
	for _, at := range sortedTargets(present) {
		if m.Objects[at] == nil && !m.copies[at] {
			return fmt.Errorf("%s should not be there; it has %q", at, present[at].Fields())
		}
	}
	return nil
}

// compareNamespaces returns an error if there are namespaces that should be gone.
func (w *world) compareNamespaces(m *state) error {
	var list corev1.NamespaceList
	if err := w.api.List(w.ctx, &list); err != nil {
		return err
	}
	for _, one := range list.Items {
		if m.Namespaces[one.Name] == nil {
			return fmt.Errorf("namespace %s is there, and %s", one.Name, one.Status.Phase)
		}
	}
	return nil
}

// compareBundles returns how the Bundles, their status and the owner references to
// them differ from the model.
func (w *world) compareBundles(m *state, present map[model.Target]*model.Observed) error {
	var list v1alpha1.BundleList
	if err := w.api.List(w.ctx, &list); err != nil {
		return err
	}
	uids := map[string]string{}
	for i := range list.Items {
		one := &list.Items[i]
		uids[one.Name] = string(one.UID)
		if m.Bundles[one.Name] == nil {
			return fmt.Errorf("Bundle %s is there", one.Name)
		}
		if !m.running {
			continue
		}
		if err := m.compareStatus(one); err != nil {
			return fmt.Errorf("Bundle %s: %w", one.Name, err)
		}
	}
	for at, one := range present {
		if one.Owner.Present && one.OwnerUID != uids[at.Bundle] {
			return fmt.Errorf("%s is owned by a Bundle with UID %s, which is not there", at, one.OwnerUID)
		}
	}
	return nil
}

// compareStatus checks the condition Synced (C1).
func (m *state) compareStatus(one *v1alpha1.Bundle) error {
	condition, err := model.CheckCondition(one, m.Reasons(one.Name))
	want := m.Bundles[one.Name].Revision
	if err != nil || condition.Reason != v1alpha1.BundleReasonSynced || len(want.Shapes) == 0 {
		return err
	}
	parts := []string{count(len(want.Certificates), "certificate")}
	if want.Shapes[model.ConfigMap] != nil || want.Shapes[model.Secret] != nil {
		parts = append(parts, count(len(m.Selected(want)), "namespace"))
	}
	for _, part := range parts {
		if !strings.Contains(condition.Message, " "+part) {
			return fmt.Errorf("the message is %q, want one with %q", condition.Message, part)
		}
	}
	return nil
}

func sortedTargets[object any](of map[model.Target]object) []model.Target {
	return slices.SortedFunc(maps.Keys(of), model.CompareTargets)
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// list returns all objects of the walk by a separate request.
func (w *world) list() (map[model.Target]*model.Observed, error) {
	all := map[model.Target]*model.Observed{}
	for _, list := range []client.ObjectList{&corev1.ConfigMapList{}, &corev1.SecretList{}, &certificatesv1.ClusterTrustBundleList{}} {
		if err := w.api.List(w.ctx, list); err != nil {
			return nil, err
		}
		err := meta.EachListItem(list, func(object runtime.Object) error {
			if at, one := model.Observe(object); isWalks(at) {
				all[at] = one
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// compare returns how the cluster differs from the model. It sends requests to the API
// server only if the watch shows no difference.
func (w *world) compare(m *state) error {
	present, err := w.watcher.present()
	if err != nil {
		return err
	}
	if err := m.compareObjects(present); err != nil {
		return err
	}
	if err := w.compareNamespaces(m); err != nil {
		return err
	}
	if present, err = w.list(); err != nil {
		return err
	}
	if err := m.compareObjects(present); err != nil {
		return err
	}
	if err := w.compareBundles(m, present); err != nil {
		return err
	}
	shown, err := w.watcher.present()
	if err != nil {
		return err
	}
	for at, one := range present {
		if shown[at] == nil || shown[at].ResourceVersion != one.ResourceVersion {
			return fmt.Errorf("the watch has not shown %s at resource version %s", at, one.ResourceVersion)
		}
	}
	return nil
}
