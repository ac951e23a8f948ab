package integration

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// T11: after a restart with everything in sync there is no write at all, and none in
// a steady state, counted at the API server. T7: each target is read once, to verify
// it.
func TestRestartWritesNothing(t *testing.T) {
	s := newScene(t)
	o := startOperator(t)
	namespaces := s.namespaces(20)
	ca, other := newAuthority("CA"), newAuthority("Other")
	source := s.source(ca)
	first := s.bundle(from(source), func(b *v1alpha1.Bundle) { b.Spec.Target.ConfigMap.Metadata = asked })
	second := s.bundle(inLine(ca, other))
	missing := s.bundle(from(configMap(rig.TrustNamespace, "missing")))
	awaitTargets(t, first, namespaces, ca)
	awaitTargets(t, second, namespaces, ca, other)
	theirs := map[string]string{"theirs": "data"}
	addData(t, namespaces[0], first.Name, theirs)
	shared := target{bundle: first, namespace: namespaces[0], certificates: []authority{ca}, data: theirs}
	shared.await(t)
	awaitSynced(t, first, 20)
	awaitSynced(t, second, 20)
	awaitCondition(t, missing, v1alpha1.BundleReasonSourceNotFound)
	stop(t, o)

	began := env.Audit.Mark()
	startOperator(t)
	awaitVerified(t, began, 40)
	stays(t, 3*time.Second, "peace", func() error {
		if wrote := requests(t, began, rig.Request.IsWrite); len(wrote) > 0 {
			return fmt.Errorf("the operator wrote %v", wrote)
		}
		return nil
	})
	if got := len(requests(t, began, isVerification)); got != 40 {
		t.Errorf("%d reads of targets, want one for each of 40", got)
	}
	// The operator is still alive.
	fill(t, source, other)
	awaitTargets(t, first, namespaces[1:], other)
}

// isVerification reports whether a request reads a target.
func isVerification(q rig.Request) bool {
	return (q.Resource == "configmaps" || q.Resource == "secrets") && !q.IsWrite()
}

// awaitVerified waits until this many targets have been read since a start.
func awaitVerified(t *testing.T, since rig.Mark, targets int) {
	t.Helper()
	poll.Eventually(t, "all targets to be verified", func() error {
		if got := len(requests(t, since, isVerification)); got < targets {
			return fmt.Errorf("%d of %d are", got, targets)
		}
		return nil
	})
}

// T7, S11, S13: changes while the operator is down take effect after its start: to a
// source, a Bundle, namespaces, and targets.
func TestChangesWhileDown(t *testing.T) {
	s := newScene(t)
	o := startOperator(t)
	namespaces := s.namespaces(8)
	ca, next := newAuthority("CA"), newAuthority("Next")
	source := s.source(ca)
	fixed := s.bundle(inLine(ca))
	sourced := s.bundle(from(source))
	renamed := s.bundle(inLine(ca))
	for _, bundle := range []*v1alpha1.Bundle{fixed, sourced, renamed} {
		awaitTargets(t, bundle, namespaces, ca)
		awaitSynced(t, bundle, 8)
	}
	stop(t, o)

	drift := func(namespace string, mutate func(*corev1.ConfigMap)) {
		change(t, configMap(namespace, fixed.Name), mutate)
	}
	drift(namespaces[0], func(o *corev1.ConfigMap) { o.Data[targetKey] = "edited" })
	drift(namespaces[1], func(o *corev1.ConfigMap) { o.Labels = nil })
	drift(namespaces[2], func(o *corev1.ConfigMap) { o.Labels[v1alpha1.BundleLabelKey] = "other" })
	drift(namespaces[3], func(o *corev1.ConfigMap) { o.OwnerReferences = nil })
	remove(t, configMap(namespaces[4], fixed.Name))
	label(t, namespaces[5], sceneLabel, "")
	fill(t, source, next)
	change(t, renamed, func(b *v1alpha1.Bundle) { b.Spec.Target.ConfigMap.Key = "renamed.pem" })
	added := s.namespaces(1)
	deselected := namespaces[5]
	selected := slices.Concat(namespaces[:5], namespaces[6:], added)

	startOperator(t)
	awaitTargets(t, fixed, selected, ca)
	awaitTargets(t, sourced, selected, next)
	awaitTargets(t, renamed, selected, ca)
	for _, bundle := range []*v1alpha1.Bundle{fixed, sourced, renamed} {
		poll.Eventually(t, "the target to go", func() error { return absent(t, bundle, deselected) })
		awaitSynced(t, bundle, 8)
	}
}

