// Package move tests the move from a Bundle to a ClusterBundle of the same name and back, under
// a watch of every event of every target, while the operator is killed at random moments (E4).
package move

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/test/framework/rig"
	"trust-manager.io/test/framework/suite"
)

var (
	seed   = flag.Uint64("seed", 1, "the seed of the random moments")
	rounds = flag.Int("rounds", 3, "how often a Bundle moves there and back; the operator is killed twice in each round")
)

var env *rig.Rig

func TestMain(m *testing.M) {
	suite.Require("test/move", "test-integration", suite.Assets, suite.Built("helm"))
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "test/move:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	log.SetLogger(logr.Discard()) // the client's
	if env, err = rig.Start(context.Background(), os.Stderr); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, env.Stop()) }()
	return m.Run(), nil
}
