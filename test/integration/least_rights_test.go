package integration

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// R5, T14, T8: the rights that the chart renders for each feature are sufficient for the
// operator with the chart's own flags. No request is denied, and no right is unused; the
// whole suite covers the rights for all features together (audit_test.go).
func TestLeastRights(t *testing.T) {
	for name, tc := range map[string]struct {
		kinds  []kind
		listed bool
		values []string
	}{
		"no Secrets":                    {kinds: []kind{inConfigMaps}},
		"named Secrets":                 {kinds: []kind{inConfigMaps, inSecrets}, values: []string{"secretTargets.enabled=true", "secretTargets.authorizedSecrets={BUNDLE}"}},
		"all Secrets, no election":      {kinds: []kind{inSecrets, inConfigMaps}, values: []string{"secretTargets.enabled=true", "secretTargets.authorizedSecretsAll=true", "app.leaderElection.enabled=false"}},
		"listed namespaces":             {kinds: []kind{inConfigMaps}, listed: true},
		"listed namespaces and Secrets": {kinds: []kind{inConfigMaps, inSecrets}, listed: true, values: []string{"secretTargets.enabled=true", "secretTargets.authorizedSecrets={BUNDLE}"}},
		"listed namespaces, all Secrets": {kinds: []kind{inConfigMaps, inSecrets}, listed: true,
			values: []string{"secretTargets.enabled=true", "secretTargets.authorizedSecretsAll=true"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			namespaces := s.namespaces(2)
			source := s.source(newAuthority("before"))
			_, secrets := s.selecting(sourceKey)
			bundle := s.newBundle(append(from(source), secrets), func(b *v1alpha1.Bundle) {
				b.Spec.Target.ConfigMap = nil
				for _, k := range tc.kinds {
					k.askToo(b)
				}
			})
			values := []string{"crds.enabled=false", "app.webhook.enabled=false", "defaultPackage.enabled=false"}
			if tc.listed {
				values = append(values, "app.targetNamespaces={"+strings.Join(namespaces, ",")+"}")
			}
			for _, value := range tc.values {
				values = append(values, strings.ReplaceAll(value, "BUNDLE", bundle.Name))
			}
			release, err := env.Install(t.Context(), s.unique(), values...)
			if err != nil {
				t.Fatal(err)
			}
			if reach := secretsElsewhere(release); len(reach) > 0 && !slices.Contains(tc.kinds, inSecrets) {
				t.Errorf("without Secret targets the operator has rights on Secrets outside the trust namespace: %v", reach)
			}
			noLease(t)
			flags := append(slices.Clone(release.Flags), "--kubeconfig", release.Kubeconfig, "--metrics-port=0", "--readiness-probe-port=0")
			o := startOperator(t, flags...)
			s.temporary(bundle)
			content := s.useAll(bundle, source, namespaces, tc.kinds)
			s.useClusterBundle(namespaces)
			s.rotateOnce(namespaces)
			stop(t, o)
			for _, k := range tc.kinds {
				k.change(t, namespaces[0], bundle.Name, func(o *corev1.ConfigMap) { delete(o.Data, targetKey) })
			}
			o = startListingOperator(t, flags...)
			for _, k := range tc.kinds {
				k.awaitKey(t, namespaces[0], bundle.Name, targetKey, content)
			}
			remove(t, bundle)
			for _, k := range tc.kinds {
				k.awaitReleased(t, namespaces, bundle.Name)
			}
			stop(t, o)
			if err := poll.Until(t.Context(), "an audit without complaints", func() error { return complaints(release) }); err != nil {
				t.Error(err)
			}
		})
	}
}

// useClusterBundle needs every right on ClusterBundles.
func (s *scene) useClusterBundle(namespaces []string) {
	s.t.Helper()
	ca := newAuthority("CA")
	bundle := s.clusterBundle(inLine(ca))
	awaitTargets(s.t, bundle, namespaces, ca)
	remove(s.t, configMap(namespaces[0], bundle.Name)) // which is repaired only after the ClusterBundle was read
	awaitTargets(s.t, bundle, namespaces, ca)
	awaitSynced(s.t, bundle, len(namespaces))
	remove(s.t, bundle)
}