// T7, T11: after a crash during a rollout, everything converges.
func TestCrash(t *testing.T) {
	s := newScene(t)
	o := startOperator(t)
	namespaces := s.namespaces(30)
	ca, next := newAuthority("CA"), newAuthority("Next")
	source := s.source(ca)
	bundle := s.bundle(from(source))
	awaitTargets(t, bundle, namespaces, ca)
	before := env.Audit.Mark()
	fill(t, source, next)
	poll.Eventually(t, "the first writes", func() error {
		if len(requests(t, before, writesOf(bundle))) == 0 {
			return errNotYet
		}
		return nil
	})
	if err := o.Kill(); err != nil {
		t.Fatal(err)
	}
	startOperator(t)
	awaitTargets(t, bundle, namespaces, next)
	awaitSynced(t, bundle, 30)
}

// T7, S13: the operator survives a restart of the API server, and then handles the
// changes that it missed.
func TestAPIServerRestarts(t *testing.T) {
	s := newScene(t)
	o := startOperator(t)
	namespaces := s.namespaces(4)
	ca, next := newAuthority("CA"), newAuthority("Next")
	source := s.source(ca)
	fixed, sourced := s.bundle(inLine(ca)), s.bundle(from(source))
	for _, bundle := range []*v1alpha1.Bundle{fixed, sourced} {
		awaitTargets(t, bundle, namespaces, ca)
		awaitSynced(t, bundle, 4)
	}
	if err := restartAPIServer(t); err != nil {
		t.Fatal(err)
	}
	remove(t, configMap(namespaces[0], fixed.Name))
	change(t, configMap(namespaces[1], fixed.Name), func(o *corev1.ConfigMap) { o.Data = nil })
	label(t, namespaces[2], sceneLabel, "")
	fill(t, source, next)
	selected := slices.Concat(namespaces[:2], namespaces[3:], s.namespaces(1))
	awaitTargets(t, fixed, selected, ca)
	awaitTargets(t, sourced, selected, next)
	poll.Eventually(t, "the target to go", func() error { return absent(t, fixed, namespaces[2]) })
	awaitSynced(t, fixed, 4)
	if o.Ended() {
		t.Error("the operator ended")
	}
}

// R6: while the API server does not answer, the only replica loses the Lease, stops acting,
// is alive and not ready. It continues in the same process soon after the API server is back,
// and serves all its ports, of which the readiness includes the webhook's.
func TestLeaseIsLostAndTakenAgain(t *testing.T) {
	for name, back := range map[string]func(t *testing.T) error{
		"STOP": func(*testing.T) error { return env.Signal(rig.APIServer, "CONT") },
		// One that starts refuses requests until it has loaded the roles.
		"KILL": restartAPIServer,
	} {
		t.Run(name, func(t *testing.T) { loseLease(t, name, back) })
	}
}

// loseLease sends a signal to the API server, and ends its absence by back once the operator
// has lost the Lease.
func loseLease(t *testing.T, name string, back func(*testing.T) error) {
	t.Helper()
	s := newScene(t)
	port, metricsPort := freePort(t), freePort(t)
	w := startWebhook(t, "--leader-elect", "--leader-election-lease-duration", "3s", "--leader-election-renew-deadline", "2s",
		"--readiness-probe-port", port, "--metrics-port", metricsPort)
	w.mount(w.issue())
	o := w.operator
	namespaces := s.namespaces(3)
	ca, next := newAuthority("CA"), newAuthority("Next")
	source := s.source(ca)
	bundle := s.bundle(from(source))
	awaitTargets(t, bundle, namespaces, ca)
	awaitSynced(t, bundle, 3)
	pid := o.PID()

	const lost = "The Lease is lost"
	size := o.LogSize()
	if err := env.Signal(rig.APIServer, name); err != nil {
		t.Fatal(err)
	}
	returns := sync.OnceValue(func() error { return back(t) })
	t.Cleanup(func() { _ = returns() })
	poll.Eventually(t, "the Lease to be lost", func() error {
		if !strings.Contains(o.LogSince(size), lost) {
			return errNotYet
		}
		return nil
	})
	awaitAnswer(t, "http://127.0.0.1:"+port+"/healthz", "ok")
	if response, err := http.Get("http://127.0.0.1:" + port + "/readyz"); err != nil || response.Body.Close() != nil || response.StatusCode == http.StatusOK {
		t.Errorf("readiness is %v, error %v", response, err)
	}
	if err := returns(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	fill(t, source, next)
	awaitTargets(t, bundle, namespaces, next)
	t.Logf("work continued within %s", time.Since(began).Round(100*time.Millisecond))
	awaitAnswer(t, "http://127.0.0.1:"+port+"/readyz", "ok")
	awaitAnswer(t, "http://127.0.0.1:"+metricsPort+"/metrics", "trust_manager_bundle_targets_desired")
	if o.Ended() || o.PID() != pid {
		t.Error("the process has ended")
	}
}
