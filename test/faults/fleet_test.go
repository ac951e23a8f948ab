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
	// restartPause is between the end of an operator and the next start, so that one
	// that cannot start does not do so without a pause.
	restartPause = 200 * time.Millisecond
	// sampling is how often the memory is looked at.
	sampling = time.Second
	// mostMemory bounds the resident memory of an operator, in bytes. With these
	// bundles, one of them as large as the API server takes, it needs a third of it.
	mostMemory = 200 << 20
)

// leader are the flags of replicas of which one leads.
var leader = []string{"--leader-elect", "--leader-election-lease-duration=3s", "--leader-election-renew-deadline=2s"}

// fleet keeps operators running, as the kubelet does: one that has ended is started
// again. It is safe for concurrent use.
type fleet struct {
	proxy      *rig.Proxy
	violations *violations

	mu sync.Mutex
	// generation tells the operators of one call of run from those of another.
	generation int
	flags      []string
	replicas   []*rig.Operator
	// kills are those of the tests; ends are the operators' own, by what they said last.
	kills int
	ends  map[string]int
	// calm says that there is no reason for an operator to end by itself.
	calm bool
	peak int64
}

func newFleet(proxy *rig.Proxy, v *violations) *fleet {
	return &fleet{proxy: proxy, violations: v, ends: map[string]int{}}
}

// run has so many operators run, with these flags, in the place of those that do.
func (f *fleet) run(count int, flags ...string) error {
	f.stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.generation++
	f.flags = append([]string{"--kubeconfig", f.proxy.Kubeconfig, "--secret-targets-enabled", "--log-level=1"}, flags...)
	f.replicas = make([]*rig.Operator, count)
	for i := range f.replicas {
		if err := f.start(i); err != nil {
			return err
		}
	}
	return nil
}

// start starts one operator and looks after it. The lock is held.
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

// tend starts an operator again when it has ended.
func (f *fleet) tend(i, generation int, o *rig.Operator) {
	<-o.Done()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.generation != generation {
		return
	}
	if f.replicas[i] == o { // else it was killed
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

// ended notes that an operator has ended by itself, which is its right where it has
// lost the lease or cannot begin, and nowhere else.
func (f *fleet) ended(o *rig.Operator) {
	log := strings.TrimSpace(o.Log())
	last := lastWords(log)
	f.ends[last]++
	if f.calm || strings.Contains(log, "goroutine ") {
		f.violations.add(converges, "an operator ended by itself; the end of its log:\n%s", log[max(0, len(log)-3000):])
	}
}

// lastWords gives the last line of a log, without what is different each time.
func lastWords(log string) string {
	line := log[strings.LastIndexByte(log, '\n')+1:]
	if i := strings.Index(line, "http"); i >= 0 {
		line = line[:i] + "…"
	}
	return line[:min(len(line), 120)]
}

// kill ends the operator that leads, or any, by SIGKILL. It is started again at once.
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

// settled says whether operators may end by themselves from now on.
func (f *fleet) settled(calm bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calm = calm
}

// stop ends all operators in good order, or by force where that takes too long, as it
// may where the API server is not to be reached.
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

// tell gives what has happened, for people.
func (f *fleet) tell() (kills int, peak int64, ends []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, last := range slices.Sorted(maps.Keys(f.ends)) {
		ends = append(ends, fmt.Sprintf("%d: %s", f.ends[last], last))
	}
	return f.kills, f.peak, ends
}
