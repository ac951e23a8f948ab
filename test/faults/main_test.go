// Package faults injects all kinds of faults around the operator concurrently, on a
// real control plane, while an observer checks every event of every target.
//
// Invariants under every fault:
//
//	(a) a target holds exactly the bundle of some revision that was desired at that
//	    time, in all of its formats: it is never empty, truncated or mixed, and no
//	    desired target is deleted;
//	(b) foreign content of a target is never lost;
//	(c) within a bound after the last fault, the cluster is in the desired state;
//	(d) afterwards nothing is written;
//	(e) the operator's memory stays bounded.
//
// The observer connects to the API server directly; only the operator's requests pass
// the proxy that injects faults. Each revision has unique certificates that the model
// knows before the cluster does, so that bytes identify their revision. A seed
// determines the actions, but not their timing relative to other processes, so it
// repeats the choices and not each interleaving.
//
// Files: phase_ has the faults; judge_ judges events, by the history of the model in
// test/framework/model; the rest handles the cluster.
package faults

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
	seed     = flag.Uint64("seed", 1, "the seed of all that is chosen at random")
	long     = flag.Bool("long", false, "do each fault as often as docs/reliability.md says, which takes up to 40 minutes")
	only     = flag.String("phases", "", "do only the phases whose names hold this text")
	operator = flag.String("operator", "", "path of another program to run as the operator, such as one that was broken on purpose")
	summary  = flag.String("summary", "", "file to write the summary to as well")
	churn    = flag.Duration("churn", 0, "have things change for so long in place of all faults, and look at the memory")
	warmUp   = flag.Duration("warm-up", 5*time.Minute, "after how long -churn looks at the memory first")
)

// env is set by TestMain.
var env *rig.Rig

func TestMain(m *testing.M) {
	suite.Require("test/faults", "test-integration", suite.Assets, suite.Built("helm"))
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "test/faults:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	flag.Parse()
	log.SetLogger(logr.Discard()) // the client's
	// The audit log is read by offsets, so it must not be rotated.
	env, err = rig.Start(context.Background(), os.Stderr, "--audit-log-maxsize=1000000")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, env.Stop()) }()
	if err := env.AllowTrustBundles(context.Background(), trustBundles()...); err != nil {
		return 1, err
	}
	if *operator != "" {
		env.UseOperator(*operator)
	}
	return m.Run(), nil
}
