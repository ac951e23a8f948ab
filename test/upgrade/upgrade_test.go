package upgrade

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/poll"
)

// values returns the values of all installations: all kinds of targets are
// enabled, and there is no default CA package.
func values(more ...string) []string {
	return slices.Concat(ports, []string{"defaultPackage.enabled=false", "secretTargets.enabled=true", "secretTargets.authorizedSecretsAll=true"}, more)
}

// T5, T11: an upgrade to another version, a rollback and an uninstallation keep
// every target in place and complete at all times, and keep the Bundles
// (crds.keep). A later installation writes nothing. The caBundle that the
// operator has set does not prevent upgrades.
func TestUpgradeRollbackUninstall(t *testing.T) {
	const bundleName, namespaces = "upgraded", 5
	self := values("app.webhook.tls.mode=selfManaged")
	charts := map[string]string{before: packaged(t, before), after: packaged(t, after)}
	t.Cleanup(func() { removeAll(t, bundleName) })
	install(t, charts[before], self...)
	wantRunning(t, before)
	label := "upgraded"
	makeNamespaces(t, label, namespaces)
	first, second := ca.New("first").Certificate, ca.New("second").Certificate
	bundle := newBundle(bundleName, &label, first+second)
	bundle.Spec.Target.Secret = &v1alpha1.TargetObject{Key: key}
	if err := api.Create(t.Context(), bundle); err != nil {
		t.Fatal(err)
	}
	awaitSynced(t, bundleName, namespaces)
	w := watchTargets(t, bundleName, 2*namespaces, complete(first+second, second+first))
	at := versions(t, bundleName)
	unchanged := func(what string) {
		t.Helper()
		if now := versions(t, bundleName); len(changed(at, now)) > 0 {
			t.Errorf("%s has written %q", what, changed(at, now))
		}
		w.check(t)
	}

	trusted := caBundle(t)
	install(t, charts[after], self...)
	wantRunning(t, after)
	unchanged("the upgrade")
	if len(trusted) == 0 || !bytes.Equal(trusted, caBundle(t)) {
		t.Error("the upgrade has changed the caBundle of the operator")
	}
	setText(t, bundleName, second+first)
	awaitSynced(t, bundleName, namespaces)
	if now := versions(t, bundleName); len(changed(at, now)) != 2*namespaces {
		t.Errorf("after the upgrade the operator has written %d targets, want all", len(changed(at, now)))
	}
	at = versions(t, bundleName)

	helm(t, "rollback", name, "1", "--wait", "--timeout", "90s")
	wantRunning(t, before)
	unchanged("the rollback")
	install(t, charts[before], append(self, "crds.enabled=false")...)
	unchanged("an upgrade without the definition")
	wantServed(t, bundleName)
	install(t, charts[before], self...)
	unchanged("an upgrade with it again")

	helm(t, "uninstall", name, "--wait", "--timeout", "90s")
	poll.Eventually(t, "the pods to be deleted", noPods(t))
	time.Sleep(time.Second) // for delayed effects of the uninstallation
	wantServed(t, bundleName)
	unchanged("the uninstall")

	install(t, charts[after], self...)
	wantRunning(t, after)
	// The condition is that of the previous installation. Only a change proves that
	// the new operator checks the targets.
	makeNamespaces(t, "other", 1)
	if err := api.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "late", Labels: map[string]string{"upgrade": label}}}); err != nil {
		t.Fatal(err)
	}
	awaitSynced(t, bundleName, namespaces+1)
	now := versions(t, bundleName)
	for _, place := range changed(at, now) {
		if !strings.HasSuffix(place, " late") {
			t.Errorf("the install after the uninstall has written %s", place)
		}
	}
	t.Logf("%d events of %d targets", w.check(t), len(now))
}

// wantServed checks that a Bundle can be read.
func wantServed(t *testing.T, bundle string) {
	t.Helper()
	if err := api.Get(t.Context(), client.ObjectKey{Name: bundle}, &v1alpha1.Bundle{}); err != nil {
		t.Error(err)
	}
}

// noPods returns a check that the release has no pods.
func noPods(t *testing.T) func() error {
	return func() error {
		var pods corev1.PodList
		err := api.List(t.Context(), &pods, client.InNamespace(namespace), client.MatchingLabels{"app": name})
		if len(pods.Items) > 0 {
			err = errors.Join(err, fmt.Errorf("%d pods", len(pods.Items)))
		}
		return err
	}
}
