package ledger_test

import (
	"fmt"
	"sync"
	"testing"

	"trust-manager.io/internal/ledger"
)

// The summary is correct if all workers write to the ledger concurrently; the race
// detector checks the rest.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	const workers, each = 8, 200
	l := begun()
	var group sync.WaitGroup
	for worker := range workers {
		group.Go(func() {
			for i := range each {
				place := configMap(fmt.Sprintf("team-%d-%d", worker, i))
				l.AddTarget(id("roots"), 1, place, start)
				l.MarkWriting(id("roots"), 1, place)
				l.Failed(id("roots"), 1, place, "x")
				if i%2 == 0 {
					l.Synced(id("roots"), 1, place)
				}
				if i%4 == 1 {
					l.Forget(id("roots"), place)
				}
				l.RecordBuild(id("roots"), ledger.Attempt{})
				l.Summary(id("roots"))
			}
		})
	}
	group.Wait()
	s := summary(t, l)
	if s.Synced != workers*each/2 || s.Failed != workers*each/4 || s.Wanted != s.Synced+s.Failed {
		t.Errorf("wanted %d, synced %d, failed %d", s.Wanted, s.Synced, s.Failed)
	}
}
