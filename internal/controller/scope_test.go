package controller

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
)

// T14: namespaces that are not on the list get nothing: not by a roll-out, and not
// by an event about them.
func TestReachIsLimited(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	w.reach = reachOf([]string{"b", "d", "elsewhere"})
	if diff := cmp.Diff(inBulk("b"), b.rebuilt(t, w)); diff != "" {
		t.Errorf("rolled out (-want +got):\n%s", diff)
	}
	if got := w.account(t); got != (account{1, 0, 0}) {
		t.Errorf("account %+v", got)
	}
	for name, want := range map[string]int{"a": 0, "b": 1, "elsewhere": 1} {
		create(namespaceEvents(w.environment), namespace(name, map[string]string{"team": "x"}))
		if queued := w.targetNotes.Take(); len(queued) != want {
			t.Errorf("a new namespace %s: queued %v", name, queued)
		}
	}
	if all := reachOf(nil); all != nil || !w.reaches("b") || w.reaches("a") {
		t.Errorf("reach of no list %v, of one %v", all, w.reach)
	}
}

// T13, S11: a Bundle with a Secret target is not built where they are off, and one
// that comes to have one keeps what it has.
func TestSecretTargetsAreOff(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	b.rebuilt(t, w)
	before, _ := w.registry.current("roots")
	w.edit(func(from *v1alpha1.Bundle) { from.Spec.Target.Secret = &v1alpha1.TargetObject{Key: "ca.pem"} })
	if queued := b.rebuilt(t, w); len(queued) > 0 {
		t.Errorf("queued %v", queued)
	}
	if now, _ := w.registry.current("roots"); now != before {
		t.Error("the revision has changed")
	}
	summary, _ := w.ledger.Summary("roots")
	if summary.Attempt.Reason != v1alpha1.BundleReasonSecretTargetsDisabled || summary.Certificates != 1 {
		t.Errorf("summary %+v", summary)
	}
	w.kinds = []bundle.Kind{bundle.ConfigMap, bundle.Secret}
	queued := map[target.Key]bool{}
	for _, one := range b.rebuilt(t, w) {
		queued[one.Key] = true
	}
	if !queued[target.Key{Bundle: "roots", Namespace: "a", Kind: bundle.Secret}] || len(queued) != 4 {
		t.Errorf("where they are on, it queues %v", queued)
	}
}

// forbidden is an API server that refuses lists in some namespaces.
type forbidden struct {
	client.Reader
	namespaces map[string]error
}

func (f forbidden) List(_ context.Context, _ client.ObjectList, options ...client.ListOption) error {
	var how client.ListOptions
	how.ApplyOptions(options)
	return f.namespaces[how.Namespace]
}

// T14: namespaces in which nothing may be listed are told from the others; any other
// failure is for the caches to get over. When the rights come, the operator ends.
func TestWatchable(t *testing.T) {
	t.Parallel()
	denied := apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "", errDenied)
	server := forbidden{namespaces: map[string]error{"b": denied, "c": errDenied}}
	watched, without := watchable(t.Context(), server, []string{"a", "b", "c"}, []bundle.Kind{bundle.ConfigMap})
	if diff := cmp.Diff([]string{"a", "c"}, watched); diff != "" {
		t.Errorf("watched (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"b"}, without); diff != "" {
		t.Errorf("without rights (-want +got):\n%s", diff)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		await := func() {
			ended <- awaitRights(server, []string{"b"}, []bundle.Kind{bundle.ConfigMap}, logr.Discard())(ctx)
		}
		go await()
		time.Sleep(10 * forbiddenPause)
		select {
		case err := <-ended:
			t.Errorf("ended without rights: %v", err)
		default:
		}
		delete(server.namespaces, "b")
		time.Sleep(forbiddenPause)
		synctest.Wait()
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "--target-namespaces") {
			t.Errorf("with the rights: %v", err)
		}
		server.namespaces["b"] = denied
		go await()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("stopped: %v", err)
		}
	})
}
