// Package walk runs a random walk on a real control plane: it creates, changes and
// deletes Bundles, sources and namespaces, edits the targets as foreign clients in
// every way that Kubernetes supports, and stops and kills the operator in between.
//
// After each step the cluster has to match a model, and nothing may be written any
// more. A watch over all ConfigMaps, Secrets and ClusterTrustBundles receives each intermediate event: no
// target may ever be without its certificates, no foreign content may ever be lost,
// and no write may be redundant.
//
// The model, test/framework/model, implements the contract and the managedFields of
// Kubernetes, and knows nothing of the operator's implementation. The actions (files
// act_) depend only on one seeded source of random numbers and on the model, so that
// a seed repeats a walk. Generators skip situations in which the contract leaves the
// result open, and comments there state the reason.
package walk

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/test/framework/rig"
	"trust-manager.io/test/framework/suite"
)

var (
	steps = flag.Int("steps", 20, "how many steps the walk has")
	quiet = flag.Duration("quiet", time.Second, "how long nothing may be written after each step")
	seed  = flag.Uint64("seed", 1, "the seed of the walk; the same seed repeats it")
	// The steps under conflicts come after the others, in the same cluster.
	conflictSteps = flag.Int("conflict-steps", 5, "how many steps the walk has after those, while a share of the operator's writes is answered by a conflict")
	conflictShare = flag.Int("conflict-share", 40, "of how many in a hundred writes that is so")
)

// env and conflicts, the operator's proxy to the API server, are set by TestMain.
var (
	env       *rig.Rig
	conflicts *rig.Proxy
)

func TestMain(m *testing.M) {
	suite.Require("test/integration/walk", "test-integration", suite.Assets, suite.Built("helm"))
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "test/integration/walk:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	flag.Parse()
	log.SetLogger(logr.Discard()) // the client's
	env, err = rig.Start(context.Background(), os.Stderr)
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, env.Stop()) }()
	if err := env.AllowTrustBundles(context.Background(), bundleNames...); err != nil {
		return 1, err
	}
	if conflicts, err = env.StartProxy(context.Background(), *seed); err != nil {
		return 1, err
	}
	defer conflicts.Stop()
	code = m.Run()
	denied, err := env.Audit.Denied()
	for _, q := range denied {
		err = errors.Join(err, fmt.Errorf("the operator had no right to %s", q))
	}
	return code, err
}
