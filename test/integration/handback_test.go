package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/cli"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// trust runs `kubectl trust` as the administrator, and returns its output.
func trust(t *testing.T, status int, args ...string) (out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	streams := genericiooptions.IOStreams{In: strings.NewReader(""), Out: &stdout, ErrOut: &stderr}
	args = append(args, "--kubeconfig", env.Kubeconfig(), "--cache-dir", t.TempDir())
	if got := cli.Run(t.Context(), args, streams, clock.RealClock{}); got != status {
		t.Errorf("kubectl trust %s: exit status %d, want %d\n%s%s", args[0], got, status, &stdout, &stderr)
	}
	return stdout.String(), stderr.String()
}

// trustJSON decodes the output of `kubectl trust` in JSON.
func trustJSON(t *testing.T, into any, status int, args ...string) {
	t.Helper()
	out, _ := trust(t, status, append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// handedTargets is the result of handback.
type handedTargets struct {
	DryRun  bool
	Targets []struct{ Bundle, Kind, Namespace, Result, Error string }
}

// of returns the results for one Bundle, by namespace.
func (h handedTargets) of(bundle string) map[string]string {
	results := map[string]string{}
	for _, t := range h.Targets {
		if t.Bundle == bundle {
			results[t.Namespace] = t.Result
		}
	}
	return results
}

// operations returns the operations of the entries of field manager trust-manager.
func operations(object *corev1.ConfigMap) (list []metav1.ManagedFieldsOperationType) {
	for _, entry := range object.ManagedFields {
		if entry.Manager == "trust-manager" {
			list = append(list, entry.Operation)
		}
	}
	return list
}

// wantOperations checks the entries of field manager trust-manager.
func (k kind) wantOperations(t *testing.T, bundle client.Object, namespace string, want ...metav1.ManagedFieldsOperationType) {
	t.Helper()
	if diff := cmp.Diff(want, operations(k.read(t, namespace, bundle.GetName()))); diff != "" {
		t.Errorf("entries of trust-manager in %s %s/%s (-want +got):\n%s", k, namespace, bundle.GetName(), diff)
	}
}

// deployment returns a Deployment as the chart has it. Its pods never run.
func deployment(name string, replicas int32, args ...string) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: rig.TrustNamespace, Name: name, Labels: map[string]string{"app.kubernetes.io/version": "0.1.0"}},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					ServiceAccountName: env.Main.Account,
					Containers:         []corev1.Container{{Name: name, Image: "registry.example.com/trust-manager", Args: append(args, "--trust-namespace="+rig.TrustNamespace)}},
				},
			},
		},
	}
}

// L10: after a hand-back, a server-side apply of the field manager trust-manager owns all that this
// operator has written: it removes the keys that it leaves out, which stay otherwise. The hand-back
// changes nothing but managedFields, is done once, and leaves ClusterBundles and foreign entries alone.
func TestHandback(t *testing.T) {
	for _, k := range []kind{inConfigMaps, inSecrets} {
		t.Run(k.String(), func(t *testing.T) { testHandback(t, k) })
	}
}

