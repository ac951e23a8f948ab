package rig

import (
	"context"

	certificatesv1 "k8s.io/api/certificates/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AllowTrustBundles gives the account of the main release the rights that the chart renders for
// ClusterTrustBundles of these names.
func (r *Rig) AllowTrustBundles(ctx context.Context, names ...string) error {
	const name = "rig-trust-bundles"
	groups, resources := []string{certificatesv1.GroupName}, []string{"clustertrustbundles"}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{
		{APIGroups: groups, Resources: resources, Verbs: []string{"list", "watch"}},
		{APIGroups: groups, Resources: resources, ResourceNames: names, Verbs: []string{"get", "create", "update", "patch", "delete"}},
	}}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: TrustNamespace, Name: r.Main.Account}},
	}
	if err := r.Client.Create(ctx, role); err != nil {
		return err
	}
	if err := r.Client.Create(ctx, binding); err != nil {
		return err
	}
	return r.awaitGrant(ctx, r.Main.Account, Grant{Verb: "list", Group: certificatesv1.GroupName, Resource: "clustertrustbundles"})
}
