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

// R5, T14, T8: under the rights that the chart renders for each feature, the operator
// with the chart's own flags does all that it should. No request is denied, and no
// right goes unused; the rights for all features at once are what the whole suite is
// about (audit_test.go).
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

// askToo makes a Bundle ask for a target of this kind, whatever else it asks for.
func (k kind) askToo(b *v1alpha1.Bundle) {
	if k == inSecrets {
		b.Spec.Target.Secret = &v1alpha1.TargetObject{Key: targetKey}
	} else {
		b.Spec.Target.ConfigMap = &v1alpha1.TargetObject{Key: targetKey}
	}
}

// secretsElsewhere gives a release's rights on Secrets that reach beyond the trust
// namespace.
func secretsElsewhere(release *rig.Release) []rig.Grant {
	return slices.DeleteFunc(slices.Clone(release.Grants), func(g rig.Grant) bool {
		return g.Resource != "secrets" || g.Namespace == rig.TrustNamespace
	})
}

// noLease has the next leader make the Lease anew.
func noLease(t *testing.T) {
	t.Helper()
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: rig.TrustNamespace, Name: leaseName}}
	if err := client.IgnoreNotFound(api.Delete(context.Background(), lease)); err != nil {
		t.Fatal(err)
	}
}

// useAll has everything happen to a Bundle's targets that the operator has a right
// for: they are made, replaced, made again, released, and patched beside data of
// others. It gives what they hold at the end.
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

// rotateOnce has a CA leave its source and be retained (K5).
func (s *scene) rotateOnce(namespaces []string) {
	s.t.Helper()
	old, next := newAuthority("Old"), newAuthority("New")
	source := s.source(old)
	bundle := s.bundle(from(source), retaining(time.Hour))
	awaitTargets(s.t, bundle, namespaces, old)
	fill(s.t, source, next)
	awaitTargets(s.t, bundle, namespaces, next, old)
}

// awaitKey waits until a target holds a text under a key, whatever else is in it.
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

// awaitReleased waits until what is left of targets is none of the operator's. The
// next operator may have no right to clean it.
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

// finalizers is what the one right is about that shows in no request: the API server
// itself asks whether the writer of a target has it.
const finalizers = "bundles/finalizers"

// T4: where the API server enforces it, as OpenShift does and the rig too, the right
// to update the finalizers of Bundles is needed for a target that its Bundle owns.
func TestFinalizersRight(t *testing.T) {
	s := newScene(t)
	s.namespaces(1)
	release, err := env.Install(t.Context(), s.unique(), "crds.enabled=false", "app.webhook.enabled=false")
	if err != nil {
		t.Fatal(err)
	}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: release.Account}}
	isRule := func(rule rbacv1.PolicyRule) bool { return slices.Contains(rule.Resources, finalizers) }
	var taken rbacv1.PolicyRule
	change(t, role, func(role *rbacv1.ClusterRole) {
		taken = role.Rules[slices.IndexFunc(role.Rules, isRule)]
		role.Rules = slices.DeleteFunc(role.Rules, isRule)
	})
	startOperator(t, "--kubeconfig", release.Kubeconfig)
	bundle := s.bundle(inLine(newAuthority("CA")))
	awaitCondition(t, bundle, v1alpha1.BundleReasonSyncConfigMapTargetFailed, "1 of 1 target failed", "blockOwnerDeletion")
	change(t, role, func(role *rbacv1.ClusterRole) { role.Rules = append(role.Rules, taken) })
	awaitSynced(t, bundle, 1)
	finalizersProven.Store(!t.Failed())
}

// finalizersProven says that TestFinalizersRight has shown the need of that right.
var finalizersProven atomic.Bool

// complaints says which requests of a release's account were denied that no test wants
// so, and which of its rights no request needed.
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
		if g.Resource != finalizers {
			wrong = append(wrong, "never used: "+g.String())
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("of %d requests and %d rights of %s:\n%s", len(requests), len(release.Grants), release.Account, strings.Join(wrong, "\n"))
	}
	return nil
}

// S13: an API server that cannot stream lists, as before Kubernetes 1.34 by default,
// has the operator list and then watch; that is what it needs the right to list for.
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
