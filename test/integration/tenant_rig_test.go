package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// tenant is a user with all rights in one namespace, more than the role admin grants,
// and none elsewhere.
type tenant struct {
	client.Client
	t         *testing.T
	namespace string
}

func newTenant(t *testing.T, namespace string) *tenant {
	t.Helper()
	const name = "tenant"
	meta := metav1.ObjectMeta{Namespace: namespace, Name: name}
	all := []string{"*"}
	create(t, &corev1.ServiceAccount{ObjectMeta: meta},
		&rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{APIGroups: all, Resources: all, Verbs: all}}},
		&rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}}})
	config := rest.CopyConfig(env.Config)
	config.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + namespace + ":" + name,
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"},
	}
	as, err := client.New(config, client.Options{Scheme: api.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	one := &tenant{Client: as, t: t, namespace: namespace}
	poll.Eventually(t, "the tenant's rights", func() error { return one.List(t.Context(), &corev1.SecretList{}, client.InNamespace(namespace)) })
	return one
}

// make creates an object in the tenant's namespace.
func (one *tenant) make(object client.Object) {
	one.t.Helper()
	object.SetNamespace(one.namespace)
	if err := one.Create(one.t.Context(), object); err != nil {
		one.t.Fatal(err)
	}
}

// edit changes a target in the tenant's namespace. It retries on a conflict with the
// operator.
func (one *tenant) edit(bundle *v1alpha1.Bundle, mutate func(*corev1.ConfigMap), options ...client.UpdateOption) {
	one.t.Helper()
	poll.Eventually(one.t, "the edit", func() error {
		object := configMap(one.namespace, bundle.Name)
		if err := one.Get(one.t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
			return err
		}
		mutate(object)
		return one.Update(one.t.Context(), object, options...)
	})
}

// bystanders are the targets in other namespaces, in their initial state.
type bystanders map[string]*corev1.ConfigMap

func (s *scene) bystanders(bundle *v1alpha1.Bundle, namespaces []string) bystanders {
	s.t.Helper()
	found := bystanders{}
	for _, namespace := range namespaces {
		found[namespace] = read(s.t, configMap(namespace, bundle.Name))
	}
	return found
}

// check returns an error if one of them was written, although nothing changed for them.
func (b bystanders) check(t *testing.T) error {
	for namespace, before := range b {
		if now := read(t, configMap(namespace, before.Name)); now.ResourceVersion != before.ResourceVersion {
			return fmt.Errorf("the target in %s was written: %w", namespace, compareContent(before, now))
		}
	}
	return nil
}

// wantOnlyTargetsWritten checks the operator's writes since a mark: in the namespaces
// of the scene, and to objects named after its Bundles anywhere, it has written only the
// targets of these Bundles in one namespace. In the whole cluster it has written no
// other kinds of objects.
func (s *scene) wantOnlyTargetsWritten(since rig.Mark, bundles []*v1alpha1.Bundle, namespace string) {
	s.t.Helper()
	var names []string
	for _, bundle := range bundles {
		names = append(names, bundle.Name)
	}
	count := 0
	for _, q := range requests(s.t, since, rig.Request.IsWrite) {
		allowed := slices.Contains(names, q.Name) && q.Namespace == namespace
		switch q.Resource {
		case "configmaps", "secrets":
			if !allowed && (strings.HasPrefix(q.Namespace, s.name+"-") || strings.HasPrefix(q.Name, s.name+"-")) {
				s.t.Errorf("the operator wrote %s", q)
			}
		case "bundles/status", "events":
		default:
			s.t.Errorf("the operator wrote %s", q)
		}
		if allowed {
			count++
		}
	}
	if count == 0 {
		s.t.Error("the operator has written nothing, which proves nothing")
	}
}
