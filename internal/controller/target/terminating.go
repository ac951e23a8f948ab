package target

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"trust-manager.io/internal/request"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
)

// terminatingGrace is how long a namespace that the cache shows as active may refuse
// writes as if it were terminating, or gone, before that is a failure (T9).
const terminatingGrace = 2 * time.Second

// errActiveNamespace is the class of a refusal because the namespace is terminating or
// gone, although the cache shows it as active. The admission plugins of the API server have
// a cache of their own: a namespace that was deleted and re-created refuses the first
// writes.
var errActiveNamespace = errors.New("the namespace is active, but the API server refuses writes as if it were not")

// isNamespaceEnd reports whether a write was refused because its namespace is
// terminating or does not exist.
func isNamespaceEnd(err error) bool {
	if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return true
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) || !apierrors.IsNotFound(err) {
		return false
	}
	details := status.Status().Details
	return details != nil && details.Kind == "namespaces"
}

// recordTerminating handles a write that the API server refused because the namespace is
// terminating or does not exist (T9). Only the operator's own cache ends the work on the
// target: until it shows the same, the write is retried, and the target counts as pending
// first and as failed after terminatingGrace.
func (r *Reconciler) recordTerminating(ctx context.Context, key target.Key, desired *desiredState, refusal error) error {
	namespace, err := r.activeNamespace(ctx, key.Namespace)
	if err != nil {
		return err
	}
	if namespace == nil {
		r.leave(key)
		return nil
	}
	now := r.clock.Now()
	// The target may have been in sync: the end of an earlier namespace of this name may
	// not have been observed.
	changed := r.ledger.Pending(key.Bundle, desired.revision, key.Ref, now)
	if now.Sub(r.terminations.first(key, now)) >= terminatingGrace {
		changed = r.ledger.Failed(key.Bundle, desired.revision, key.Ref, request.Explain(refusal))
	}
	if changed {
		r.statuses.AddAfter(workqueue.DefaultPriority, statusDelay, key.Bundle)
	}
	return workqueue.RetrySoon(fmt.Errorf("%w: %w", errActiveNamespace, refusal))
}

// terminations records since when targets have been refused as if their namespace were
// terminating. It is safe for concurrent use.
type terminations struct {
	mu    sync.Mutex
	since map[target.Key]time.Time
}

func newTerminations() *terminations { return &terminations{since: map[target.Key]time.Time{}} }

// first returns the time of the first such refusal of a target, which is now if there
// was none before.
func (t *terminations) first(key target.Key, now time.Time) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	since, ok := t.since[key]
	if !ok {
		since = now
		t.since[key] = now
	}
	return since
}

// forget drops the record of a target.
func (t *terminations) forget(key target.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.since, key)
}
