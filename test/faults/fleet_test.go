package faults

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"trust-manager.io/test/framework/rig"
)

const (
	// restartPause is the delay between the end of an operator and the next start, so
	// that a failing start does not become a busy loop.
	restartPause = 200 * time.Millisecond
	// sampling is the interval of memory samples.
	sampling = time.Second
	// mostMemory bounds the resident memory of an operator, in bytes. With these
	// bundles, one of them of the maximum size, it needs a third of it.
	mostMemory = 200 << 20
)

// leader are the flags of replicas of which one leads.
var leader = []string{"--leader-elect", "--leader-election-lease-duration=3s", "--leader-election-renew-deadline=2s"}

// fleet keeps operators running, like the kubelet: it restarts one that has ended. It
// is safe for concurrent use.
type fleet struct {
	proxy      *rig.Proxy
	violations *violations

	mu sync.Mutex
	// generation identifies the call of run that started an operator.
	generation int
	flags      []string
	replicas   []*rig.Operator
	// kills counts the kills by the tests; ends the operators' own exits, by the last
	// line of their logs.
	kills int
	ends  map[string]int
	// calm reports whether an operator has no reason to exit by itself.
	calm bool
	peak int64
}

func newFleet(proxy *rig.Proxy, v *violations) *fleet {
	return &fleet{proxy: proxy, violations: v, ends: map[string]int{}}
}

// run replaces the running operators by count ones with these flags.
func (f *fleet) run(count int, flags ...string) error {
	f.stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.generation++
	f.flags = append([]string{"--kubeconfig", f.proxy.Kubeconfig, "--secret-targets-enabled", "--cluster-trust-bundles-enabled", "--log-level=1"}, flags...)
	f.replicas = make([]*rig.Operator, count)
	for i := range f.replicas {
		if err := f.start(i); err != nil {
			return err
		}
	}
	return nil
}

// start starts and supervises one operator. The caller holds the lock.
func (f *fleet) start(i int) error {
	o, err := env.StartOperator(f.flags...)
	if err != nil {
		return err
	}
	f.replicas[i] = o
	go f.look(o)
	go f.tend(i, f.generation, o)
	return nil
}

// tend restarts an operator when it has ended.
func (f *fleet) tend(i, generation int, o *rig.Operator) {
	<-o.Done()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.generation != generation {
		return
	}
	if f.replicas[i] == o { // otherwise it was killed
		f.ended(o)
		f.mu.Unlock()
		time.Sleep(restartPause)
		f.mu.Lock()
		if f.generation != generation {
			return
		}
	}
	if err := f.start(i); err != nil {
		f.violations.add(converges, "starting an operator: %v", err)
	}
}

// ended records that an operator has exited by itself, which is permitted only if it
// has lost the lease or cannot start.
func (f *fleet) ended(o *rig.Operator) {
	log := strings.TrimSpace(o.Log())
	last := lastWords(log)
	f.ends[last]++
	if f.calm || strings.Contains(log, "goroutine ") {
		f.violations.add(converges, "an operator ended by itself; the end of its log:\n%s", log[max(0, len(log)-3000):])
	}
}

// lastWords returns the last line of a log, without the parts that vary.
func lastWords(log string) string {
	line := log[strings.LastIndexByte(log, '\n')+1:]
	if i := strings.Index(line, "http"); i >= 0 {
		line = line[:i] + "…"
	}
	return line[:min(len(line), 120)]
}

// kill ends the leader, or any operator, by SIGKILL. The fleet restarts it at once.
func (f *fleet) kill(r *rand.Rand) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := r.IntN(len(f.replicas))
	for j, o := range f.replicas {
		if o != nil && !o.Ended() && strings.Contains(o.Log(), "Starting workers") {
			i = j
		}
	}
	if o := f.replicas[i]; o != nil && !o.Ended() {
		f.replicas[i] = nil
		f.kills++
		_ = o.Kill() // it may end by itself in this moment
	}
}

// settled sets whether operators have no reason to exit by themselves.
func (f *fleet) settled(calm bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calm = calm
}

// stop ends all operators gracefully, or by SIGKILL if that takes too long, which may
// happen while the API server is unreachable.
func (f *fleet) stop() {
	f.mu.Lock()
	f.generation++
	replicas := slices.DeleteFunc(slices.Clone(f.replicas), func(o *rig.Operator) bool { return o == nil || o.Ended() })
	f.replicas, f.calm = nil, false
	f.mu.Unlock()
	var group sync.WaitGroup
	for _, o := range replicas {
		group.Go(func() {
			if err := o.Stop(); err != nil && !o.Ended() {
				_ = o.Kill()
			}
		})
	}
	group.Wait()
}

// tell returns the statistics for the summary.
func (f *fleet) tell() (kills int, peak int64, ends []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, last := range slices.Sorted(maps.Keys(f.ends)) {
		ends = append(ends, fmt.Sprintf("%d: %s", f.ends[last], last))
	}
	return f.kills, f.peak, ends
}
