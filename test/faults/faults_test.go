package faults

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// sizes hold how often each fault is injected.
type sizes struct {
	kills, leaderKills, hungKills int
	namespaces, bundles           int
	spoils, obstacles             int
	storm, flapping               time.Duration
	apiServers, etcds             int
	tokens                        int
	rotations                     int
	// quiet is how long nothing may be written after each phase but the last, after
	// which [lastQuiet] applies.
	quiet time.Duration
}

// lastQuiet is how long nothing is written while everything is in sync.
const lastQuiet = 10 * time.Second

var (
	shortForm = sizes{
		kills: 8, leaderKills: 2, hungKills: 1, namespaces: 12, bundles: 6, spoils: 1, obstacles: 1,
		storm: 10 * time.Second, flapping: 3 * time.Second, apiServers: 1, etcds: 1, rotations: 24,
	}
	longForm = sizes{
		kills: 170, leaderKills: 24, hungKills: 6, namespaces: 500, bundles: 60, spoils: 2, obstacles: 2,
		storm: 150 * time.Second, flapping: time.Minute, apiServers: 20, etcds: 12, tokens: 2, rotations: 120, quiet: lastQuiet,
	}
)

// phase is a period with one kind of fault, while other things change.
type phase struct {
	name string
	// lag is how long the operator may act on the state before a change.
	lag time.Duration
	run func(*world, sizes) error
}

// Phases that need other operators are last.
var phases = []phase{
	{"spoilt sources", calmLag, (*world).spoil},
	{"operator killed", calmLag, (*world).killOperators},
	{"namespaces made again", calmLag, (*world).remakeNamespaces},
	{"targets that cannot be written", calmLag, (*world).obstruct},
	{"Bundle made again", calmLag, (*world).remakeBundles},
	{"API server killed", downLag, (*world).killAPIServer},
	{"etcd stopped", downLag, (*world).stopEtcd},
	{"faults on requests", faultLag, (*world).storm},
	{"leader killed", calmLag, (*world).killLeaders},
	{"leader killed with a write in flight", calmLag, (*world).killHangingLeaders},
	{"token expired", faultLag, (*world).expireToken},
	{"clock ten years ahead", calmLag, (*world).skewClock},
	{"rotation and exclusion", calmLag, (*world).rotate},
}

// S8, S9, S11, S12, S13, T4 to T11, T15, R2, K3, K5: under any fault, no target is ever
// without its bundle, no foreign content is lost, and everything converges.
func TestFaults(t *testing.T) {
	size := shortForm
	if *long {
		size = longForm
	}
	w := newWorld(t)
	w.must(w.fleet.run(1))
	w.must(w.settle("the start", size.quiet))
	if *churn > 0 {
		w.grow()
		return
	}
	chosen := slices.DeleteFunc(slices.Clone(phases), func(p phase) bool { return !strings.Contains(p.name, *only) })
	last := len(chosen) - 1
	for i, p := range chosen {
		t.Logf("%s", p.name)
		w.judge.allow(p.lag)
		w.must(p.run(w, size))
		if i == last {
			size.quiet = lastQuiet
		}
		w.must(w.settle(p.name, size.quiet))
	}
}
