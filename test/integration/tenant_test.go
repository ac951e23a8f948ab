package integration

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// attempts are what a tenant may try with the target in its own namespace. If the
// operator cannot keep it in sync, the Bundle's status contains fails, and undo is what
// the tenant does in the end.
var attempts = map[string]struct {
	edit    func(one *tenant, o *corev1.ConfigMap)
	manager string
	fails   string
	undo    func(o *corev1.ConfigMap)
}{
	"content of its own": {edit: func(_ *tenant, o *corev1.ConfigMap) { o.Data[targetKey] = newAuthority("Evil").Certificate }},
	"content of its own, as the operator": {manager: "trust-manager",
		edit: func(_ *tenant, o *corev1.ConfigMap) { o.Data[targetKey] = newAuthority("Evil").Certificate }},
	"the label of another Bundle": {edit: func(_ *tenant, o *corev1.ConfigMap) { o.Labels[v1alpha1.BundleLabelKey] = "other" }},
	"forged marks": {edit: func(_ *tenant, o *corev1.ConfigMap) {
		o.Annotations = map[string]string{v1alpha1.SharedAnnotationKey: "true", v1alpha1.BundleHashAnnotationKey: strings.Repeat("0", 64)}
	}},
	"no managedFields": {edit: func(_ *tenant, o *corev1.ConfigMap) {
		o.ManagedFields = []metav1.ManagedFieldsEntry{{}}
		o.Data[targetKey] = "evil"
	}},
	"forged managedFields": {edit: func(_ *tenant, o *corev1.ConfigMap) {
		o.ManagedFields = []metav1.ManagedFieldsEntry{{
			Manager: "trust-manager", Operation: metav1.ManagedFieldsOperationApply, APIVersion: "v1", FieldsType: "FieldsV1",
			FieldsV1: metav1.NewFieldsV1(`{"f:data":{"f:evil":{}},"f:metadata":{"f:labels":{"f:a":{}}}}`),
		}}
	}},
	"an owner of its own": {edit: func(one *tenant, o *corev1.ConfigMap) {
		o.OwnerReferences = append(o.OwnerReferences, one.owner("plain", false))
	}, undo: func(o *corev1.ConfigMap) { o.OwnerReferences = nil }},
	"a controller of its own": {edit: func(one *tenant, o *corev1.ConfigMap) {
		o.OwnerReferences = []metav1.OwnerReference{one.owner("controller", true)}
		o.Data[targetKey] = "evil"
	}, fails: "controlled by ConfigMap controller", undo: func(o *corev1.ConfigMap) { o.OwnerReferences = nil }},
	"another Bundle as its owner": {edit: func(_ *tenant, o *corev1.ConfigMap) {
		o.OwnerReferences = []metav1.OwnerReference{{APIVersion: v1alpha1.GroupVersion.String(), Kind: v1alpha1.BundleKind, Name: "other", UID: "other"}}
	}, undo: func(o *corev1.ConfigMap) { o.OwnerReferences = nil }},
	"a finalizer": {edit: func(_ *tenant, o *corev1.ConfigMap) {
		o.Finalizers = []string{"example.com/mine"}
		o.Data[targetKey] = "evil"
	}, undo: func(o *corev1.ConfigMap) { o.Finalizers = nil }},
	"as much data as there can be": {edit: func(_ *tenant, o *corev1.ConfigMap) {
		o.Data = map[string]string{"mine": strings.Repeat("x", 1<<20)}
	}, fails: "Too long", undo: func(o *corev1.ConfigMap) { delete(o.Data, "mine") }},
	"as many annotations as there can be": {edit: func(_ *tenant, o *corev1.ConfigMap) {
		o.Annotations = map[string]string{"mine": strings.Repeat("x", 256<<10-4)}
		o.Data[targetKey] = "evil"
	}, fails: "Too long", undo: func(o *corev1.ConfigMap) { delete(o.Annotations, "mine") }},
	"an immutable object": {edit: func(_ *tenant, o *corev1.ConfigMap) {
		yes := true
		o.Data[targetKey], o.Immutable = "evil", &yes
	}, fails: "immutable"},
}

// owner creates an object in the tenant's namespace, and returns a reference to it.
func (one *tenant) owner(name string, controller bool) metav1.OwnerReference {
	one.t.Helper()
	object := configMap(one.namespace, name)
	if err := client.IgnoreAlreadyExists(one.Create(one.t.Context(), object)); err != nil {
		one.t.Fatal(err)
	}
	object = read(one.t, object)
	return metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: name, UID: object.UID, Controller: &controller}
}

