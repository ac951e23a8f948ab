package rig

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/test/framework/helm"
)

const roles = `
kind: ClusterRole
apiVersion: rbac.authorization.k8s.io/v1
metadata: {name: wide}
rules:
- {apiGroups: [""], resources: [secrets], verbs: [list, create, patch]}
- {apiGroups: [a.io], resources: [things/status], verbs: [patch]}
---
kind: Role
apiVersion: rbac.authorization.k8s.io/v1
metadata: {name: narrow, namespace: home}
rules:
- {apiGroups: [""], resources: [secrets], resourceNames: [one], verbs: [get, create]}
- {apiGroups: [""], resources: [secrets], verbs: [list]}
---
kind: ClusterRole
apiVersion: rbac.authorization.k8s.io/v1
metadata: {name: unbound}
rules:
- {apiGroups: [""], resources: [pods], verbs: [get]}
---
kind: ClusterRoleBinding
apiVersion: rbac.authorization.k8s.io/v1
metadata: {name: wide}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: wide}
subjects: [{kind: ServiceAccount, name: me, namespace: home}]
---
kind: RoleBinding
apiVersion: rbac.authorization.k8s.io/v1
metadata: {name: narrow, namespace: home}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: narrow}
subjects: [{kind: ServiceAccount, name: me, namespace: home}]
---
kind: RoleBinding
apiVersion: rbac.authorization.k8s.io/v1
metadata: {name: others, namespace: home}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: narrow}
subjects: [{kind: ServiceAccount, name: other, namespace: home}]
`

func grantsOf(t *testing.T, text string) ([]Grant, error) {
	t.Helper()
	objects, err := helm.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return Grants(objects, "home", "me")
}

// A permission is used by a request that requires it and for which no narrower
// one suffices.
func TestUnused(t *testing.T) {
	grants, err := grantsOf(t, roles)
	if err != nil {
		t.Fatal(err)
	}
	wideList, wideCreate, widePatch := "ClusterRole wide: list secrets", "ClusterRole wide: create secrets", "ClusterRole wide: patch secrets"
	status, oneGet, oneCreate := "ClusterRole wide: patch things/status.a.io", "Role home/narrow: get secrets named one in home", "Role home/narrow: create secrets named one in home"
	homeList := "Role home/narrow: list secrets in home"
	all := []string{wideList, wideCreate, widePatch, status, oneGet, oneCreate, homeList}
	secret := func(verb, namespace, name string, code int) Request {
		return Request{Verb: verb, Resource: "secrets", Namespace: namespace, Name: name, Code: code}
	}
	for name, tc := range map[string]struct {
		request Request
		used    []string
	}{
		"an unrelated resource":            {Request{Verb: "get", Resource: "pods"}, nil},
		"another group":                    {Request{Verb: "patch", Group: "b.io", Resource: "things/status"}, nil},
		"a subresource":                    {Request{Verb: "patch", Group: "a.io", Resource: "things/status"}, []string{status}},
		"a list of all":                    {secret("list", "", "", 200), []string{wideList}},
		"a list elsewhere":                 {secret("list", "away", "", 200), []string{wideList}},
		"a list that the Role allows":      {secret("list", "home", "", 200), []string{homeList}},
		"another name":                     {secret("get", "home", "two", 200), nil},
		"its name":                         {secret("get", "home", "one", 404), []string{oneGet}},
		"its name elsewhere":               {secret("get", "away", "one", 200), nil},
		"a POST has no name":               {secret("create", "home", "one", 201), []string{wideCreate}},
		"a PATCH that creates":             {secret("patch", "home", "one", 201), []string{widePatch, oneCreate}},
		"a PATCH that does not":            {secret("patch", "home", "one", 200), []string{widePatch}},
		"denied":                           {Request{Verb: "list", Resource: "secrets", Denied: true, Code: 403}, nil},
		"denied by admission, not by RBAC": {secret("list", "", "", 403), []string{wideList}},
	} {
		t.Run(name, func(t *testing.T) {
			unused := map[string]bool{}
			for _, g := range Unused(grants, []Request{tc.request}) {
				unused[g.String()] = true
			}
			want := map[string]bool{}
			for _, g := range all {
				want[g] = true
			}
			for _, g := range tc.used {
				delete(want, g)
			}
			if diff := cmp.Diff(want, unused); diff != "" {
				t.Errorf("unused (-want +got):\n%s", diff)
			}
		})
	}
}

// Rules whose use cannot be determined are an error, and so is a binding to a
// missing role.
func TestGrantsRefuse(t *testing.T) {
	for name, change := range map[string][2]string{
		"a wildcard":       {"resources: [things/status]", "resources: ['*']"},
		"a URL":            {"apiGroups: [a.io], resources: [things/status]", "nonResourceURLs: [/metrics]"},
		"a missing role":   {"kind: ClusterRole, name: wide", "kind: ClusterRole, name: wider"},
		"a role elsewhere": {"metadata: {name: narrow, namespace: home}\nrules", "metadata: {name: narrow, namespace: away}\nrules"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(roles, change[0]) {
				t.Fatalf("roles do not contain %q", change[0])
			}
			if grants, err := grantsOf(t, strings.Replace(roles, change[0], change[1], 1)); err == nil {
				t.Errorf("accepted: %v", grants)
			}
		})
	}
}