// askToo adds a target of this kind to a Bundle.
func (k kind) askToo(b *v1alpha1.Bundle) {
	if k == inSecrets {
		b.Spec.Target.Secret = &v1alpha1.TargetObject{Key: targetKey}
	} else {
		b.Spec.Target.ConfigMap = &v1alpha1.TargetObject{Key: targetKey}
	}
}

// secretsElsewhere returns a release's rights on Secrets outside the trust namespace.
func secretsElsewhere(release *rig.Release) []rig.Grant {
	return slices.DeleteFunc(slices.Clone(release.Grants), func(g rig.Grant) bool {
		return g.Resource != "secrets" || g.Namespace == rig.TrustNamespace
	})
}

// noLease deletes the Lease, so that the next leader creates it.
func noLease(t *testing.T) {
	t.Helper()
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: rig.TrustNamespace, Name: leaseName}}
	if err := client.IgnoreNotFound(api.Delete(context.Background(), lease)); err != nil {
		t.Fatal(err)
	}
}

// useAll makes the operator use all its rights on a Bundle's targets: it creates,
// replaces, re-creates and releases them, and patches them beside foreign data. It
// returns their content at the end.
func (s *scene) useAll(bundle *v1alpha1.Bundle, source *corev1.ConfigMap, namespaces []string, kinds []kind) (content string) {
	s.t.Helper()
	ca, next, selected := newAuthority("CA"), newAuthority("Next"), newAuthority("Selected")
	secret := s.secret(selected)
	s.selected(secret)
	want := func(content authority) {
		s.t.Helper()
		for _, k := range kinds {
			k.await(s.t, bundle, namespaces, content, selected)
		}
		awaitSynced(s.t, bundle, len(namespaces))
	}
	fill(s.t, source, ca)
	want(ca)
	fill(s.t, source, next)
	want(next)
	for _, k := range kinds {
		k.remove(s.t, namespaces[1], bundle.Name)
	}
	want(next)
	for _, namespace := range namespaces {
		label(s.t, namespace, sceneLabel, "")
		for _, k := range kinds {
			poll.Eventually(s.t, "the target to go", func() error { return k.absent(s.t, bundle, namespace) })
		}
		label(s.t, namespace, sceneLabel, s.name)
	}
	want(next)
	for _, namespace := range namespaces {
		for _, k := range kinds {
			k.addData(s.t, namespace, bundle.Name, map[string]string{"theirs": "data"})
		}
	}
	fill(s.t, source, ca)
	for _, namespace := range namespaces {
		for _, k := range kinds {
			k.awaitKey(s.t, namespace, bundle.Name, targetKey, pemOf(ca, selected))
		}
	}
	awaitSynced(s.t, bundle, len(namespaces))
	return pemOf(ca, selected)
}

// rotateOnce removes a CA from its source, so that it is retained (K5).
func (s *scene) rotateOnce(namespaces []string) {
	s.t.Helper()
	old, next := newAuthority("Old"), newAuthority("New")
	source := s.source(old)
	bundle := s.bundle(from(source), retaining(time.Hour))
	awaitTargets(s.t, bundle, namespaces, old)
	fill(s.t, source, next)
	awaitTargets(s.t, bundle, namespaces, next, old)
}

// awaitKey waits until a target holds a text under a key, with or without other keys.
func (k kind) awaitKey(t *testing.T, namespace, name, key, want string) {
	t.Helper()
	poll.Eventually(t, fmt.Sprintf("the key %s in %s", key, namespace), func() error {
		now, err := k.get(t.Context(), namespace, name)
		if err == nil && now.Data[key] != want {
			err = errNotYet
		}
		return err
	})
}

