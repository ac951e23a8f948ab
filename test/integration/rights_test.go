package integration

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// account is a service account for an operator with few rights.
type account struct {
	*scene
	name, kubeconfig string
}

// account creates a service account with the rights that every operator needs: to read
// Bundles and Namespaces, and to write statuses and events.
func (s *scene) account() *account {
	s.t.Helper()
	a := &account{scene: s, name: s.unique()}
	var err error
	if a.kubeconfig, err = env.Account(s.t.Context(), a.name); err != nil {
		s.t.Fatal(err)
	}
	a.may("", "trust.cert-manager.io", "bundles", "get list watch")
	a.may("", "trust.cert-manager.io", "bundles/status", "patch")
	a.may("", "trust.cert-manager.io", "bundles/finalizers", "update")
	a.may("", "trust-manager.io", "clusterbundles", "list watch")
	a.may("", "", "namespaces", "list watch")
	a.may("default", "events.k8s.io", "events", "create patch")
	return a
}

// may grants the account a right, in a namespace or, if that is empty, everywhere.
// Names limit it to objects of these names.
func (a *account) may(namespace, group, resource, verbs string, names ...string) {
	a.t.Helper()
	meta := metav1.ObjectMeta{Name: a.unique(), Namespace: namespace}
	rules := []rbacv1.PolicyRule{{
		APIGroups: []string{group}, Resources: []string{resource}, Verbs: strings.Fields(verbs), ResourceNames: names,
	}}
	reference := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: meta.Name}
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: rig.TrustNamespace, Name: a.name}}
	var role, binding client.Object = &rbacv1.ClusterRole{ObjectMeta: meta, Rules: rules},
		&rbacv1.ClusterRoleBinding{ObjectMeta: meta, RoleRef: reference, Subjects: subjects}
	if namespace != "" {
		reference.Kind = "Role"
		role = &rbacv1.Role{ObjectMeta: meta, Rules: rules}
		binding = &rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: reference, Subjects: subjects}
	}
	for _, object := range []client.Object{role, binding} {
		create(a.t, object)
		a.t.Cleanup(func() { _ = api.Delete(context.Background(), object) })
	}
}

// await waits until the API server, which watches roles, has observed a right.
func (a *account) await(namespace, resource, verb, name string) {
	a.t.Helper()
	poll.Eventually(a.t, "the rights", func() error {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: "system:serviceaccount:" + rig.TrustNamespace + ":" + a.name,
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: namespace, Resource: resource, Verb: verb, Name: name,
			},
		}}
		if err := api.Create(a.t.Context(), review); err != nil {
			return err
		}
		if !review.Status.Allowed {
			return errNotYet
		}
		return nil
	})
}

// denied returns the operator's requests that were denied.
func denied(t *testing.T, since rig.Mark) []rig.Request {
	t.Helper()
	all, err := env.Audit.AllSince(since)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(q rig.Request) bool { return !q.Denied })
}

