// Package admission_test verifies which Bundles a real API server with the
// CustomResourceDefinition, and without the webhook, accepts and rejects: for
// each rule V1 to V8 and each limit of the API a valid and an invalid case, with
// the field that the rejection names.
//
// Nearly all requests are dry runs, which an API server checks like any other;
// so the tests share one server and leave nothing behind.
package admission_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/go-logr/logr"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/suite"
)

// The API server that all tests talk to, set by TestMain.
var (
	server    *rest.Config
	apiClient client.Client
)

func TestMain(m *testing.M) {
	suite.Require("test/admission", "test-integration", suite.Assets)
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "test/admission:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

// run starts an API server with the CustomResourceDefinition, runs the tests
// and stops the server again.
func run(m *testing.M) (code int, err error) {
	log.SetLogger(logr.Discard())
	env := &envtest.Environment{
		CRDDirectoryPaths:     []string{"../../deploy/crds"},
		ErrorIfCRDPathMissing: true,
		// Seconds are enough, unless other tests keep the machine busy.
		ControlPlaneStartTimeout: 2 * time.Minute,
		ControlPlaneStopTimeout:  time.Minute,
	}
	// A failed start can leave a server behind if the API server rejects the
	// CustomResourceDefinition.
	defer func() { err = errors.Join(err, env.Stop()) }()
	server, err = env.Start()
	if err != nil {
		return 0, fmt.Errorf("start the API server: %w", err)
	}

	server.QPS = -1
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return 0, err
	}
	apiClient, err = client.New(server, client.Options{Scheme: scheme})
	if err != nil {
		return 0, fmt.Errorf("make a client: %w", err)
	}
	return m.Run(), nil
}

// requestContext returns a context that ends with the test, or earlier if a
// request hangs.
func requestContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}
