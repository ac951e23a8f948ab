package faults

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"trust-manager.io/test/framework/rig"
)

const (
	// faultShare is the percentage of requests that meet a fault.
	faultShare = 30
	// flapPause is the delay between two changes of a flapping source.
	flapPause = 100 * time.Millisecond
	// cutEvery is the interval at which all connections are cut; refusedEvery and
	// refusedFor are the interval and the duration of 401 responses to all requests.
	cutEvery     = 3 * time.Second
	refusedEvery = 7 * time.Second
	refusedFor   = 2 * time.Second
)

// storm injects faults into a share of all requests, first those of one operator and
// then those of two replicas, while things change and a source flaps.
func (w *world) storm(size sizes) error {
	for _, replicas := range []struct {
		name  string
		count int
		flags []string
	}{{"one operator", 1, nil}, {"two replicas", 2, leader}} {
		w.proxy.Inject(0) // so that the others end gracefully
		if err := w.fleet.run(replicas.count, replicas.flags...); err != nil {
			return err
		}
		time.Sleep(time.Second) // for a start without faults, where there are many with
		err := w.amid("storm of "+replicas.name, 250*time.Millisecond, func(r *rand.Rand) error {
			ctx, cancel := context.WithTimeout(w.ctx, size.storm)
			defer cancel()
			var (
				group    sync.WaitGroup
				flapping error
			)
			group.Go(func() { flapping = w.flap(ctx, size.flapping) })
			w.rage(ctx, r)
			group.Wait()
			return flapping
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// rage injects the faults until the context ends.
func (w *world) rage(ctx context.Context, r *rand.Rand) {
	began := time.Now()
	for refused := false; ctx.Err() == nil; {
		if refused = !refused && time.Since(began) > refusedEvery; refused {
			began = time.Now()
			w.proxy.Inject(100, rig.Unauthorized)
			w.report.count("times at which all requests were answered by 401")
			wait(ctx, refusedFor)
			continue
		}
		w.proxy.Inject(faultShare, rig.AllFaults...)
		wait(ctx, upTo(r, 2*cutEvery))
		w.proxy.CutConnections()
		w.report.count("all connections cut at once")
	}
}

func wait(ctx context.Context, long time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(long):
	}
}

// flap changes one source ten times a second.
func (w *world) flap(ctx context.Context, long time.Duration) error {
	r, b := w.random("flapping"), w.bundles[2]
	ticker := time.NewTicker(flapPause)
	defer ticker.Stop()
	for began := time.Now(); time.Since(began) < long && ctx.Err() == nil; {
		if _, err := w.fresh(r, b); err != nil {
			return err
		}
		w.report.count("changes of a source that flaps ten times a second")
		<-ticker.C
	}
	return nil
}
