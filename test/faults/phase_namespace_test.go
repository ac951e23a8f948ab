package faults

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// remakeNamespaces deletes and re-creates namespaces under the same names, during
// rollouts.
func (w *world) remakeNamespaces(size sizes) error {
	return w.amid("namespaces", 300*time.Millisecond, func(_ *rand.Rand) error {
		var done atomic.Int64
		return w.remake(comers, func() bool { return int(done.Add(1)) <= size.namespaces })
	})
}

// remake does so with several namespaces concurrently, while more returns true.
func (w *world) remake(names []string, more func() bool) error {
	var group sync.WaitGroup
	failed := make([]error, len(names))
	for i, name := range names {
		group.Go(func() { failed[i] = w.remakeNamespace(name, more) })
	}
	group.Wait()
	return errors.Join(failed...)
}

// remakeNamespace does so with one of them while more returns true. At the end the
// namespace exists.
func (w *world) remakeNamespace(name string, more func() bool) error {
	r := w.random(name)
	if err := w.makeNamespace(name, true); err != nil {
		return err
	}
	for more() {
		time.Sleep(upTo(r, 500*time.Millisecond))
		if err := w.removeNamespace(name); err != nil {
			return err
		}
		if err := w.makeNamespace(name, true); err != nil {
			return err
		}
		w.report.count("namespaces deleted and made again under the same name")
	}
	return nil
}
