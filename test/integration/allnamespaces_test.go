package integration

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/rig"
)

// A11: no selector, or an empty one, selects every namespace. C1: the message
// contains their number. T4: each target matches exactly.
func TestSyncToAllNamespaces(t *testing.T) {
	for name, selector := range map[string]*v1alpha1.LabelSelector{"no selector": nil, "empty selector": {}} {
		t.Run(name, func(t *testing.T) {
			operator(t)
			s := newScene(t)
			s.namespaces(2)
			ca := newAuthority("CA")
			bundle := s.bundle(from(s.source(ca)), func(b *v1alpha1.Bundle) { b.Spec.Target.NamespaceSelector = selector })
			all := activeNamespaces(t)
			for _, name := range []string{"default", "kube-system", rig.TrustNamespace} {
				if !slices.Contains(all, name) {
					t.Errorf("the cluster has no namespace %s", name)
				}
			}
			awaitTargets(t, bundle, all, ca)
			awaitSynced(t, bundle, len(all))
		})
	}
}

func activeNamespaces(t *testing.T) []string {
	t.Helper()
	var list corev1.NamespaceList
	if err := api.List(t.Context(), &list); err != nil {
		t.Fatal(err)
	}
	var names []string
	for i := range list.Items {
		if list.Items[i].DeletionTimestamp == nil {
			names = append(names, list.Items[i].Name)
		}
	}
	return names
}
