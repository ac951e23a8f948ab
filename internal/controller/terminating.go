package controller

import (
	"errors"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"trust-manager.io/internal/target"
)

// terminatingGrace is how long a namespace that the cache shows as active may refuse
// writes as if it were terminating, or gone, before that is a failure (T9).
const terminatingGrace = 2 * time.Second

// errActiveNamespace is the class of a refusal that names the namespace's end as its
// cause, although the namespace is active. The admission plugins of the API server
// have a cache of their own: a namespace that was deleted and created again under its
// name refuses the first writes.
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

// terminations records since when targets have been refused as if their namespace were
// terminating. It is safe for concurrent use.
type terminations struct {
	mu    sync.Mutex
	since map[target.Key]time.Time
}

func newTerminations() *terminations { return &terminations{since: map[target.Key]time.Time{}} }

// first returns the time of the first such refusal of a target, which is now if there
// was none before.
func (r *terminations) first(key target.Key, now time.Time) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	since, ok := r.since[key]
	if !ok {
		since = now
		r.since[key] = now
	}
	return since
}

// forget drops the record of a target.
func (r *terminations) forget(key target.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.since, key)
}
