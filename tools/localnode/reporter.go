package localnode

import (
	"context"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// reportPause is the delay before a retry after a failure.
const reportPause = time.Second

// reporter keeps the status of one pod in the API up to date.
type reporter struct {
	objects client.Client
	pod     *corev1.Pod
	address string
	log     *slog.Logger

	mu    sync.Mutex
	state podState
	// changed has capacity 1 and signals that the state has changed.
	changed chan struct{}
}

// newReporter returns the reporter of a pod.
func newReporter(objects client.Client, pod *corev1.Pod, address string, log *slog.Logger) *reporter {
	return &reporter{objects: objects, pod: pod, address: address, log: log, state: newPodState(pod, time.Now()), changed: make(chan struct{}, 1)}
}

// change applies a change to the state and triggers a report.
func (r *reporter) change(apply func(*podState)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	apply(&r.state)
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// run reports each change until ctx ends.
func (r *reporter) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.changed:
		}
		for {
			err := r.report(ctx)
			if err == nil || ctx.Err() != nil {
				break
			}
			r.log.Warn("Failed to update the pod status", "error", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(reportPause):
			}
		}
	}
}

// report writes the status if it differs.
func (r *reporter) report(ctx context.Context) error {
	r.mu.Lock()
	state := r.state.clone()
	r.mu.Unlock()
	live := &corev1.Pod{}
	if err := r.objects.Get(ctx, client.ObjectKeyFromObject(r.pod), live); err != nil || live.UID != r.pod.UID {
		return client.IgnoreNotFound(err)
	}
	status := state.status(live, r.address, time.Now())
	if equality.Semantic.DeepEqual(status, live.Status) {
		return nil
	}
	before := live.DeepCopy()
	live.Status = status
	err := r.objects.Status().Patch(ctx, live, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if apierrors.IsConflict(err) { // the cache is stale
		r.change(func(*podState) {})
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
		return nil
	}
	return client.IgnoreNotFound(err)
}
