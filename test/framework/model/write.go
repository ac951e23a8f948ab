package model

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Foreign returns the entries of an object, which may be nil, that are not the operator's.
func (h *History) Foreign(at Target, o *Observed) map[Field]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.foreign(at, o)
}

func (h *History) foreign(at Target, o *Observed) map[Field]string {
	foreign := map[Field]string{}
	if o == nil {
		return foreign
	}
	asked := h.world.Asked(at)
	for field, text := range o.Entries {
		if _, ours := asked[field]; !ours && !field.IsMark() {
			foreign[field] = text
		}
	}
	return foreign
}

// Held returns the revision whose PEM file a target contains, or nil.
func (h *History) Held(at Target, o *Observed) *Revision {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.last(at.Bundle)
	if r == nil || o == nil {
		return nil
	}
	return h.revisions[sha256.Sum256([]byte(o.Entries[r.pem(at.Kind)]))]
}

// CheckWrite returns an error if the operator must not leave a target as it is now. If it
// may, the target counts as evidence of what the operator has retained.
func (h *History) CheckWrite(at Target, o *Observed, since, now time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	always, ever := h.isWanted(at, since, now)
	files := h.files(at, o)
	switch {
	case len(files) == 0 && always:
		return fmt.Errorf("it contains nothing of the bundle any more")
	case len(files) == 0:
		return nil
	}
	a := h.allowances[at.Bundle]
	text := o.Entries[h.last(at.Bundle).pem(at.Kind)]
	if a != nil {
		if _, err := h.retains(at, text, since, now); err != nil {
			return err
		}
	} else if err := h.checkRevision(at, o, since, now); err != nil {
		return err
	}
	if !ever {
		return fmt.Errorf("it contains a revision in a namespace that the Bundle does not select")
	}
	if a != nil {
		a.hold(text, since, now)
	}
	return nil
}

// files returns the files of the Bundle that a target contains.
func (h *History) files(at Target, o *Observed) map[Field]string {
	files := map[Field]string{}
	for field := range h.world.Asked(at) {
		if text, ok := o.Entries[field]; ok && field.IsData() {
			files[field] = text
		}
	}
	return files
}

// checkRevision returns an error unless all files are of one revision that was wanted.
func (h *History) checkRevision(at Target, o *Observed, since, now time.Time) error {
	field := h.last(at.Bundle).pem(at.Kind)
	text := o.Entries[field]
	r := h.revisions[sha256.Sum256([]byte(text))]
	if r == nil {
		return fmt.Errorf("%s is not a revision that was ever wanted: %s", field, h.explain(text))
	}
	if r.Bundle != at.Bundle {
		return fmt.Errorf("it contains %s", r)
	}
	for other, want := range r.Shapes[at.Kind] {
		if other == field || !other.IsData() {
			continue
		}
		if err := want.Check(o.Entries[other]); err != nil {
			return fmt.Errorf("it is mixed: %s is %s, but %s %w", field, r, other, err)
		}
	}
	if periods := h.wanted[r]; !periods.during(since, now) {
		return fmt.Errorf("it contains %s, which has not been wanted for %s", r, now.Sub(periods[len(periods)-1].to).Round(time.Millisecond))
	}
	return nil
}

// retains returns the revision, of those wanted in a window, that a PEM file contains,
// followed by retained certificates.
func (h *History) retains(at Target, text string, since, now time.Time) (*Revision, error) {
	var last error
	for _, r := range h.wantedIn(at.Bundle, since, now) {
		err := h.allowances[at.Bundle].check(r, text, since, now)
		if err == nil {
			return r, nil
		}
		last = err
	}
	return nil, fmt.Errorf("it is not a wanted revision with retained certificates: %s; the last one: %w", h.explain(text), last)
}

// Compare returns how a target, nil if it does not exist, differs from what it should be
// in the last state with the foreign entries that it has. A target that the operator
// cannot write may be anything.
func (h *History) Compare(at Target, o *Observed, now time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.compare(at, o, now)
}

// CompareAll compares all targets of a Bundle, which must have the same PEM file.
func (h *History) CompareAll(bundle string, present map[Target]*Observed, now time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	texts := map[string]Target{}
	all := []Target{{bundle, ClusterTrustBundle, ""}}
	for namespace := range h.world.Namespaces {
		all = append(all, Target{bundle, ConfigMap, namespace}, Target{bundle, Secret, namespace})
	}
	for _, at := range all {
		if err := h.compare(at, present[at], now); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		if h.world.Shape(at) != nil && !h.world.Refused[at] {
			texts[present[at].Entries[h.last(bundle).pem(at.Kind)]] = at
		}
	}
	if len(texts) > 1 {
		return fmt.Errorf("targets differ: %v", slices.Collect(maps.Values(texts)))
	}
	return nil
}

func (h *History) compare(at Target, o *Observed, now time.Time) error {
	shape := h.world.Shape(at)
	if h.world.Refused[at] {
		return nil
	}
	if shape != nil && o != nil && h.allowances[at.Bundle] != nil {
		field := h.last(at.Bundle).pem(at.Kind)
		text := o.Entries[field]
		switch r, err := h.retains(at, text, now, now); {
		case err != nil:
			return err
		case r != h.last(at.Bundle):
			return fmt.Errorf("it contains %s, want %s", r, h.last(at.Bundle))
		}
		shape = maps.Clone(shape)
		shape[field] = Value{Text: text}
	}
	foreign := h.foreign(at, o)
	adopted := h.world.Adopted[at]
	if o != nil && len(foreign) > 0 && strings.HasPrefix(o.Entries[SharedMark], Adopted) {
		adopted = true // it was released with these entries, and has become a target again
	}
	want := expected(at, adopted, h.world.outlives(at.Bundle), shape, foreign)
	switch {
	case want == nil && o == nil:
		return nil
	case want == nil:
		return fmt.Errorf("it is not released: it has %s", o.Fields())
	case o == nil:
		return fmt.Errorf("it is not there")
	}
	return want.Check(o)
}

// explain describes a text that is not a revision.
func (h *History) explain(text string) string {
	if text == "" {
		return "it is empty"
	}
	blocks := Blocks(text)
	if first := h.origins[blocks[0]]; first != nil && strings.HasPrefix(join(first.Sourced), text) {
		return fmt.Sprintf("it is cut: the first %d of %d bytes of %s", len(text), len(join(first.Sourced)), first)
	}
	counts := map[string]int{}
	for _, block := range blocks {
		if origin := h.origins[block]; origin != nil {
			counts[origin.String()]++
		} else {
			counts["none"]++
		}
	}
	return fmt.Sprintf("%d bytes with %d whole certificates, of %v", len(text), strings.Count(text, endLine), counts)
}
