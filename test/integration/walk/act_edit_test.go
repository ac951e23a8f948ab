package walk

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"trust-manager.io/test/framework/model"
)

// The ways in which an object is edited.
const (
	update         = "update"
	mergePatch     = "merge patch"
	strategicPatch = "strategic merge patch"
	serverApply    = "apply"
)

// edit is a change of an object by a foreign client.
type edit struct {
	at  model.Target
	way string
	// manager is "editor", "applier" or "trust-manager".
	manager string
	set     map[model.Field]model.Value
	drop    []model.Field
	// keep are the entries that an apply leaves unchanged: those that the manager
	// has applied before, or entries of the operator that it co-owns.
	keep []model.Field
	// owner, if not empty, is the change of the reference to the Bundle.
	owner string
	// clear reports whether the edit clears managedFields.
	clear bool
}

// The changes of the owner reference.
const (
	ownerDropped      = "owner dropped"
	ownerNoController = "owner no controller"
	ownerNotBlocking  = "owner not blocking"
)

// claims returns the manager as it appears in managedFields.
func (e *edit) claims() model.Claims {
	switch {
	case e.manager == "trust-manager" && e.way == serverApply:
		return model.ByOperatorApply
	case e.manager == "trust-manager":
		return model.ByOperator
	case e.way == serverApply:
		return model.ByApplier
	}
	return model.ByEditor
}

// editObject edits an object: entries of the operator, which it has to repair,
// and foreign entries, which have to stay.
func editObject(c *chance, m *state) *action {
	at, ok := m.anyObject(c)
	if !ok {
		return nil
	}
	o := m.Objects[at]
	e := c.edit(at, o)
	if len(e.set)+len(e.drop)+len(e.keep) == 0 && e.owner == "" && !e.clear {
		return nil
	}
	a := objectAction(at, e.String())
	if e.way == serverApply || e.clear {
		// The kept values, and the content that the operator finds in an untracked
		// object, are those of the current revision.
		a.needs = append(a.needs, contentOf(at.Bundle))
	}
	if b := m.Bundles[at.Bundle]; b != nil && b.Revision == nil {
		a.needs = append(a.needs, contentOf(at.Bundle))
	}
	a.model = func(m *state) { m.edit(e) }
	a.do = func(w *world) error { return w.edit(e) }
	return a
}

func (c *chance) edit(at model.Target, o *model.Object) *edit {
	e := &edit{at: at, set: map[model.Field]model.Value{}}
	e.way = pick(c, update, update, mergePatch, strategicPatch, serverApply, serverApply)
	if (o.Untracked || at.Kind == model.ClusterTrustBundle) && e.way == serverApply {
		// The API server refuses to drop the content of a ClusterTrustBundle, as an apply that
		// omits it does.
		// All entries of the object would belong to before-first-apply, which
		// hides the entries of the operator.
		e.way = update
	}
	e.manager = "editor"
	if e.way == serverApply {
		e.manager = "applier"
	}
	if c.percent(20) {
		e.manager = "trust-manager"
	}
	// A bare edit changes no value: it claims entries that are already in sync, or
	// clears managedFields.
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
	if e.way == update && o.Owner == model.FullOwner && c.percent(25) {
		e.owner = pick(c, ownerDropped, ownerNoController, ownerNotBlocking)
	}
	e.clear = bare || c.percent(10)
	return e
}

// change adds a change of one entry to an edit.
func (c *chance) change(e *edit, o *model.Object) {
	at := c.field(e.at.Kind, o)
	if _, again := e.set[at]; again || slices.Contains(e.drop, at) {
		return
	}
	_, there := o.Entries[at]
	other := at.OtherForm()
	_, inTheWay := o.Entries[other]
	inTheWay = inTheWay && e.at.Kind == model.ConfigMap && !slices.Contains(e.drop, other)
	_, inTheWayToo := e.set[other]
	switch {
	case inTheWayToo || inTheWay && e.way == serverApply:
		return // an apply cannot remove it
	case there && at != model.TrustBundle && e.way != serverApply && c.percent(35):
		e.drop = append(e.drop, at)
		return
	case inTheWay:
		e.drop = append(e.drop, other)
	}
	switch {
	case at == model.TrustBundle:
		e.set[at] = model.Value{Text: pemOf(c.numbers())}
	case at == model.SharedMark && c.percent(50):
		e.set[at] = model.Value{Text: pick(c, model.Marks...)}
	case at == model.Consent && c.percent(80):
		e.set[at] = model.Value{Text: "true"}
	case at.Section == model.Data && e.way != serverApply && c.percent(15):
		e.set[at] = model.Value{} // empty
	default:
		e.set[at] = model.Value{Text: c.unique("theirs")}
	}
}

// field returns an existing entry, or one that may or may not exist.
func (c *chance) field(kind string, o *model.Object) model.Field {
	if there := o.Fields(); len(there) > 0 && c.percent(60) {
		return pick(c, there...)
	}
	sections := []string{model.Data, model.Labels, model.Annotations}
	switch kind {
	case model.ConfigMap:
		sections = append(sections, model.BinaryData)
	case model.ClusterTrustBundle:
		sections = sections[1:]
	}
	section := pick(c, sections...)
	return model.Field{Section: section, Key: pick(c, foreignKeys(kind, section)...)}
}

// foreignKeys returns the keys that foreign clients use, some of which are also the
// operator's.
func foreignKeys(kind, section string) []string {
	switch section {
	case model.Data:
		keys := []string{pemKeys[0], pemKeys[1], "theirs.txt", "notes"}
		if kind == model.Secret {
			keys = append(keys, jksKey, p12Key)
		}
		return keys
	case model.BinaryData:
		return []string{jksKey, p12Key, "theirs.bin"}
	case model.Labels:
		return []string{"team", "theirs", "owner", model.BundleLabel.Key}
	}
	return []string{"note", "memo", "theirs", model.Hash.Key, model.SharedMark.Key, model.Consent.Key}
}

// keep adds the unchanged entries of an apply: entries applied before, which the apply
// would remove otherwise, and entries of the operator.
func (c *chance) keep(e *edit, o *model.Object) {
	again, claim := c.percent(60), c.percent(40)
	for _, at := range o.Fields() {
		_, set := e.set[at]
		_, clash := e.set[at.OtherForm()]
		now := o.Entries[at].Claims
		switch {
		case set || clash:
		case again && now&e.claims() != 0, claim && now.Ours() && !at.IsMark() && c.percent(50):
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

func list(set map[model.Field]model.Value) string {
	var parts []string
	for _, at := range slices.SortedFunc(maps.Keys(set), model.CompareFields) {
		parts = append(parts, fmt.Sprintf("%s=%s", at, set[at]))
	}
	return strings.Join(parts, " ")
}

// edit applies an edit to the model.
func (m *state) edit(e *edit) {
	o := m.Objects[e.at]
	m.remember(e.at)
	if e.clear {
		o.ClearManagers()
		m.cleared[e.at] = true
	}
	if e.way == serverApply {
		set := maps.Clone(e.set)
		for _, at := range e.keep {
			set[at] = o.Entries[at].Value
		}
		o.Apply(e.claims(), set)
		return
	}
	o.Update(e.claims(), e.set, e.drop...)
	switch e.owner {
	case ownerDropped:
		o.Owner = model.Owner{}
	case ownerNoController:
		o.Owner.Controller = false
	case ownerNotBlocking:
		o.Owner.Blocking = false
	}
}
