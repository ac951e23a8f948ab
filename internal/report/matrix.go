package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Matrix shows which namespace has which bundle.
type Matrix struct {
	// Columns are the bundles that have targets.
	Columns []Column `json:"columns"`
	// Rows have those with missing or stale targets first.
	Rows []Row `json:"rows"`
}

// Column is a bundle.
type Column struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

// Row is the state of all bundles in the namespaces that have the same state in all of them.
type Row struct {
	// IsClusterScoped reports that the row is about targets outside of namespaces.
	IsClusterScoped bool     `json:"clusterScoped,omitempty"`
	Namespaces      []string `json:"namespaces,omitempty"`
	// Cells has one state for each column.
	Cells []Cell `json:"cells"`
}

// Cell is the state of the targets of one bundle in one place.
type Cell struct {
	// State is the most serious one of the targets there.
	State TargetState `json:"state"`
	// Detail describes the targets if they differ, or why there are no targets.
	Detail string `json:"detail,omitempty"`
}

// TargetState is the state of a target.
type TargetState string

// The states of targets.
const (
	InSync  TargetState = "InSync"
	Stale   TargetState = "Stale"
	Missing TargetState = "Missing"
	// NotCompared means that the target exists and the bundle cannot be built now.
	NotCompared TargetState = "NotCompared"
	// LeftOver means that the target exists and the bundle does not select its namespace.
	LeftOver    TargetState = "LeftOver"
	NotSelected TargetState = "NotSelected"
)

// stateInfo is how people see a state.
type stateInfo struct {
	State                  TargetState
	Label, Symbol, Meaning string
}

// states are all states, the most serious ones first.
var states = []stateInfo{
	{Missing, "missing", "✗", "the bundle selects the namespace, and the target does not exist"},
	{Stale, "stale", "≠", "the target has another content than the bundle"},
	{NotCompared, "not compared", "?", "the target exists, and the bundle cannot be built now"},
	{LeftOver, "left over", "+", "the target exists, and the bundle does not select the namespace"},
	{InSync, "in sync", "✓", "the target has the content of the bundle"},
	{NotSelected, "not selected", "·", "the bundle has no target there"},
}

// severity returns the position of a state among all states.
func (s TargetState) severity() int {
	return slices.IndexFunc(states, func(info stateInfo) bool { return info.State == s })
}

// info returns how people see the state.
func (s TargetState) info() stateInfo {
	if at := s.severity(); at >= 0 {
		return states[at]
	}
	return stateInfo{State: s, Label: string(s), Symbol: string(s)}
}

// Label returns the state for people.
func (s TargetState) Label() string { return s.info().Label }

// Symbol returns one character for the state.
func (s TargetState) Symbol() string { return s.info().Symbol }

// TargetCounts counts targets by state.
type TargetCounts struct {
	InSync      int `json:"inSync"`
	Stale       int `json:"stale"`
	Missing     int `json:"missing"`
	NotCompared int `json:"notCompared"`
	LeftOver    int `json:"leftOver"`
}

func (c *TargetCounts) add(other TargetCounts) {
	c.InSync += other.InSync
	c.Stale += other.Stale
	c.Missing += other.Missing
	c.NotCompared += other.NotCompared
	c.LeftOver += other.LeftOver
}

func (c *TargetCounts) count(state TargetState) {
	switch state {
	case InSync:
		c.InSync++
	case Stale:
		c.Stale++
	case Missing:
		c.Missing++
	case NotCompared:
		c.NotCompared++
	case LeftOver:
		c.LeftOver++
	case NotSelected:
	}
}

// place is where a target is.
type place struct{ kind, namespace string }

// placement is where a bundle has targets, and where it wants them.
type placement struct {
	wanted   []Wanted
	selected map[string]bool
	digests  map[place]string
}

