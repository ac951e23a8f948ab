// Package certmanager tests the operator and its chart together with the real
// cert-manager and the real approver-policy (tools/certmanager) on a real API server:
// Helm installs the chart, its pods run as processes of this machine
// (tools/localnode), and the API server calls the webhook by its Service.
//
// All tests share one release, whose values they change, so they run one after
// another.
package certmanager

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/test/framework/suite"
)

// Set by TestMain.
var (
	site *stand
	// api acts as the administrator of the cluster.
	api client.Client
)

func TestMain(m *testing.M) {
	suite.Require("test/certmanager", "test-integration", suite.Assets, suite.Built("helm"), suite.Built("certmanager"))
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "test/certmanager:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	log.SetLogger(logr.Discard()) // the client's
	site, err = newStand(context.Background())
	defer func() { err = errors.Join(err, site.stop()) }()
	if err != nil {
		return 1, err
	}
	api = site.api
	if code = m.Run(); code != 0 {
		fmt.Fprintf(os.Stderr, "cert-manager has said:\n%s", &site.certManager.log)
	}
	return code, nil
}
