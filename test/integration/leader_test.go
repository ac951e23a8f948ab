package integration

import (
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/test/integration/rig"
)

// R2: of two replicas one works; when it is stopped, the lease is released and
// the other takes over at once; when that one dies, a third has to wait for the
// lease to run out, and no longer. A standby is ready (its caches are warm).
func TestStandbyTakesOver(t *testing.T) {
	flags := []string{"--leader-elect", "--leader-election-lease-duration=3s", "--leader-election-renew-deadline=2s"}
	replica := func(start func(*testing.T, ...string) *rig.Operator) *rig.Operator {
		port := freePort(t)
		o := start(t, append(flags, "--readiness-probe-port", port)...)
		awaitAnswer(t, "http://127.0.0.1:"+port+"/readyz", "ok")
		return o
	}
	const retryPeriod = time.Second
	first := replica(startOperator)
	leader := awaitLeader(t, "")
	second := replica(addOperator)
	s := newScene(t)
	namespaces := s.namespaces(2)
	a, b := newAuthority("A"), newAuthority("B")
	source := s.source(a)
	bundle := s.bundle(from(source))
	awaitTargets(t, bundle, namespaces, a)
	if now := awaitLeader(t, ""); now != leader {
		t.Errorf("the standby has taken over from %s: %s", leader, now)
	}

	stop(t, first)
	began := time.Now()
	fill(t, source, b)
	leader = awaitLeader(t, leader)
	wantWithin(t, "after a clean stop", time.Since(began), retryPeriod*22/10)
	awaitTargets(t, bundle, namespaces, b)

	replica(addOperator)
	if err := second.Kill(); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	fill(t, source, a)
	awaitLeader(t, leader)
	wantWithin(t, "after a death", time.Since(began), 3*time.Second+retryPeriod*44/10)
	awaitTargets(t, bundle, namespaces, a)
	awaitSynced(t, bundle, 2)
}

// noise is what a busy machine may add to a time.
const noise = time.Second

func wantWithin(t *testing.T, what string, took, bound time.Duration) {
	t.Helper()
	t.Logf("%s the standby took over within %s (bound: %s)", what, took.Round(time.Millisecond), bound)
	if took > bound+noise {
		t.Errorf("%s the standby took over within %s, want %s", what, took, bound)
	}
}

// awaitLeader waits until there is a leader other than the one named.
func awaitLeader(t *testing.T, other string) (identity string) {
	t.Helper()
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: rig.TrustNamespace, Name: "trust-manager-leader-election"}}
	eventually(t, "a leader", func() error {
		if err := api.Get(t.Context(), client.ObjectKeyFromObject(lease), lease); err != nil {
			return err
		}
		if lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity == "" || *lease.Spec.HolderIdentity == other {
			return errNotYet
		}
		return nil
	})
	return *lease.Spec.HolderIdentity
}