func testHandback(t *testing.T, k kind) {
	o := startOperator(t, "--secret-targets-enabled")
	s := newScene(t)
	namespaces := s.namespaces(3)
	applied, shared := namespaces[1], namespaces[2]
	ca := newAuthority("CA")
	bundle := s.bundle(inLine(ca), k.ask, formats(jks(), p12("secret", "")))
	other := s.clusterBundle(inLine(ca), k.ask)
	awaitSynced(t, bundle, 3)
	awaitSynced(t, other, 3)
	k.addData(t, shared, bundle.Name, map[string]string{"theirs": "data"})
	poll.Eventually(t, "the target to be shared", func() error {
		if k.read(t, shared, bundle.Name).Annotations[v1alpha1.SharedAnnotationKey] == "" {
			return errNotYet
		}
		return nil
	})
	stop(t, o)

	// What goes wrong without it: the other operator leaves a key out, and it stays.
	next := newAuthority("Next")
	stores := func(keys ...string) map[string][]byte {
		values := map[string][]byte{}
		for _, key := range keys {
			values[key] = []byte(key)
		}
		return values
	}
	k.left(t, bundle, applied, stores(jksKey), next)
	k.wantOperations(t, bundle, applied, metav1.ManagedFieldsOperationApply, metav1.ManagedFieldsOperationUpdate)
	k.wantKeys(t, bundle, applied, targetKey, jksKey, pkcs12Key)

	before := map[string]*corev1.ConfigMap{}
	for _, namespace := range namespaces {
		before[namespace] = k.read(t, namespace, bundle.Name)
	}
	var dry, first, second handedTargets
	trustJSON(t, &dry, 0, "handback", "--dry-run")
	wantResults(t, "dry run", dry, bundle.Name, namespaces, "toHandBack")
	k.wantOperations(t, bundle, namespaces[0], metav1.ManagedFieldsOperationUpdate)
	trustJSON(t, &first, 0, "handback")
	wantResults(t, "first run", first, bundle.Name, namespaces, "handedBack")
	if len(first.of(other.Name)) > 0 {
		t.Errorf("targets of a ClusterBundle were handed back: %+v", first)
	}
	versions := map[string]string{}
	for _, namespace := range namespaces {
		k.wantOperations(t, bundle, namespace, metav1.ManagedFieldsOperationApply)
		after := k.read(t, namespace, bundle.Name)
		if err := compareContent(before[namespace], after); err != nil || after.UID != before[namespace].UID {
			t.Errorf("the content in %s has changed: %v", namespace, err)
		}
		versions[namespace] = after.ResourceVersion
	}
	k.wantOperations(t, other, namespaces[0], metav1.ManagedFieldsOperationUpdate)
	trustJSON(t, &second, 0, "handback")
	wantResults(t, "second run", second, bundle.Name, namespaces, "unchanged")
	for _, namespace := range namespaces {
		if now := k.read(t, namespace, bundle.Name).ResourceVersion; now != versions[namespace] {
			t.Errorf("the second run has changed the target in %s", namespace)
		}
	}

	for _, namespace := range namespaces {
		k.left(t, bundle, namespace, stores(jksKey), next)
		k.wantOperations(t, bundle, namespace, metav1.ManagedFieldsOperationApply)
	}
	k.wantKeys(t, bundle, namespaces[0], targetKey, jksKey)
	k.wantKeys(t, bundle, applied, targetKey, jksKey)
	k.wantKeys(t, bundle, shared, targetKey, jksKey, "theirs")
	if mark, ok := k.read(t, shared, bundle.Name).Annotations[v1alpha1.SharedAnnotationKey]; ok {
		t.Errorf("the mark %q has stayed", mark)
	}
	k.left(t, bundle, namespaces[0], nil, next)
	k.wantKeys(t, bundle, namespaces[0], targetKey)
}

// wantResults checks what handback reports for a Bundle.
func wantResults(t *testing.T, when string, got handedTargets, bundle string, namespaces []string, result string) {
	t.Helper()
	want := map[string]string{}
	for _, namespace := range namespaces {
		want[namespace] = result
	}
	if diff := cmp.Diff(want, got.of(bundle)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", when, diff)
	}
}

// wantKeys checks which keys a target has.
func (k kind) wantKeys(t *testing.T, bundle client.Object, namespace string, keys ...string) {
	t.Helper()
	want, got := map[string]bool{}, map[string]bool{}
	for _, key := range keys {
		want[key] = true
	}
	object := k.read(t, namespace, bundle.GetName())
	for key := range object.Data {
		got[key] = true
	}
	for key := range object.BinaryData {
		got[key] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys of %s %s/%s (-want +got):\n%s", k, namespace, bundle.GetName(), diff)
	}
}

