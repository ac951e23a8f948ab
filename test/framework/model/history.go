package model

import (
	"crypto/sha256"
	"maps"
	"slices"
	"sync"
	"time"
)

// span is a period; to is zero while it lasts.
type span struct{ from, to time.Time }

// overlaps reports whether the span has a moment in common with another, both ends
// included.
func (s span) overlaps(since, now time.Time) bool {
	return !s.from.After(now) && (s.to.IsZero() || s.to.After(since))
}

// spans are the periods in which something held, in order.
type spans []span

func (s spans) open() bool { return len(s) > 0 && s[len(s)-1].to.IsZero() }

func (s spans) set(holds bool, now time.Time) spans {
	switch {
	case holds && !s.open():
		return append(s, span{from: now})
	case !holds && s.open():
		s[len(s)-1].to = now
	}
	return s
}

// during reports whether it held at a moment between two.
func (s spans) during(since, now time.Time) bool {
	return slices.ContainsFunc(s, func(one span) bool { return one.overlaps(since, now) })
}

// throughout reports whether it held all the time between two moments.
func (s spans) throughout(since, now time.Time) bool {
	return slices.ContainsFunc(s, func(one span) bool {
		return !one.from.After(since) && (one.to.IsZero() || one.to.After(now))
	})
}

// place is the labels of a namespace in a period, nil where it did not exist.
type place struct {
	span
	labels map[string]string
}

// History is the sequence of states of a World in which Bundles, sources and namespaces
// change while the operator works. The targets of a Bundle do not change. It is safe for
// concurrent use.
//
// Each method takes a window, since to now: the operator may act at now on any state since
// then.
type History struct {
	mu    sync.Mutex
	world *World
	// revisions has all revisions, by their PEM file without exclusion and retention, and
	// origins the first one of each certificate.
	revisions map[[sha256.Size]byte]*Revision
	origins   map[string]*Revision
	counts    map[string]int
	// wanted are the periods in which each revision was wanted, and current those that are
	// wanted now, by Bundle: several while a change is being made.
	wanted  map[*Revision]spans
	current map[string][]*Revision
	places  map[string][]place
	// allowances has the Bundles that retain or exclude certificates.
	allowances map[string]*allowance
}

// NewHistory returns the history of an empty world.
func NewHistory() *History {
	return &History{
		world: NewWorld(), revisions: map[[sha256.Size]byte]*Revision{}, origins: map[string]*Revision{}, counts: map[string]int{},
		wanted: map[*Revision]spans{}, current: map[string][]*Revision{}, places: map[string][]place{}, allowances: map[string]*allowance{},
	}
}

// Update changes the world. What Bundles ask for then is wanted from now on, and what they
// asked for before until the returned function is called: when the change was made in the
// cluster. A change of a namespace counts at once. Changes of one Bundle must not overlap.
func (h *History) Update(now time.Time, change func(*World)) (made func(now time.Time)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(h.world)
	for _, name := range slices.Sorted(maps.Keys(h.world.Namespaces)) {
		h.place(name, h.world.Namespaces[name], now)
	}
	for name := range h.places {
		h.place(name, h.world.Namespaces[name], now)
	}
	var begun []*Revision
	var excluding []*allowance
	for name, b := range h.world.Bundles {
		h.world.Build(name, b)
		if b.Revision == nil {
			continue
		}
		if r := h.register(b.Revision); h.last(name) != r {
			h.wanted[r] = h.wanted[r].set(true, now)
			h.current[name] = append(h.current[name], r)
			begun = append(begun, r)
		}
		if a := h.allowance(name, b); a != nil && a.update(b, now) {
			excluding = append(excluding, a)
		}
	}
	return func(now time.Time) {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, r := range begun {
			for _, other := range h.current[r.Bundle] {
				if other != r {
					h.wanted[other] = h.wanted[other].set(false, now)
				}
			}
			h.current[r.Bundle] = []*Revision{r}
		}
		for _, a := range excluding {
			a.made(now)
		}
	}
}

// place records the labels of a namespace.
func (h *History) place(name string, labels map[string]string, now time.Time) {
	all := h.places[name]
	if last := len(all) - 1; last >= 0 {
		if (all[last].labels == nil) == (labels == nil) && maps.Equal(all[last].labels, labels) {
			return
		}
		all[last].to = now
	}
	h.places[name] = append(all, place{span{from: now}, labels})
}

// register returns the revision under which the same certificates are known.
func (h *History) register(r *Revision) *Revision {
	key := sha256.Sum256([]byte(join(r.Sourced)))
	if known := h.revisions[key]; known != nil {
		return known
	}
	h.counts[r.Bundle]++
	numbered := *r
	numbered.Number = h.counts[r.Bundle]
	h.revisions[key] = &numbered
	for _, certificate := range r.Sourced {
		if h.origins[certificate] == nil {
			h.origins[certificate] = &numbered
		}
	}
	return &numbered
}

// last returns the revision of a Bundle that is wanted or about to be, or nil.
func (h *History) last(bundle string) *Revision {
	all := h.current[bundle]
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}

// Current returns the revision of a Bundle that is wanted or about to be, or nil.
func (h *History) Current(bundle string) *Revision {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last(bundle)
}

// Reasons returns what [World.Reasons] returns for the last state.
func (h *History) Reasons(bundle string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.world.Reasons(bundle)
}

// Namespaces returns the namespaces of the last state, in order.
func (h *History) Namespaces() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.world.Namespaces))
}

// Existed reports whether a namespace existed throughout a window.
func (h *History) Existed(namespace string, since, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !slices.ContainsFunc(h.labels(namespace, since, now), func(labels map[string]string) bool { return labels == nil })
}

// labels returns all labels that a namespace had in a window, nil for those of a namespace
// that did not exist.
func (h *History) labels(namespace string, since, now time.Time) []map[string]string {
	var list []map[string]string
	all := h.places[namespace]
	if len(all) == 0 || all[0].from.After(since) {
		list = append(list, nil)
	}
	for _, p := range all {
		if p.overlaps(since, now) {
			list = append(list, p.labels)
		}
	}
	return list
}

// Wanted reports whether a target was wanted throughout a window.
func (h *History) Wanted(at Target, since, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	always, _ := h.isWanted(at, since, now)
	return always
}

// isWanted reports whether a target was wanted throughout a window and at some moment of
// it, by the last revision. All revisions of a Bundle select the same namespaces.
func (h *History) isWanted(at Target, since, now time.Time) (always, ever bool) {
	r := h.last(at.Bundle)
	if r == nil {
		return false, false
	}
	if at.Kind == ClusterTrustBundle {
		isWanted := r.Shapes[at.Kind] != nil
		return isWanted, isWanted
	}
	always = true
	for _, labels := range h.labels(at.Namespace, since, now) {
		selected := labels != nil && r.selects(labels)
		always, ever = always && selected, ever || selected
	}
	return always, ever
}

// wantedIn returns the revisions of a Bundle that were wanted in a window, oldest first.
func (h *History) wantedIn(bundle string, since, now time.Time) []*Revision {
	var list []*Revision
	for r, periods := range h.wanted {
		if r.Bundle == bundle && periods.during(since, now) {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b *Revision) int { return a.Number - b.Number })
	return list
}