// T14: with --target-namespaces, rights on ConfigMaps and Secrets in these namespaces
// and in the trust namespace are sufficient: no request is denied. Only they get
// targets; sources work, including selectors. A namespace that is removed from the
// list keeps its targets, and the operator reads nothing in it.
func TestTargetNamespaces(t *testing.T) {
	s := newScene(t)
	namespaces := s.namespaces(3)
	listed, other := namespaces[:2], namespaces[2]
	ca, next := newAuthority("CA"), newAuthority("Next")
	operator := s.account()
	for _, resource := range []string{"configmaps", "secrets"} {
		operator.may(rig.TrustNamespace, "", resource, "get list watch")
		for _, namespace := range listed {
			operator.may(namespace, "", resource, "get list watch create update patch delete")
			operator.await(namespace, resource, "delete", "")
		}
	}
	start := func(list string) *rig.Operator {
		t.Helper()
		return startOperator(t, "--kubeconfig", operator.kubeconfig, "--secret-targets-enabled", "--target-namespaces", list)
	}
	began := env.Audit.Mark()
	o := start(listed[0] + "," + listed[1])
	source, selected := s.source(ca), s.secret(next)
	s.selected(selected)
	_, secrets := s.selecting(sourceKey)
	bundle := s.bundle(slices.Concat(from(source), []v1alpha1.BundleSource{secrets}), func(b *v1alpha1.Bundle) {
		b.Spec.Target.Secret = &v1alpha1.TargetObject{Key: "ca.crt"}
	})
	everywhere := s.bundle(from(source), func(b *v1alpha1.Bundle) { b.Spec.Target.NamespaceSelector = nil })
	wantIn := func(namespaces []string, content ...authority) {
		t.Helper()
		inConfigMaps.await(t, bundle, namespaces, content...)
		inSecrets.await(t, bundle, namespaces, content...)
		awaitSynced(t, bundle, len(namespaces))
		awaitSynced(t, everywhere, len(namespaces))
	}
	wantIn(listed, ca, next)
	fill(t, source, next)
	wantIn(listed, next)
	remove(t, configMap(listed[0], bundle.Name))
	inSecrets.change(t, listed[1], bundle.Name, func(object *corev1.ConfigMap) { object.Data = nil })
	wantIn(listed, next)
	label(t, listed[0], sceneLabel, "")
	poll.Eventually(t, "the target to go", func() error { return inSecrets.absent(t, bundle, listed[0]) })
	awaitSynced(t, bundle, 1)
	label(t, listed[0], sceneLabel, s.name)
	label(t, other, "some", "label")
	wantIn(listed, next)
	stop(t, o)

	kept := read(t, configMap(listed[1], bundle.Name)).ResourceVersion
	again := env.Audit.Mark()
	o = start(listed[0])
	fill(t, source, ca)
	wantIn(listed[:1], ca, next)
	label(t, listed[1], sceneLabel, "")
	label(t, listed[1], sceneLabel, s.name)
	fill(t, source, next)
	wantIn(listed[:1], next)
	if now := read(t, configMap(listed[1], bundle.Name)).ResourceVersion; now != kept {
		t.Error("a target in a namespace that was taken off the list was written")
	}
	for _, namespace := range []string{other, "default", rig.TrustNamespace} {
		for _, b := range []*v1alpha1.Bundle{bundle, everywhere} {
			if err := absent(t, b, namespace); err != nil {
				t.Error(err)
			}
		}
	}
	stop(t, o) // the audit log contains a watch only after its end
	if refused := denied(t, began); len(refused) > 0 {
		t.Errorf("the operator had no right to %v", refused)
	}
	all, err := env.Audit.AllSince(again)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range all {
		if q.Namespace == listed[1] || q.Namespace == "" && (q.Resource == "configmaps" || q.Resource == "secrets") {
			t.Errorf("it also asked for %v", q)
		}
	}
}

// T8, T4: if RBAC names the Secrets that may be created, a POST, which has no name, is
// denied; the operator creates the Secrets nevertheless. A Secret that is not named
// fails with the missing right in the message, and others are unaffected.
func TestSecretsByName(t *testing.T) {
	s := newScene(t)
	namespaces := s.namespaces(2)
	ca, next := newAuthority("CA"), newAuthority("Next")
	source := s.source(ca)
	named := s.newBundle(from(source), inSecrets.ask, withMetadata, formats(jks(), nil))
	unnamed := s.newBundle(from(source), inSecrets.ask)
	operator := s.byNameAccount(named.Name)
	startOperator(t, "--kubeconfig", operator.kubeconfig, "--secret-targets-enabled")
	s.temporary(named)
	inSecrets.await(t, named, namespaces, ca)
	awaitSynced(t, named, 2)
	s.temporary(unnamed)
	awaitCondition(t, unnamed, v1alpha1.BundleReasonSyncSecretTargetFailed, "2 of 2 targets failed", "Secret in namespace "+namespaces[0], "forbidden")
	// The flag --secret-targets-by-name, which the chart sets, would avoid the first.
	refuse(t, operator.name, "create get", "secrets", s.name)

	// All other behaviour is unchanged.
	fill(t, source, next)
	inSecrets.await(t, named, namespaces, next)
	inSecrets.change(t, namespaces[0], named.Name, func(o *corev1.ConfigMap) { o.Data, o.OwnerReferences = nil, nil })
	inSecrets.remove(t, namespaces[1], named.Name)
	inSecrets.await(t, named, append(namespaces, s.namespaces(1)...), next)
	awaitSynced(t, named, 3)
	calm := env.Audit.Mark()
	stays(t, 500*time.Millisecond, "peace", func() error { return noWrites(t, calm, named) })
	change(t, named, func(b *v1alpha1.Bundle) { b.Spec.Target.Secret.Key = "renamed.pem" })
	inSecrets.await(t, named, namespaces, next)
	label(t, namespaces[0], sceneLabel, "")
	poll.Eventually(t, "the target to go", func() error { return inSecrets.absent(t, named, namespaces[0]) })
}

// byNameAccount creates an account that may write only Secrets of these names, in any
// namespace.
func (s *scene) byNameAccount(names ...string) *account {
	s.t.Helper()
	a := s.account()
	a.may("", "", "configmaps", "get list watch create update patch delete")
	a.may("", "", "secrets", "list watch")
	a.may(rig.TrustNamespace, "", "secrets", "get list watch")
	a.may("", "", "secrets", "get create update patch delete", names...)
	a.await("", "secrets", "create", names[0])
	return a
}