// awaitReleased waits until the operator has released or deleted the targets. The
// next operator may have no right to do so.
func (k kind) awaitReleased(t *testing.T, namespaces []string, name string) {
	t.Helper()
	for _, namespace := range namespaces {
		poll.Eventually(t, "the target in "+namespace+" to be released", func() error {
			now, err := k.get(t.Context(), namespace, name)
			if err == nil && now.Labels[v1alpha1.BundleLabelKey] != "" {
				err = errNotYet
			}
			return err
		})
	}
}

// finalizers are the resources of the rights without a request of their own: the API server
// itself checks whether the writer of a target has them.
var finalizers = []string{"bundles/finalizers", "clusterbundles/finalizers"}

// T4: if the API server enforces it, as in OpenShift and in the rig, a target that its
// Bundle owns requires the right to update the finalizers of Bundles.
func TestFinalizersRight(t *testing.T) {
	s := newScene(t)
	s.namespaces(1)
	release, err := env.Install(t.Context(), s.unique(), "crds.enabled=false", "app.webhook.enabled=false")
	if err != nil {
		t.Fatal(err)
	}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: release.Account}}
	isRule := func(rule rbacv1.PolicyRule) bool { return slices.Contains(finalizers, rule.Resources[0]) }
	var whole []rbacv1.PolicyRule
	change(t, role, func(role *rbacv1.ClusterRole) {
		whole = slices.Clone(role.Rules)
		role.Rules = slices.DeleteFunc(role.Rules, isRule)
	})
	startOperator(t, "--kubeconfig", release.Kubeconfig)
	bundles := []*v1alpha1.Bundle{s.bundle(inLine(newAuthority("CA"))), s.clusterBundle(inLine(newAuthority("CA")))}
	for _, bundle := range bundles {
		awaitCondition(t, bundle, v1alpha1.BundleReasonSyncConfigMapTargetFailed, "1 of 1 target failed", "blockOwnerDeletion")
	}
	change(t, role, func(role *rbacv1.ClusterRole) { role.Rules = whole })
	for _, bundle := range bundles {
		awaitSynced(t, bundle, 1)
	}
	finalizersProven.Store(!t.Failed())
}

// finalizersProven reports whether TestFinalizersRight has shown that the right is
// needed.
var finalizersProven atomic.Bool

// complaints returns the requests of a release's account that were denied without a
// test's mark, and its rights that no request needed.
func complaints(release *rig.Release) error {
	requests, err := env.Audit.Of(release.Account)
	if err != nil {
		return err
	}
	var wrong []string
	for _, q := range requests {
		if q.Denied && !refusals.wanted(q) {
			wrong = append(wrong, "denied: "+q.String())
		}
	}
	for _, g := range rig.Unused(release.Grants, requests) {
		if !slices.Contains(finalizers, g.Resource) {
			wrong = append(wrong, "never used: "+g.String())
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("of %d requests and %d rights of %s:\n%s", len(requests), len(release.Grants), release.Account, strings.Join(wrong, "\n"))
	}
	return nil
}

// S13: with an API server that cannot stream lists, as by default before Kubernetes
// 1.34, the operator lists and then watches; this needs the right to list.
func TestListingOperator(t *testing.T) {
	cleanSelfManaged(t)
	webhook := startSelfManaged(t, func(t *testing.T, flags ...string) *rig.Operator {
		return startListingOperator(t, append(flags, "--secret-targets-enabled")...)
	})
	webhook.register(nil)
	poll.Eventually(t, "readiness", webhook.ready)
	s := newScene(t)
	namespaces := s.namespaces(1)
	ca, next := newAuthority("CA"), newAuthority("Next")
	source := s.source(ca)
	bundle := s.bundle(from(source), inSecrets.askToo)
	for _, content := range []authority{ca, next} {
		fill(t, source, content)
		inConfigMaps.await(t, bundle, namespaces, content)
		inSecrets.await(t, bundle, namespaces, content)
		awaitSynced(t, bundle, 1)
	}
}
