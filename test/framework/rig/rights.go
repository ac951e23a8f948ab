package rig

import (
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"trust-manager.io/test/framework/helm"
)

// Grant is one right of a role: one verb on one resource, in all namespaces or in one, for
// all objects or for one name.
type Grant struct {
	// Role is the role that grants it, for messages.
	Role            string
	Verb            string
	Group, Resource string
	// Namespace and Name are empty if the right is not limited to one.
	Namespace, Name string
}

// String returns the right as shown in failures of tests.
func (g Grant) String() string {
	limits := ""
	if g.Name != "" {
		limits += " named " + g.Name
	}
	if g.Namespace != "" {
		limits += " in " + g.Namespace
	}
	return fmt.Sprintf("%s: %s %s%s", g.Role, g.Verb, strings.TrimSuffix(g.Resource+"."+g.Group, "."), limits)
}

// Grants returns the rights that rendered roles and bindings grant to a service account. A
// rule with a wildcard or a non-resource URL is an error, since the chart has none.
func Grants(objects helm.Objects, namespace, account string) ([]Grant, error) {
	rules := map[string][]rbacv1.PolicyRule{}
	var all []Grant
	for _, object := range objects {
		if kind := object.GetKind(); kind != "Role" && kind != "ClusterRole" {
			continue
		}
		var role rbacv1.ClusterRole // a Role has the same rules
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &role); err != nil {
			return nil, err
		}
		rules[roleKey(object.GetKind(), object.GetNamespace(), role.Name)] = role.Rules
	}
	for _, object := range objects {
		if kind := object.GetKind(); kind != "RoleBinding" && kind != "ClusterRoleBinding" {
			continue
		}
		var binding rbacv1.RoleBinding
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &binding); err != nil {
			return nil, err
		}
		if !slices.Contains(binding.Subjects, rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: account}) {
			continue
		}
		key := roleKey(binding.RoleRef.Kind, binding.Namespace, binding.RoleRef.Name)
		granted, ok := rules[key]
		if !ok {
			return nil, fmt.Errorf("%s %s binds the %s, which does not exist", object.GetKind(), binding.Name, key)
		}
		for _, rule := range granted {
			grants, err := expand(key, binding.Namespace, rule)
			if err != nil {
				return nil, err
			}
			all = append(all, grants...)
		}
	}
	return all, nil
}

func roleKey(kind, namespace, name string) string {
	if kind == "ClusterRole" {
		return kind + " " + name
	}
	return kind + " " + namespace + "/" + name
}

// expand returns the single rights of a rule.
func expand(role, namespace string, rule rbacv1.PolicyRule) (all []Grant, err error) {
	if len(rule.NonResourceURLs) > 0 || slices.Contains(slices.Concat(rule.Verbs, rule.APIGroups, rule.Resources), "*") {
		return nil, fmt.Errorf("%s has a rule with a wildcard or a non-resource URL: %s", role, rule.String())
	}
	names := rule.ResourceNames
	if len(names) == 0 {
		names = []string{""}
	}
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			for _, name := range names {
				for _, verb := range rule.Verbs {
					all = append(all, Grant{Role: role, Verb: verb, Group: group, Resource: resource, Namespace: namespace, Name: name})
				}
			}
		}
	}
	return all, nil
}

// covers reports whether the right allows the request.
func (g Grant) covers(q Request) bool {
	return g.Verb == q.Verb && g.Group == q.Group && g.Resource == q.Resource &&
		(g.Namespace == "" || g.Namespace == q.Namespace) && (g.Name == "" || g.Name == q.Name)
}

// narrower reports whether g grants less than other.
func (g Grant) narrower(other Grant) bool {
	return g != other && (other.Namespace == "" || other.Namespace == g.Namespace) && (other.Name == "" || other.Name == g.Name) &&
		(g.Namespace != other.Namespace || g.Name != other.Name)
}

// Unused returns the rights that none of the requests needed. If several rights allow a
// request, only the narrowest counts as used: a right in all namespaces is used only by
// requests in namespaces without a right of their own.
func Unused(grants []Grant, requests []Request) []Grant {
	used := map[Grant]bool{}
	for _, q := range authorized(requests) {
		var enough []Grant
		for _, g := range grants {
			if g.covers(q) {
				enough = append(enough, g)
			}
		}
		for _, g := range enough {
			if !slices.ContainsFunc(enough, func(other Grant) bool { return other.narrower(g) }) {
				used[g] = true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(grants), func(g Grant) bool { return used[g] })
}

// authorized returns what the API server asked its authorizer for requests that were not
// denied. A POST has no name at that time. A PATCH that creates an object also needs the
// right to create an object of that name.
func authorized(requests []Request) (all []Request) {
	for _, q := range requests {
		if q.Denied {
			continue
		}
		if q.Verb == "create" {
			q.Name = ""
		}
		all = append(all, q)
		if q.Verb == "patch" && q.Code == created {
			q.Verb = "create"
			all = append(all, q)
		}
	}
	return all
}

// created is the HTTP status of a request that created an object.
const created = 201
