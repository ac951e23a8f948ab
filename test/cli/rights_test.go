package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/cli"
	"trust-manager.io/test/framework/leak"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// may is a rule for resources of the core group, or of the group after a slash.
func may(verb string, resources ...string) (rules []rbacv1.PolicyRule) {
	for _, resource := range resources {
		resource, group, _ := strings.Cut(resource, "/")
		rules = append(rules, rbacv1.PolicyRule{Verbs: []string{verb}, Resources: []string{resource}, APIGroups: []string{group}})
	}
	return rules
}

// targets are rights on targets of bundles that cannot be built, as other tests leave some.
var targets = may("get", "configmaps")

// bundles are the kinds that define bundles.
var bundles = may("list", "bundles/trust.cert-manager.io", "clusterbundles/trust-manager.io")

// L2 to L12: each command needs no more rights than its help states, and its output has neither a
// private key nor a value of a Secret, whatever the form.
func TestRights(t *testing.T) {
	keys, err := leak.Keys()
	if err != nil {
		t.Fatal(err)
	}
	search := leak.NewSearch(keys...)
	bundle := world(t, keys[0])
	dir := t.TempDir()
	if err := writeCertificates(dir); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "root1.pem")
	sources := may("get", "configmaps", "secrets")
	for name, tc := range map[string]struct {
		args    string
		outputs string
		status  int
		// everywhere and inTrust are the rights in the cluster, and in the trust namespace.
		everywhere, inTrust []rbacv1.PolicyRule
	}{
		"lint-bundle":    {"lint bundle/" + bundle, "table json yaml sarif", 0, bundles, sources},
		"lint-secret":    {"lint secret/" + bundle, "table json yaml sarif", 1, nil, sources},
		"inspect-bundle": {"inspect bundle/" + bundle, "table json yaml", 0, bundles, sources},
		"inspect-secret": {"inspect secret/" + bundle, "table json yaml", 0, nil, sources},
		"explain":        {"explain " + file, "table json yaml", 0, append(may("list", "configmaps", "secrets"), append(targets, bundles...)...), sources},
		"report":         {"report", "html md json csv", 0, append(may("list", "configmaps", "secrets", "namespaces"), append(targets, bundles...)...), sources},
		"pods":           {"pods " + bundle, "table json yaml", 0, append(may("list", "pods", "configmaps"), bundles...), nil},
		"rotate": {"rotate plan --from " + file + " --to " + filepath.Join(dir, "new.pem"), "table json yaml", 1,
			append(may("list", "configmaps", "secrets", "namespaces", "pods"), append(targets, bundles...)...), sources},
		"handback": {"handback --dry-run", "table json yaml", 0,
			append(may("list", "configmaps", "secrets", "deployments/apps", "leases/coordination.k8s.io"), bundles...), nil},
		"diff": {"diff -f " + changed(t, bundle), "table json yaml", 1,
			append(may("list", "configmaps", "namespaces"), append(targets, bundles...)...), sources},
	} {
		t.Run(name, func(t *testing.T) {
			kubeconfig, account := granted(t, name, tc.everywhere, tc.inTrust)
			for _, output := range strings.Fields(tc.outputs) {
				args := append(strings.Fields(tc.args), "--kubeconfig", kubeconfig, "-o", output)
				poll.Eventually(t, name, func() error { // until the API server has loaded the role
					status, out := run(t, args)
					if status != tc.status {
						return fmt.Errorf("%s: exit status %d, want %d: %s", output, status, tc.status, out)
					}
					if found := search.Find([]byte(out)); len(found) > 0 {
						t.Errorf("%s: the output has %q", output, found)
					}
					return nil
				})
			}
			mark := env.Audit.Mark()
			run(t, append(strings.Fields(tc.args), "--kubeconfig", kubeconfig))
			requests, err := env.Audit.AllSince(mark)
			if err != nil {
				t.Fatal(err)
			}
			lists := map[string]int{}
			for _, request := range requests {
				if request.User != rig.UserOf(account) {
					continue
				}
				if request.Denied {
					t.Errorf("denied: %s", request)
				}
				if request.Verb == "list" {
					lists[request.Resource]++
				}
			}
			for resource, count := range lists {
				if count > 1 && name == "diff" {
					t.Errorf("%d requests list %s, want one", count, resource)
				}
			}
		})
	}
}

// world creates a Bundle whose sources, in objects of its name, have a private key beside the
// certificates.
func world(t *testing.T, key leak.Key) (name string) {
	t.Helper()
	name = "rights"
	text := roots["root1"].Certificate
	meta := metav1.ObjectMeta{Name: name, Namespace: rig.TrustNamespace}
	for _, object := range []client.Object{
		&corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"ca.crt": text, "key": key.PEM}},
		&corev1.Secret{ObjectMeta: meta, StringData: map[string]string{"ca.crt": text, "key": key.PEM, "der": string(key.DER())}},
		&v1alpha1.Bundle{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.BundleSpec{
			Sources: []v1alpha1.BundleSource{
				{ConfigMap: &v1alpha1.SourceObject{Name: name, Key: "ca.crt"}}, {Secret: &v1alpha1.SourceObject{Name: name, Key: "ca.crt"}},
			},
			Target: &v1alpha1.BundleTarget{ConfigMap: &v1alpha1.TargetObject{Key: "target.crt"},
				NamespaceSelector: &v1alpha1.LabelSelector{MatchLabels: map[string]string{"rights": "yes"}}},
		}},
	} {
		if err := env.Client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = env.Client.Delete(context.Background(), object) })
	}
	return name
}

// changed returns the path of a manifest that changes the Bundle of [world].
func changed(t *testing.T, name string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "bundle.yaml")
	text := `{"apiVersion": "trust.cert-manager.io/v1alpha1", "kind": "Bundle", "metadata": {"name": "` + name + `"}, "spec": {
		"sources": [{"secret": {"name": "` + name + `", "key": "ca.crt"}}], "target": {"configMap": {"key": "other.crt"}}}}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// granted returns the kubeconfig of an account with these rights.
func granted(t *testing.T, name string, everywhere, inTrust []rbacv1.PolicyRule) (kubeconfig, account string) {
	t.Helper()
	account = "cli-" + name
	kubeconfig, err := env.Account(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: rig.TrustNamespace, Name: account}}
	wide, narrow := metav1.ObjectMeta{Name: account}, metav1.ObjectMeta{Name: account, Namespace: rig.TrustNamespace}
	for _, object := range []client.Object{
		&rbacv1.ClusterRole{ObjectMeta: wide, Rules: everywhere},
		&rbacv1.ClusterRoleBinding{ObjectMeta: wide, Subjects: subjects, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: account}},
		&rbacv1.Role{ObjectMeta: narrow, Rules: inTrust},
		&rbacv1.RoleBinding{ObjectMeta: narrow, Subjects: subjects, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: account}},
	} {
		if err := env.Client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	return kubeconfig, account
}

// run runs a command and returns its exit status and all that it writes.
func run(t *testing.T, args []string) (status int, out string) {
	t.Helper()
	var text bytes.Buffer
	streams := genericiooptions.IOStreams{In: &bytes.Buffer{}, Out: &text, ErrOut: &text}
	status = cli.Run(t.Context(), args, streams, clock.RealClock{})
	return status, text.String()
}
