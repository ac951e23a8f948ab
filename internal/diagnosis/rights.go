package diagnosis

import (
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
)

// Permission is a right that is needed.
type Permission = authorizationv1.ResourceAttributes

// Setup is how an operator runs.
type Setup struct {
	TrustNamespace string
	// TargetNamespaces are the namespaces of its targets; none means all.
	TargetNamespaces []string
	Bundles          []Bundle
}

// Needed returns the rights that an operator needs for its bundles.
func Needed(setup Setup) (needed []Permission) {
	add := func(of Permission, verbs ...string) {
		for _, verb := range verbs {
			of.Verb = verb
			needed = append(needed, of)
		}
	}
	add(Permission{Resource: "namespaces"}, "list", "watch")
	apiKinds := map[bundle.APIKind]bool{}
	targets := map[bundle.Kind]bool{}
	for _, b := range setup.Bundles {
		if kind := b.Spec.ID.Kind; !apiKinds[kind] {
			apiKinds[kind] = true
			group, resource := b.Spec.Marks.Owner.Group, resourceOf(kind)
			add(Permission{Group: group, Resource: resource}, "list", "watch")
			add(Permission{Group: group, Resource: resource, Subresource: "status"}, "patch")
		}
		for _, t := range b.Spec.Targets {
			targets[t.Kind] = true
			if kind := target.TypeOf(t.Kind); kind.RestrictedByName { // by the names of the objects
				for _, namespace := range kind.Places(namespacesOf(setup)) {
					name := bundle.ObjectName(t.Signer, b.Spec.ID.Name)
					add(Permission{Group: kind.GVK.Group, Resource: kind.Resource, Namespace: namespace, Name: name}, "get", "create", "update", "patch", "delete")
				}
			}
			if t.Signer != "" {
				add(Permission{Group: target.TypeOf(t.Kind).GVK.Group, Resource: "signers", Name: t.Signer}, "attest")
			}
		}
	}
	for _, resource := range []string{"configmaps", "secrets"} {
		add(Permission{Resource: resource, Namespace: setup.TrustNamespace}, "list", "watch")
	}
	if len(setup.TargetNamespaces) > 0 { // for rotation states; otherwise the right is the one on targets
		add(Permission{Resource: "configmaps", Namespace: setup.TrustNamespace}, "create", "update")
	}
	if len(TrustBundleUsers(setup.Bundles)) > 0 {
		targets[bundle.ClusterTrustBundle] = true // it is listed for sources too
	}
	for _, kind := range []bundle.Kind{bundle.ConfigMap, bundle.Secret, bundle.ClusterTrustBundle} {
		if !targets[kind] {
			continue
		}
		of := target.TypeOf(kind)
		verbs := []string{"list", "watch"}
		if !of.RestrictedByName {
			verbs = append(verbs, "get", "create", "update", "patch", "delete")
		}
		for _, namespace := range of.Places(namespacesOf(setup)) {
			add(Permission{Group: of.GVK.Group, Resource: of.Resource, Namespace: namespace}, verbs...)
		}
	}
	return needed
}

// resourceOf returns the plural name of an API kind.
func resourceOf(kind bundle.APIKind) string {
	if kind == bundle.APIClusterBundle {
		return "clusterbundles"
	}
	return "bundles"
}

// namespacesOf returns the namespaces of targets; the empty one means all.
func namespacesOf(setup Setup) []string {
	if len(setup.TargetNamespaces) == 0 {
		return []string{""}
	}
	return setup.TargetNamespaces
}

// NeededToInstall returns the rights that a user needs to install the chart in a namespace.
func NeededToInstall(namespace, trustNamespace string, hasCertManager bool) (needed []Permission) {
	add := func(group, namespace string, resources ...string) {
		for _, resource := range resources {
			needed = append(needed, Permission{Verb: "create", Group: group, Resource: resource, Namespace: namespace})
		}
	}
	const rbac = "rbac.authorization.k8s.io"
	add("apiextensions.k8s.io", "", "customresourcedefinitions")
	add("admissionregistration.k8s.io", "", "validatingwebhookconfigurations")
	add(rbac, "", "clusterroles", "clusterrolebindings")
	for _, in := range []string{namespace, trustNamespace, "default"} { // events of cluster-scoped objects are in default
		add(rbac, in, "roles", "rolebindings")
	}
	add("apps", namespace, "deployments")
	add("", namespace, "services", "serviceaccounts", "secrets") // Helm stores releases in Secrets
	if hasCertManager {
		add("cert-manager.io", namespace, "issuers", "certificates")
	}
	return needed
}

// Rights judges the rights of an account, given those that are denied.
func Rights(account string, denied []Permission) Check {
	if len(denied) == 0 {
		return about(NameRights, account, Pass, "it has all rights that its Bundles need")
	}
	return about(NameRights, account, Fail, "it may not %s; see the chart values global.rbac.create, secretTargets and clusterTrustBundles", joined(describe(denied)))
}

// InstallRights judges the rights of a user who installs the chart, given those that are denied, and
// whether the user may create roles with rights that the user does not have.
func InstallRights(denied []Permission, mayEscalate bool) Check {
	switch {
	case len(denied) > 0:
		return about(NameRights, "", Fail, "you may not %s; ask an administrator of the cluster to install the chart", joined(describe(denied)))
	case !mayEscalate:
		return about(NameRights, "", Warn, "you may create roles only with rights that you have yourself (there is no verb escalate on clusterroles); the chart's need most rights on ConfigMaps in all namespaces")
	}
	return about(NameRights, "", Pass, "you may create all objects of the chart")
}

// describe returns rights for use in messages, each once.
func describe(permissions []Permission) (texts []string) {
	seen := map[string]bool{}
	for _, p := range permissions {
		text := p.Verb + " " + p.Resource
		if p.Group != "" {
			text += "." + p.Group
		}
		if p.Subresource != "" {
			text += "/" + p.Subresource
		}
		if p.Name != "" {
			text += fmt.Sprintf(" %q", p.Name)
		}
		if p.Namespace != "" {
			text += " in " + p.Namespace
		}
		if !seen[text] {
			seen[text] = true
			texts = append(texts, text)
		}
	}
	return texts
}
