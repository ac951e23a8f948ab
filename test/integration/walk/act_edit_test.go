package walk

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The ways in which an object is edited.
const (
	update         = "update"
	mergePatch     = "merge patch"
	strategicPatch = "strategic merge patch"
	serverApply    = "apply"
)

// edit is what somebody else than the operator does to an object.
type edit struct {
	at  target
	way string
	// manager is "editor", "applier" or "trust-manager".
	manager string
	set     map[field]value
	drop    []field
	// keep are the entries that an apply has as they are: those that the manager
	// has applied before, or entries of the operator that it claims as well.
	keep []field
	// owner, if not empty, says what is done to the reference to the Bundle.
	owner string
	// clear has managedFields cleared.
	clear bool
}

// What is done to the owner reference.
const (
	ownerDropped      = "owner dropped"
	ownerNoController = "owner no controller"
	ownerNotBlocking  = "owner not blocking"
)

// claims gives the manager as it stands in managedFields.
func (e *edit) claims() claims {
	switch {
	case e.manager == "trust-manager" && e.way == serverApply:
		return byOperatorApply
	case e.manager == "trust-manager":
		return byOperator
	case e.way == serverApply:
		return byApplier
	}
	return byEditor
}

// editObject edits an object: entries of the operator, which have to be put
// right, and entries of others, which have to stay.
func editObject(c *chance, m *model) *action {
	at, ok := m.anyObject(c)
	if !ok {
		return nil
	}
	o := m.objects[at]
	e := c.edit(at, o)
	if len(e.set)+len(e.drop)+len(e.keep) == 0 && e.owner == "" && !e.clear {
		return nil
	}
	a := objectAction(at, e.String())
	if e.way == serverApply || e.clear {
		// The values that are kept, and what the operator finds in an object that
		// is not tracked, are those of the present revision.
		a.needs = append(a.needs, contentOf(at.bundle))
	}
	if b := m.bundles[at.bundle]; b != nil && b.revision == nil {
		a.needs = append(a.needs, contentOf(at.bundle))
	}
	a.model = func(m *model) { m.edit(e) }
	a.do = func(w *world) error { return w.edit(e) }
	return a
}

func (c *chance) edit(at target, o *object) *edit {
	e := &edit{at: at, set: map[field]value{}}
	e.way = pick(c, update, update, mergePatch, strategicPatch, serverApply, serverApply)
	if o.untracked && e.way == serverApply {
		// All that is in the object would be before-first-apply's: whether the
		// operator wrote it could not be told any more.
		e.way = update
	}
	e.manager = "editor"
	if e.way == serverApply {
		e.manager = "applier"
	}
	if c.percent(20) {
		e.manager = "trust-manager"
	}
	// An edit that changes no value is one too: it claims entries that are already
	// right, or clears managedFields.
	bare := c.percent(20)
	if !bare {
		for range 1 + c.IntN(3) {
			c.change(e, o)
		}
	}
	if e.way == serverApply {
		c.keep(e, o)
		return e
	}
	if e.way == update && o.owner == full && c.percent(25) {
		e.owner = pick(c, ownerDropped, ownerNoController, ownerNotBlocking)
	}
	e.clear = bare || c.percent(10)
	return e
}

// change adds a change of one entry to an edit.
func (c *chance) change(e *edit, o *object) {
	at := c.field(e.at.kind, o)
	if _, again := e.set[at]; again || slices.Contains(e.drop, at) {
		return
	}
	_, there := o.entries[at]
	other := at.otherForm()
	_, inTheWay := o.entries[other]
	inTheWay = inTheWay && e.at.kind == configMap && !slices.Contains(e.drop, other)
	_, inTheWayToo := e.set[other]
	switch {
	case inTheWayToo || inTheWay && e.way == serverApply:
		return // an apply cannot take it away
	case there && e.way != serverApply && c.percent(35):
		e.drop = append(e.drop, at)
		return
	case inTheWay:
		e.drop = append(e.drop, other)
	}
	switch {
	case at == sharedMark && c.percent(50):
		e.set[at] = value{text: "true"}
	case at.section == data && e.way != serverApply && c.percent(15):
		e.set[at] = value{} // empty
	default:
		e.set[at] = value{text: c.unique("theirs")}
	}
}

// field gives one that is there, or one that may or may not be.
func (c *chance) field(kind string, o *object) field {
	if there := o.fields(); len(there) > 0 && c.percent(60) {
		return pick(c, there...)
	}
	sections := []string{data, labels, annotations}
	if kind == configMap {
		sections = append(sections, binaryData)
	}
	section := pick(c, sections...)
	return field{section, pick(c, foreignKeys(kind, section)...)}
}

// foreignKeys are those that others use, some of which are also the operator's.
func foreignKeys(kind, section string) []string {
	switch section {
	case data:
		keys := []string{pemKeys[0], pemKeys[1], "theirs.txt", "notes"}
		if kind == secret {
			keys = append(keys, jksKey, p12Key)
		}
		return keys
	case binaryData:
		return []string{jksKey, p12Key, "theirs.bin"}
	case labels:
		return []string{"team", "theirs", "owner", bundleLabel.key}
	}
	return []string{"note", "memo", "theirs", hash.key, sharedMark.key}
}

// keep adds what an apply has besides: entries applied before, or else they go,
// and entries of the operator as they are.
func (c *chance) keep(e *edit, o *object) {
	again, claim := c.percent(60), c.percent(40)
	for _, at := range o.fields() {
		_, set := e.set[at]
		_, clash := e.set[at.otherForm()]
		now := o.entries[at].claims
		switch {
		case set || clash:
		case again && now&e.claims() != 0, claim && now.ours() && !at.isMark() && c.percent(50):
			e.keep = append(e.keep, at)
		}
	}
}

func (e *edit) String() string {
	parts := []string{e.way + " as " + e.manager}
	if len(e.set) > 0 {
		parts = append(parts, "sets "+list(e.set))
	}
	if len(e.drop) > 0 {
		parts = append(parts, fmt.Sprint("drops ", e.drop))
	}
	if len(e.keep) > 0 {
		parts = append(parts, fmt.Sprint("keeps ", e.keep))
	}
	if e.owner != "" {
		parts = append(parts, e.owner)
	}
	if e.clear {
		parts = append(parts, "managedFields cleared")
	}
	return strings.Join(parts, ", ")
}

func list(set map[field]value) string {
	var parts []string
	for _, at := range slices.SortedFunc(maps.Keys(set), compareFields) {
		parts = append(parts, fmt.Sprintf("%s=%s", at, set[at]))
	}
	return strings.Join(parts, " ")
}

// edit changes the model as the cluster.
func (m *model) edit(e *edit) {
	o := m.objects[e.at]
	m.remember(e.at)
	if e.clear {
		o.clear()
		m.cleared[e.at] = true
	}
	if e.way == serverApply {
		set := maps.Clone(e.set)
		for _, at := range e.keep {
			set[at] = o.entries[at].value
		}
		o.apply(e.claims(), set)
		return
	}
	o.update(e.claims(), e.set, e.drop...)
	switch e.owner {
	case ownerDropped:
		o.owner = owner{}
	case ownerNoController:
		o.owner.controller = false
	case ownerNotBlocking:
		o.owner.blocking = false
	}
}
