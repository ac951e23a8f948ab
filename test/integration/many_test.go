package integration

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/rig"
)

// To verify the contract's figure, 5,000 targets, run this test alone:
//
//	go test ./test/integration -run TestRestartLooksAtEachTarget -v -args -many 500
var many = flag.Int("many", 30, "in how many namespaces TestRestartLooksAtEachTarget has its ten Bundles")

// The bound of T7: all targets of manyBundles are verified within looking.
const (
	manyBundles = 10
	looking     = 5 * time.Minute
)

// T7, T11: after a restart each target is read once, in the background: readiness
// does not wait for that, nothing is written, and 5,000 take less than 5 minutes.
func TestRestartLooksAtEachTarget(t *testing.T) {
	s := newScene(t)
	o := startOperator(t)
	ca := newAuthority("CA")
	s.namespaces(*many)
	var bundles []*v1alpha1.Bundle
	for range manyBundles {
		bundles = append(bundles, s.bundle(inLine(ca)))
	}
	for _, bundle := range bundles {
		awaitSynced(t, bundle, *many)
	}
	stop(t, o)
	port, before, began := freePort(t), env.Audit.Mark(), time.Now()
	startOperator(t, "--readiness-probe-port", port)
	awaitAnswer(t, "http://127.0.0.1:"+port+"/readyz", "ok")
	ready := time.Since(began)
	total := *many * manyBundles
	for {
		count := len(requests(t, before, isVerification))
		if count >= total {
			break
		}
		if time.Since(began) > looking {
			t.Fatalf("after %s only %d of %d targets have been verified", looking, count, total)
		}
		time.Sleep(100 * time.Millisecond)
	}
	took := time.Since(began)
	t.Logf("%d targets: ready after %s, all looked at after %s", total, ready.Round(time.Millisecond), took.Round(time.Millisecond))
	stays(t, time.Second, "peace", func() error {
		if wrote := requests(t, before, rig.Request.IsWrite); len(wrote) > 0 {
			return fmt.Errorf("the operator wrote %v", wrote)
		}
		return nil
	})
}