// T8: if RBAC names the Secrets, an existing one without the label is not overwritten
// either: one with a foreign controller, and one with a foreign value under the
// target's key, which becomes shared as usual.
func TestSecretsByNameAreNotWrittenOver(t *testing.T) {
	s := newScene(t)
	namespaces := s.namespaces(3)
	ca := newAuthority("CA")
	bundle := s.newBundle(inLine(ca), inSecrets.ask)
	yes := true
	controller := configMap(namespaces[0], "controller")
	create(t, controller)
	controlled, users := configMap(namespaces[0], bundle.Name), configMap(namespaces[1], bundle.Name)
	controlled.Data = map[string]string{"theirs": "data"} // an apply would not conflict
	controlled.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: controller.Name, UID: controller.UID, Controller: &yes}}
	users.Data = map[string]string{targetKey: "other", "theirs": "data"}
	users.Annotations = map[string]string{v1alpha1.AdoptAnnotationKey: "true"}
	inSecrets.create(t, controlled)
	inSecrets.create(t, users)
	operator := s.byNameAccount(bundle.Name)
	startOperator(t, "--kubeconfig", operator.kubeconfig, "--secret-targets-enabled")
	refuse(t, operator.name, "create", "secrets", s.name)
	s.temporary(bundle)
	inSecrets.await(t, bundle, namespaces[2:], ca)
	awaitCondition(t, bundle, v1alpha1.BundleReasonSyncSecretTargetFailed, "1 of 3 targets failed", "controlled by ConfigMap controller")
	if now := inSecrets.read(t, namespaces[0], bundle.Name); now.ResourceVersion != controlled.ResourceVersion {
		t.Errorf("the Secret of another was written: %v", compareContent(controlled, now))
	}
	want := inSecret(bundle, namespaces[1], ca)
	want.data, want.annotations, want.mark = map[string]string{"theirs": "data"}, users.Annotations, "adopted"
	if after := want.await(t); after.UID != users.UID {
		t.Error("the user's Secret was re-created")
	}
}

// T14, T8: a listed namespace in which the operator has no rights, as when it was
// deleted together with its Role, is named in the log and blocks no other.
func TestTargetNamespaceWithoutRights(t *testing.T) {
	s := newScene(t)
	namespaces := s.namespaces(2)
	ca := newAuthority("CA")
	operator := s.account()
	operator.may(rig.TrustNamespace, "", "configmaps", "get list watch")
	operator.may(rig.TrustNamespace, "", "secrets", "get list watch")
	operator.may(namespaces[0], "", "configmaps", "get list watch create update patch delete")
	operator.await(namespaces[0], "configmaps", "delete", "")
	missing := s.unique()
	refuse(t, operator.name, "list", "configmaps", missing)
	o := startOperator(t, "--kubeconfig", operator.kubeconfig, "--target-namespaces", missing+","+namespaces[0])
	bundle := s.bundle(inLine(ca))
	awaitTargets(t, bundle, namespaces[:1], ca)
	awaitSynced(t, bundle, 1)
	if log := o.Log(); !strings.Contains(log, "--target-namespaces") || !strings.Contains(log, "namespaces="+missing) {
		t.Errorf("the log does not name the flag and the namespace:\n%s", lastLines(log))
	}
	code, log, err := env.RunOperator("--kubeconfig", operator.kubeconfig, "--target-namespaces", missing, "--metrics-port=0", "--readiness-probe-port=0", "--webhook-port=0")
	if err != nil || code != 1 || !strings.Contains(log, "--target-namespaces") || !strings.Contains(log, missing) {
		t.Errorf("with no other namespace: code %d, error %v, log:\n%s", code, err, lastLines(log))
	}
}

// R4: the operator stops even if the caches cannot be filled, here because of a missing
// right.
func TestStopBeforeCachesAreComplete(t *testing.T) {
	s := newScene(t)
	operator := s.account()
	o := startOperator(t, "--kubeconfig", operator.kubeconfig)
	for _, namespace := range []string{"", rig.TrustNamespace} {
		refuse(t, operator.name, "list watch", "configmaps", namespace)
	}
	refuse(t, operator.name, "list watch", "secrets", rig.TrustNamespace)
	poll.Eventually(t, "the caches to be refused", func() error {
		if log := o.Log(); !strings.Contains(log, "configmaps is forbidden") || !strings.Contains(log, "secrets is forbidden") {
			return errNotYet
		}
		return nil
	})
	began := time.Now()
	stop(t, o)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the stop took %s", took)
	}
}
