package integration

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/test/framework/rig"
	"trust-manager.io/test/framework/suite"
)

// Set by TestMain.
var (
	env *rig.Rig
	// api acts as the administrator of the cluster.
	api client.WithWatch
)

func TestMain(m *testing.M) {
	suite.Require("test/integration", "test-integration", suite.Assets, suite.Built("helm"))
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "test/integration:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	log.SetLogger(logr.Discard()) // the client's
	// Parallel tests spend most of their time waiting.
	if err := flag.Set("test.parallel", "8"); err != nil {
		return 1, err
	}
	env, err = rig.Start(context.Background(), os.Stderr)
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, env.Stop()) }()
	api = env.Client
	code = m.Run()
	err = errors.Join(shared.stop(), os.RemoveAll(shared.folder))
	if code == 0 && err == nil {
		err = audit(os.Stderr)
	}
	return code, err
}