func (b *InputBundle) placement() placement {
	p := placement{wanted: b.Wanted, selected: map[string]bool{}, digests: map[place]string{}}
	for _, namespace := range b.Selected {
		p.selected[namespace] = true
	}
	for _, t := range b.Targets {
		p.digests[place{t.Kind, t.Namespace}] = t.Digest
	}
	return p
}

// state returns the state of one target. The namespace is empty for a kind that is cluster-scoped.
func (p placement) state(wanted Wanted, namespace string) TargetState {
	digest, exists := p.digests[place{wanted.Kind, namespace}]
	isSelected := wanted.IsClusterScoped || p.selected[namespace]
	switch {
	case !isSelected && !exists:
		return NotSelected
	case !isSelected:
		return LeftOver
	case !exists:
		return Missing
	case wanted.Digest == "":
		return NotCompared
	case digest != wanted.Digest:
		return Stale
	}
	return InSync
}

// cell returns the state of the targets in a namespace, or of those outside of namespaces if it is
// empty.
func (p placement) cell(namespace string) Cell {
	cell, details, differ := Cell{State: NotSelected, Detail: "no target"}, []string{}, false
	for _, wanted := range p.wanted {
		if wanted.IsClusterScoped != (namespace == "") {
			continue
		}
		state := p.state(wanted, namespace)
		if len(details) == 0 {
			cell = Cell{State: state}
		}
		details = append(details, wanted.Kind+" "+state.Label())
		differ = differ || state != cell.State
		if state.severity() < cell.State.severity() {
			cell.State = state
		}
	}
	if differ {
		cell.Detail = strings.Join(details, ", ")
	}
	return cell
}

// targetCounts counts the targets of a bundle. A superseded bundle has none.
func (b *InputBundle) targetCounts(namespaces []string) (counts TargetCounts) {
	if b.isSuperseded() {
		return counts
	}
	p := b.placement()
	for _, wanted := range p.wanted {
		if wanted.IsClusterScoped {
			counts.count(p.state(wanted, ""))
			continue
		}
		for _, namespace := range namespaces {
			counts.count(p.state(wanted, namespace))
		}
	}
	return counts
}

// matrix returns the matrix of all bundles that have targets.
func matrix(in Input) Matrix {
	m := Matrix{Columns: []Column{}, Rows: []Row{}}
	var placements []placement
	hasClusterScoped := false
	for i := range in.Bundles {
		b := &in.Bundles[i]
		if b.isSuperseded() || len(b.Wanted) == 0 {
			continue
		}
		m.Columns = append(m.Columns, Column{Kind: clean(b.Kind), Name: clean(b.Name)})
		placements = append(placements, b.placement())
		hasClusterScoped = hasClusterScoped || slices.ContainsFunc(b.Wanted, func(w Wanted) bool { return w.IsClusterScoped })
	}
	if len(m.Columns) == 0 {
		return m
	}
	if hasClusterScoped {
		m.Rows = append(m.Rows, Row{IsClusterScoped: true, Cells: cellsOf(placements, "")})
	}
	positions := map[string]int{}
	for _, namespace := range slices.Sorted(slices.Values(in.Namespaces)) {
		cells := cellsOf(placements, namespace)
		id := fmt.Sprintf("%q", cells)
		at, ok := positions[id]
		if !ok {
			at = len(m.Rows)
			positions[id] = at
			m.Rows = append(m.Rows, Row{Cells: cells})
		}
		m.Rows[at].Namespaces = append(m.Rows[at].Namespaces, clean(namespace))
	}
	slices.SortStableFunc(m.Rows, func(a, b Row) int { return cmp.Compare(a.severity(), b.severity()) })
	return m
}

func cellsOf(placements []placement, namespace string) []Cell {
	cells := make([]Cell, len(placements))
	for i, p := range placements {
		cells[i] = p.cell(namespace)
	}
	return cells
}

// severity returns the most serious state of a row.
func (r Row) severity() int {
	worst := NotSelected.severity()
	for _, cell := range r.Cells {
		worst = min(worst, cell.State.severity())
	}
	return worst
}
