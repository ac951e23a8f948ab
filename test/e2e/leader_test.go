package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/ca"
)

const lease = "trust-manager-leader-election"

// outage is how long the webhook may be unreachable: until the API server observes
// that one of its pods is gone.
const outage = 5 * time.Second

// leaderIsKilled kills the leader's process on the machine, and deletes its pod. The
// lease is not released, so another replica leads only after it expires (R2).
func leaderIsKilled(t *testing.T) {
	leader := leaderPod(t)
	began := time.Now()
	kill(t, leader)
	served := make(chan answers, 1)
	go func() { served <- askWebhook(t.Context(), began) }()

	extra := ca.New("CA added while nobody leads")
	create(t, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: trustNamespace, Name: "extra-ca"},
		Data:       map[string]string{"ca.crt": extra.Certificate},
	})
	await(t, "a change of the Bundle to be let through", func() error {
		return addSource(t, v1alpha1.BundleSource{ConfigMap: &v1alpha1.SourceObject{Name: "extra-ca", Key: "ca.crt"}})
	})
	webhook := <-served
	t.Logf("the webhook answered %d times in the first %s and failed %d times, the last time after %s",
		webhook.own, 2*outage, webhook.failed, webhook.last.Round(time.Millisecond))
	if webhook.err != nil {
		t.Error(webhook.err)
	}
	for _, namespace := range []string{appNamespace, "default"} {
		awaitTarget(t, namespace, extra.Certificate)
	}
	t.Logf("from the leader's death to a change in the targets: %s", time.Since(began).Round(100*time.Millisecond))
	if now := leaderPod(t); now == leader {
		t.Errorf("%s still leads", leader)
	}
	await(t, "the second replica to be back", func() error {
		deployment := &appsv1.Deployment{}
		get(t, releaseNamespace, release, deployment)
		if ready := deployment.Status.ReadyReplicas; ready != 2 {
			return fmt.Errorf("%d replicas are ready", ready)
		}
		return nil
	})
}

// kill ends a pod like the loss of its node does.
func kill(t *testing.T, name string) {
	t.Helper()
	pod := &corev1.Pod{}
	get(t, releaseNamespace, name, pod)
	if err := syscall.Kill(processOf(t, *pod), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := node.Kubectl(t.Context(), "--namespace", releaseNamespace, "delete", "pod", name, "--grace-period=0", "--force"); err != nil {
		t.Fatal(err)
	}
}

// leaderPod returns the pod that holds the lease: the holder's name begins with it.
func leaderPod(t *testing.T) string {
	t.Helper()
	held := &coordinationv1.Lease{}
	get(t, releaseNamespace, lease, held)
	if held.Spec.HolderIdentity == nil {
		t.Fatal("there is no leader")
	}
	name, _, _ := strings.Cut(*held.Spec.HolderIdentity, "_")
	return name
}

// answers are the webhook's responses after the leader's death.
type answers struct {
	own, failed int
	// last is when the last call failed, and err why that was too late.
	last time.Duration
	err  error
}

// askWebhook calls the webhook for 10 seconds. All responses but the first few must
// be its own.
func askWebhook(ctx context.Context, began time.Time) (got answers) {
	for ; time.Since(began) < 2*outage && ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		err := api.Create(ctx, badBundle(), client.DryRunAll)
		switch {
		case err == nil:
			got.err = errors.New("the API server took the bad Bundle")
		case strings.Contains(err.Error(), "denied the request"):
			got.own++
		default:
			got.failed, got.last = got.failed+1, time.Since(began)
			if got.last > outage {
				got.err = fmt.Errorf("%s after the leader's death: %w", got.last, err)
			}
		}
	}
	return got
}
