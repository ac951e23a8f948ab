package target

import (
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/workqueue"
	"trust-manager.io/test/framework/fake"
)

// T9: a write that is refused because its namespace is terminating ends the work on the
// target only if the cache shows the same. Until then it is retried, and is pending at
// first and failed after 2 s, but never in sync.
func TestRefusedAsTerminating(t *testing.T) {
	t.Parallel()
	k := fake.Key("roots", "a")
	for name, refusal := range map[string]error{
		"terminating": terminatingError(),
		"not found":   apierrors.NewNotFound(corev1.Resource("namespaces"), "a"),
	} {
		t.Run("Secret by name, "+name, func(t *testing.T) {
			t.Parallel()
			x, w, _ := secretsOf(t, map[string]any{"GET": apierrors.NewNotFound(corev1.Resource("secrets"), "roots"), "PATCH": refusal})
			x.alwaysByApply = true
			if err := x.converge(fake.Quiet(t), fake.SecretKey("roots", "a")); !errors.Is(err, errActiveNamespace) || w.account(t) != (account{1, 0, 0}) {
				t.Errorf("error %v, account %+v", err, w.account(t))
			}
		})
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, w, server := targetsOf(t, map[string]any{"POST": refusal})
			refused := func(when string, after time.Duration, want account) {
				t.Helper()
				w.time.Time = fake.Start.Add(after)
				if err := x.converge(fake.Quiet(t), k); !errors.Is(err, errActiveNamespace) || !workqueue.IsSoon(err) {
					t.Errorf("%s: error %v, want errActiveNamespace, to be retried soon", when, err)
				}
				if got := w.account(t); got != want {
					t.Errorf("%s: account %+v, want %+v", when, got, want)
				}
			}
			refused("at first", 0, account{1, 0, 0})
			refused("within the grace period", terminatingGrace-time.Millisecond, account{1, 0, 0})
			refused("after it", terminatingGrace, account{1, 0, 1})

			server.byMethod["POST"] = written("7")
			if err := x.converge(fake.Quiet(t), k); err != nil || w.account(t) != (account{1, 1, 0}) {
				t.Errorf("once accepted: error %v, account %+v", err, w.account(t))
			}

			server.byMethod["POST"] = refusal
			x.observations.Forget(k) // a namespace of the same name, whose predecessor's end was missed
			refused("in sync before", time.Hour, account{1, 0, 0})
			fake.Terminating(w.cache.Namespaces[0])
			if err := x.recordOutcome(fake.Quiet(t), k, &desiredState{revision: 1}, refusal); err != nil || w.account(t) != (account{}) {
				t.Errorf("once the cache shows the end: error %v, account %+v", err, w.account(t))
			}
			refusedAndGone := func() {
				t.Helper()
				if err := x.recordOutcome(fake.Quiet(t), k, &desiredState{revision: 1}, refusal); err != nil || len(x.terminations.since) > 0 {
					t.Errorf("error %v, still recorded: %v", err, x.terminations.since)
				}
			}
			refusedAndGone()
			w.cache.Namespaces = nil
			refusedAndGone()
		})
	}
}

// terminatingError is the API server's refusal of a create in a terminating namespace.
func terminatingError() error {
	err := apierrors.NewForbidden(corev1.Resource("configmaps"), "roots",
		errors.New("unable to create new content in namespace a because it is being terminated"))
	err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{
		Type: corev1.NamespaceTerminatingCause, Field: "metadata.namespace",
	})
	return err
}

// T9: the API server's errors for a namespace that is not active.
func TestIsNamespaceEnd(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"terminating":            {terminatingError(), true},
		"terminating, wrapped":   {fmt.Errorf("writing: %w", terminatingError()), true},
		"gone":                   {apierrors.NewNotFound(corev1.Resource("namespaces"), "a"), true},
		"gone, wrapped":          {fmt.Errorf("writing: %w", apierrors.NewNotFound(corev1.Resource("namespaces"), "a")), true},
		"an object is gone":      {apierrors.NewNotFound(corev1.Resource("configmaps"), "roots"), false},
		"not found, no details":  {&apierrors.StatusError{ErrStatus: metav1.Status{Reason: metav1.StatusReasonNotFound, Code: 404}}, false},
		"forbidden":              {apierrors.NewForbidden(corev1.Resource("configmaps"), "roots", fake.ErrDenied), false},
		"forbidden, a namespace": {apierrors.NewForbidden(corev1.Resource("namespaces"), "a", fake.ErrDenied), false},
		"no status":              {fake.ErrDenied, false},
		"none":                   {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := isNamespaceEnd(tc.err); got != tc.want {
				t.Errorf("isNamespaceEnd(%v) = %t", tc.err, got)
			}
		})
	}
}
