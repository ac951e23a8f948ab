// Package integration proves what the operator does, on a real control plane.
// Each test names the rules of the contract that it proves, such as S11 or T7.
//
// The tests share one control plane, and run one after another, since any
// operator acts on all Bundles; only the parts of one test run side by side.
// Most of them share one operator too. Namespaces stay until the end: deleting
// them would keep the machine busy while other tests take times.
package integration

import (
	"context"
	"fmt"
	"os"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/test/integration/rig"
)

// Set by TestMain.
var (
	env *rig.Rig
	// api acts as the administrator of the cluster.
	api client.WithWatch
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "test/integration:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	env, err = rig.Start(context.Background(), os.Stderr)
	if err != nil {
		return 1, err
	}
	defer func() {
		if stopErr := env.Stop(); err == nil {
			err = stopErr
		}
	}()
	api = env.Client
	code = m.Run()
	return code, shared.stop()
}
