// Package integration proves what the operator does, on a real control plane.
// Each test names the rules of the contract that it proves, such as S11 or T7.
//
// The tests share one control plane. Any operator acts on all Bundles, so only
// one runs at a time: first come the tests that need their own, one after
// another, and then those that share one, side by side (t.Parallel). Namespaces
// stay until the end: deleting them would keep the machine busy while other
// tests take times.
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
	log.SetLogger(logr.Discard()) // the client's
	// Tests that run side by side wait most of the time.
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