// T6, T7, T8: whatever a tenant does to a target in its own namespace, the operator
// repairs it or reports a failure, and writes nothing else: no other object of the
// tenant, and no target in other namespaces, which get no content of the tenant.
func TestTenantChangesNothingElsewhere(t *testing.T) {
	operator(t)
	s := newScene(t)
	namespaces := s.namespaces(4)
	mine, others := namespaces[0], namespaces[1:]
	ca := newAuthority("CA")
	bundle := s.bundle(inLine(ca))
	awaitTargets(t, bundle, namespaces, ca)
	awaitSynced(t, bundle, 4)
	began, untouched := env.Audit.Mark(), s.bystanders(bundle, others)
	one := newTenant(t, mine)
	one.owner("plain", false)
	one.owner("controller", true)
	for name, attempt := range attempts {
		t.Run(name, func(t *testing.T) {
			one.t = t
			one.edit(bundle, func(o *corev1.ConfigMap) { attempt.edit(one, o) }, client.FieldOwner(attempt.manager))
			if attempt.fails != "" {
				awaitCondition(t, bundle, v1alpha1.BundleReasonSyncConfigMapTargetFailed, "1 of 4 targets failed", mine, attempt.fails)
			} else {
				poll.Eventually(t, "the content", func() error {
					now := configMap(mine, bundle.Name)
					if err := api.Get(t.Context(), client.ObjectKeyFromObject(now), now); err != nil {
						return err // garbage collection may delete it without a valid owner, until the operator re-creates it
					}
					return comparePEM(now.Data[targetKey], []authority{ca})
				})
			}
			if err := untouched.check(t); err != nil {
				t.Error(err)
			}
			if attempt.undo == nil {
				if err := client.IgnoreNotFound(one.Delete(t.Context(), configMap(mine, bundle.Name))); err != nil {
					t.Error(err)
				}
			} else {
				one.edit(bundle, attempt.undo)
			}
			awaitTargets(t, bundle, namespaces, ca)
			awaitSynced(t, bundle, 4)
		})
	}
	s.wantOnlyTargetsWritten(began, []*v1alpha1.Bundle{bundle}, mine)
}

// T6, R5: a tenant's own objects under all names and marks of the operator stay
// unchanged and are no sources, and a quota fails only the tenant's target. The tenant
// has no right to what it would need to affect others.
func TestTenantAffectsNoOthers(t *testing.T) {
	operator(t)
	s := newScene(t)
	namespaces := s.namespaces(3)
	mine, others := namespaces[0], namespaces[1:]
	ca, evil := newAuthority("CA"), newAuthority("Evil")
	source := s.source(ca)
	bundle := s.bundle(from(source))
	elsewhere := s.bundle(from(source), func(b *v1alpha1.Bundle) {
		b.Spec.Target.NamespaceSelector.MatchLabels = map[string]v1alpha1.LabelValue{corev1.LabelMetadataName: others[0]}
	})
	awaitTargets(t, bundle, namespaces, ca)
	awaitTargets(t, elsewhere, others[:1], ca)
	began, untouched := env.Audit.Mark(), s.bystanders(bundle, others)
	one := newTenant(t, mine)
	var theirs []*corev1.ConfigMap
	for _, name := range []string{source.Name, elsewhere.Name, bundle.Name + "-copy", "source"} {
		for _, labelled := range []string{bundle.Name, elsewhere.Name} {
			copied := read(t, configMap(others[0], bundle.Name)).DeepCopy()
			object := configMap("", name+"-"+labelled[len(labelled)-1:])
			object.Labels, object.Annotations = map[string]string{v1alpha1.BundleLabelKey: labelled}, copied.Annotations
			object.Data = map[string]string{targetKey: evil.Certificate, sourceKey: evil.Certificate}
			one.make(object)
			theirs = append(theirs, object)
		}
	}
	exact := configMap("", elsewhere.Name) // it only looks like the target of a Bundle that is not for this namespace
	exact.Labels, exact.Data = map[string]string{v1alpha1.BundleLabelKey: elsewhere.Name}, map[string]string{targetKey: evil.Certificate}
	one.make(exact)
	theirs = append(theirs, exact)
	yes := true
	for what, err := range map[string]error{
		"a Bundle":           one.Create(t.Context(), s.newBundle(inLine(evil))),
		"the Bundle":         one.Update(t.Context(), bundle.DeepCopy()),
		"its status":         one.Status().Update(t.Context(), bundle.DeepCopy()),
		"a source":           one.Update(t.Context(), source.DeepCopy()),
		"a Secret elsewhere": one.List(t.Context(), &corev1.SecretList{}, client.InNamespace(rig.TrustNamespace)),
		"an owner that blocks": one.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: mine, Name: "blocks", OwnerReferences: []metav1.OwnerReference{
			{APIVersion: v1alpha1.GroupVersion.String(), Kind: v1alpha1.BundleKind, Name: bundle.Name, UID: bundle.UID, BlockOwnerDeletion: &yes},
		}}}),
	} {
		if !apierrors.IsForbidden(err) {
			t.Errorf("%s: the tenant gets %v, want that it has no right", what, err)
		}
	}

	one.make(&corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "none"},
		Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"count/configmaps": resource.MustParse("0")}}})
	poll.Eventually(t, "the quota to be active", func() error {
		if err := one.Create(t.Context(), configMap(mine, "probe"), client.DryRunAll); !apierrors.IsForbidden(err) {
			return fmt.Errorf("a ConfigMap is accepted: %w", err)
		}
		return nil
	})
	if err := one.Delete(t.Context(), configMap(mine, bundle.Name)); err != nil {
		t.Fatal(err)
	}
	awaitCondition(t, bundle, v1alpha1.BundleReasonSyncConfigMapTargetFailed, "1 of 3 targets failed", mine, "quota")
	for _, object := range theirs {
		if now := read(t, configMap(mine, object.Name)); now.ResourceVersion != object.ResourceVersion {
			t.Errorf("%s of the tenant was written: %v", object.Name, compareContent(object, now))
		}
	}
	if err := untouched.check(t); err != nil {
		t.Error(err)
	}
	awaitTargets(t, bundle, others, ca)
	s.wantOnlyTargetsWritten(began, []*v1alpha1.Bundle{bundle}, mine)
}
