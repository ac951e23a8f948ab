package integration

import (
	"flag"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

// For a soak, run this test alone:
//
//	go test ./test/integration -run TestStandbyTakesOver -v -takeovers 20 -timeout 20m
var takeovers = flag.Int("takeovers", 2, "how often the leader is stopped, and how often it is killed, in TestStandbyTakesOver")

// The settings of the replicas in these tests, and the bounds that R2 derives.
const (
	leaseName     = "trust-manager-leader-election"
	retryPeriod   = time.Second
	leaseDuration = 3 * time.Second
	// afterStop and afterDeath bound how long a standby takes to become leader.
	afterStop  = retryPeriod * 22 / 10
	afterDeath = leaseDuration + retryPeriod*44/10
)

// R2, R4: one of two replicas is active. When it is stopped, it releases the lease and
// the other takes over at once; when it dies, the other waits until the lease expires,
// and no longer. Changes in between take effect then, and nothing is written twice. A
// standby is ready (its caches are warm).
func TestStandbyTakesOver(t *testing.T) {
	leading := startReplica(t, startOperator)
	identity := awaitLeader(t, "")
	standby := startReplica(t, addOperator)
	s := newScene(t)
	namespaces := s.namespaces(2)
	contents := authorities("A", "B")
	source := s.source(contents[0])
	bundle := s.bundle(from(source))
	awaitTargets(t, bundle, namespaces, contents[0])
	awaitSynced(t, bundle, 2)
	if now := awaitLeader(t, ""); now != identity {
		t.Errorf("the standby has taken over from %s: %s", identity, now)
	}
	for round := range 2 * *takeovers {
		what, bound := "after a clean stop", afterStop
		if round%2 == 1 {
			what, bound = "after a death", afterDeath
		}
		mark := env.Audit.Mark()
		if round%2 == 0 {
			stop(t, leading)
		} else if err := leading.Kill(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		next := contents[(round+1)%2]
		fill(t, source, next)
		identity = awaitLeader(t, identity)
		wantWithin(t, "the take-over "+what, time.Since(began), bound)
		awaitTargets(t, bundle, namespaces, next)
		wantWithin(t, "the change made "+what, time.Since(began), bound)
		awaitSynced(t, bundle, 2)
		if wrote := requests(t, mark, writesOf(bundle)); len(wrote) != len(namespaces) {
			t.Errorf("%s the operators wrote %v, want one write for each target", what, wrote)
		}
		leading, standby = standby, startReplica(t, addOperator)
	}
}

// startReplica starts an operator with leader election, and waits until it is ready.
func startReplica(t *testing.T, start func(*testing.T, ...string) *rig.Operator) *rig.Operator {
	t.Helper()
	port := freePort(t)
	o := start(t, "--leader-elect", "--leader-election-lease-duration="+leaseDuration.String(),
		"--leader-election-renew-deadline=2s", "--readiness-probe-port", port)
	awaitAnswer(t, "http://127.0.0.1:"+port+"/readyz", "ok")
	return o
}

// noise is the delay that a busy machine may add to a duration.
const noise = time.Second

func wantWithin(t *testing.T, what string, took, bound time.Duration) {
	t.Helper()
	t.Logf("%s took %s (bound: %s)", what, took.Round(time.Millisecond), bound)
	if took > bound+noise {
		t.Errorf("%s took %s, want %s", what, took, bound)
	}
}

// awaitLeader waits until there is a leader other than the one named.
func awaitLeader(t *testing.T, other string) (identity string) {
	t.Helper()
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: rig.TrustNamespace, Name: leaseName}}
	poll.Eventually(t, "a leader", func() error {
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
