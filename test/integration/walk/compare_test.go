package walk

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
)

// differs says how an object differs from what it should be, whole.
func (o *object) differs(got *seen) error {
	fields := slices.Collect(maps.Keys(o.entries))
	fields = slices.AppendSeq(fields, maps.Keys(got.entries))
	slices.SortFunc(fields, compareFields)
	for _, at := range slices.Compact(fields) {
		want, wanted := o.entries[at]
		value, there := got.entries[at]
		switch {
		case !wanted:
			return fmt.Errorf("%s is there, %.60q; it should not be", at, value)
		case !there:
			return fmt.Errorf("%s is missing; it should be %s", at, want.value)
		}
		if err := want.value.differs(value); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
	}
	if o.owner != got.owner || got.others != 0 {
		return fmt.Errorf("the owner is %+v and %d others; want %+v", got.owner, got.others, o.owner)
	}
	return nil
}

// compareObjects says how the objects of the cluster differ from the model.
func (m *model) compareObjects(present map[target]*seen) error {
	for _, at := range m.sortedObjects() {
		if present[at] == nil {
			return fmt.Errorf("%s is not there", at)
		}
		if err := m.objects[at].differs(present[at]); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
	}
	for at := range m.copies {
		if present[at] == nil {
			return fmt.Errorf("the copy %s is not there", at)
		}
	}
	for _, at := range slices.SortedFunc(maps.Keys(present), compareTargets) {
		if m.objects[at] == nil && !m.copies[at] {
			return fmt.Errorf("%s should not be there; it has %q", at, keysOf(present[at]))
		}
	}
	return nil
}

func keysOf(s *seen) []field { return slices.SortedFunc(maps.Keys(s.entries), compareFields) }

// compareNamespaces says whether there are namespaces that should be gone.
func (w *world) compareNamespaces(m *model) error {
	var list corev1.NamespaceList
	if err := w.api.List(w.ctx, &list); err != nil {
		return err
	}
	for _, one := range list.Items {
		if m.namespaces[one.Name] == nil {
			return fmt.Errorf("namespace %s is there, and %s", one.Name, one.Status.Phase)
		}
	}
	return nil
}

// compareBundles says how the Bundles, their status and the owner references to
// them differ from the model.
func (w *world) compareBundles(m *model, present map[target]*seen) error {
	var list v1alpha1.BundleList
	if err := w.api.List(w.ctx, &list); err != nil {
		return err
	}
	uids := map[string]string{}
	for i := range list.Items {
		one := &list.Items[i]
		uids[one.Name] = string(one.UID)
		if m.bundles[one.Name] == nil {
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
		if one.owner.present && one.ownerUID != uids[at.bundle] {
			return fmt.Errorf("%s is owned by a Bundle with UID %s, which is not there", at, one.ownerUID)
		}
	}
	return nil
}

// compareStatus checks the condition Synced (C1).
func (m *model) compareStatus(one *v1alpha1.Bundle) error {
	condition := meta.FindStatusCondition(one.Status.Conditions, v1alpha1.BundleConditionSynced)
	if condition == nil {
		return fmt.Errorf("there is no condition Synced")
	}
	want := m.bundles[one.Name]
	is := fmt.Sprintf("the condition is about generation %d of %d, and %s: %s",
		condition.ObservedGeneration, one.Generation, condition.Reason, condition.Message)
	if condition.ObservedGeneration != one.Generation || !slices.Contains(want.reasons(), condition.Reason) {
		return fmt.Errorf("%s; want one of %s", is, want.reasons())
	}
	if condition.Reason != v1alpha1.BundleReasonSynced || len(want.revision.shapes) == 0 {
		return nil
	}
	for _, part := range []string{
		count(want.revision.certificates, "certificate"),
		count(len(m.selected(want.revision)), "namespace"),
	} {
		if !strings.Contains(condition.Message, " "+part) {
			return fmt.Errorf("%s; want a message with %q", is, part)
		}
	}
	return nil
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// list gives all objects of the walk by a request of its own.
func (w *world) list() (map[target]*seen, error) {
	var configMaps corev1.ConfigMapList
	var secrets corev1.SecretList
	for _, list := range []client.ObjectList{&configMaps, &secrets} {
		if err := w.api.List(w.ctx, list); err != nil {
			return nil, err
		}
	}
	all := map[target]*seen{}
	add := func(object any) {
		if at, one := look(object); isWalks(at) {
			all[at] = one
		}
	}
	for i := range configMaps.Items {
		add(&configMaps.Items[i])
	}
	for i := range secrets.Items {
		add(&secrets.Items[i])
	}
	return all, nil
}

// compare says how the cluster differs from the model. It asks the API server
// only where the watch has nothing to complain of.
func (w *world) compare(m *model) error {
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
		if shown[at] == nil || shown[at].resourceVersion != one.resourceVersion {
			return fmt.Errorf("the watch has not shown %s at resource version %s", at, one.resourceVersion)
		}
	}
	return nil
}
