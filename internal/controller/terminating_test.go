package controller

import (
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/workqueue"
)

// T9: a write that is refused because its namespace ends is the end of the target only
// where the cache shows the same. Until then it is retried, pending at first and failed
// after 2 s, and never in sync.
func TestRefusedAsTerminating(t *testing.T) {
	t.Parallel()
	k := key("roots", "a")
	for name, refusal := range map[string]error{
		"terminating": terminatingError(),
		"not found":   apierrors.NewNotFound(corev1.Resource("namespaces"), "a"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, w, server := targetsOf(t, map[string]any{"POST": refusal})
			refused := func(when string, after time.Duration, want account) {
				t.Helper()
				w.time.now = start.Add(after)
				if err := x.converge(quiet(t), k); !errors.Is(err, errActiveNamespace) || !workqueue.IsSoon(err) {
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
			if err := x.converge(quiet(t), k); err != nil || w.account(t) != (account{1, 1, 0}) {
				t.Errorf("once accepted: error %v, account %+v", err, w.account(t))
			}

			server.byMethod["POST"] = refusal
			w.ledger.Begin("roots", 1, []ledger.Place{place(k)}, w.time.now)
			x.memory.forget(k)
			refused("refused again later", time.Hour, account{1, 0, 0})
			terminating(w.cache.namespaces[0])
			if err := x.account(quiet(t), k, &aim{number: 1}, refusal); err != nil || w.account(t) != (account{}) {
				t.Errorf("once the cache shows the end: error %v, account %+v", err, w.account(t))
			}
			if len(x.terminations.since) > 0 {
				t.Errorf("still recorded: %v", x.terminations.since)
			}
		})
	}
}