// L10: a target that cannot be changed does not keep others from being handed back. While an
// operator runs, nothing is changed.
func TestHandbackFails(t *testing.T) {
	o := startOperator(t)
	s := newScene(t)
	namespaces := s.namespaces(2)
	bundle := s.bundle(inLine(newAuthority("CA")))
	awaitSynced(t, bundle, 2)
	stop(t, o)

	running := deployment(s.unique(), 1)
	s.temporary(running)
	if _, errs := trust(t, 2, "handback"); !strings.Contains(errs, "kubectl scale -n "+rig.TrustNamespace+" deployment "+running.Name+" --replicas=0") {
		t.Errorf("the error does not state what to do: %s", errs)
	}
	trust(t, 0, "handback", "--dry-run")
	change(t, running, func(d *appsv1.Deployment) { *d.Spec.Replicas = 0 })
	poll.Eventually(t, "the replicas to be gone", func() error {
		if d := read(t, running); d.Status.Replicas > 0 || d.Status.ObservedGeneration != d.Generation {
			return fmt.Errorf("%d replicas", d.Status.Replicas)
		}
		return nil
	})
	holder, duration, now := "pod-a", int32(600), metav1.NewMicroTime(time.Now())
	lease := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespaces[0], Name: "trust-manager-leader-election"},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &duration, RenewTime: &now},
	}
	s.temporary(lease)
	if _, errs := trust(t, 2, "handback"); !strings.Contains(errs, `"pod-a" holds the Lease`) {
		t.Errorf("the error does not name the leader: %s", errs)
	}
	inConfigMaps.wantOperations(t, bundle, namespaces[0], metav1.ManagedFieldsOperationUpdate)
	change(t, lease, func(l *coordinationv1.Lease) { *l.Spec.LeaseDurationSeconds = 1 })

	user := s.unique()
	s.grant(user, "", "bundles.trust.cert-manager.io clusterbundles.trust-manager.io deployments.apps leases.coordination.k8s.io configmaps", "list")
	s.grant(user, namespaces[0], "configmaps", "patch")
	var result handedTargets
	poll.Eventually(t, "the rights", func() error { // the API server watches roles
		out := &bytes.Buffer{}
		streams := genericiooptions.IOStreams{In: os.Stdin, Out: out, ErrOut: &bytes.Buffer{}}
		args := []string{"handback", "--as", user, "-o", "json", "--kubeconfig", env.Kubeconfig(), "--cache-dir", t.TempDir()}
		if cli.Run(context.Background(), args, streams, clock.RealClock{}) != 1 || json.Unmarshal(out.Bytes(), &result) != nil {
			return errNotYet
		}
		if result.of(bundle.Name)[namespaces[0]] == "failed" {
			return errNotYet
		}
		return nil
	})
	if results := result.of(bundle.Name); results[namespaces[1]] != "failed" {
		t.Errorf("results %v, want the second one to fail", results)
	}
	for _, target := range result.Targets {
		if target.Result == "failed" && !strings.Contains(target.Error, "forbidden") {
			t.Errorf("%s does not state the cause: %q", target.Namespace, target.Error)
		}
	}
	inConfigMaps.wantOperations(t, bundle, namespaces[0], metav1.ManagedFieldsOperationApply)
	inConfigMaps.wantOperations(t, bundle, namespaces[1], metav1.ManagedFieldsOperationUpdate)
	if out, _ := trust(t, 0, "handback"); !strings.Contains(out, "HANDED BACK") {
		t.Errorf("not a table: %s", out)
	}
	inConfigMaps.wantOperations(t, bundle, namespaces[1], metav1.ManagedFieldsOperationApply)
}

// grant grants a user rights on resources, such as deployments.apps, in a namespace or in all.
func (s *scene) grant(user, namespace, resources, verbs string) {
	s.t.Helper()
	meta := metav1.ObjectMeta{Name: s.unique(), Namespace: namespace}
	var rules []rbacv1.PolicyRule
	for resource := range strings.FieldsSeq(resources) {
		resource, group, _ := strings.Cut(resource, ".")
		rules = append(rules, rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: strings.Fields(verbs)})
	}
	subjects := []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}}
	reference := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name}
	if namespace != "" {
		s.temporary(&rbacv1.Role{ObjectMeta: meta, Rules: rules})
		s.temporary(&rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: reference, Subjects: subjects})
		return
	}
	reference.Kind = "ClusterRole"
	s.temporary(&rbacv1.ClusterRole{ObjectMeta: meta, Rules: rules})
	s.temporary(&rbacv1.ClusterRoleBinding{ObjectMeta: meta, RoleRef: reference, Subjects: subjects})
}
