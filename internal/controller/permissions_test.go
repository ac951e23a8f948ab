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

	"trust-manager.io/internal/bundle"
	"trust-manager.io/test/framework/fake"
)

// forbidden is an API server that forbids lists in some namespaces.
type forbidden struct {
	client.Reader
	namespaces map[string]error
}

func (f forbidden) List(_ context.Context, _ client.ObjectList, options ...client.ListOption) error {
	var how client.ListOptions
	how.ApplyOptions(options)
	return f.namespaces[how.Namespace]
}

// T14: namespaces in which lists are forbidden are separated from the others; the caches
// retry any other failure. When the rights are granted, the operator exits.
func TestSplitByPermission(t *testing.T) {
	t.Parallel()
	denied := apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "", fake.ErrDenied)
	server := forbidden{namespaces: map[string]error{"b": denied, "c": fake.ErrDenied}}
	watched, without := splitByPermission(t.Context(), server, []string{"a", "b", "c"}, []bundle.Kind{bundle.ConfigMap})
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
			ended <- restartWhenPermitted(server, []string{"b"}, []bundle.Kind{bundle.ConfigMap}, logr.Discard())(ctx)
		}
		go await()
		time.Sleep(10 * permissionRetry)
		select {
		case err := <-ended:
			t.Errorf("ended without rights: %v", err)
		default:
		}
		delete(server.namespaces, "b")
		time.Sleep(permissionRetry)
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
