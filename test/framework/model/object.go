package model

import (
	"maps"
	"slices"
	"strings"
)

// Claims are the field managers of an entry, as managedFields records them.
type Claims uint8

// Field managers.
const (
	// ByOperator is trust-manager, by updates and patches.
	ByOperator Claims = 1 << iota
	// ByOperatorApply is trust-manager, by applies. Any client that uses the name counts
	// as the operator: that is how targets are taken over (T5).
	ByOperatorApply
	ByEditor
	ByApplier
	// ByNone is before-first-apply, to which the API server assigns all fields of an
	// untracked object at its first apply.
	ByNone
)

// Ours reports whether the operator counts an entry as its own: it has no other manager,
// and an entry in doubt is foreign (ADR 4).
func (c Claims) Ours() bool {
	return c&(ByOperator|ByOperatorApply) != 0 && c&(ByEditor|ByApplier) == 0
}

// Entry is the value of a field and its managers.
type Entry struct {
	Value  Value
	Claims Claims
}

// Object is the expected state of a ConfigMap or Secret that has the name of a Bundle.
type Object struct {
	Entries map[Field]Entry
	Owner   Owner
	// Untracked reports that managedFields were cleared and nothing was applied since:
	// the API server then records nothing for updates.
	Untracked bool
	// Known reports that this run of the operator has seen the object in sync, and
	// Adopted that it then existed before.
	Known, Adopted bool
}

// NewObject returns an object without entries.
func NewObject() *Object { return &Object{Entries: map[Field]Entry{}} }

// Clone returns a copy.
func (o *Object) Clone() *Object {
	copied := *o
	copied.Entries = maps.Clone(o.Entries)
	return &copied
}

// Fields returns the fields in order.
func (o *Object) Fields() []Field { return slices.SortedFunc(maps.Keys(o.Entries), CompareFields) }

// Holds reports whether an entry is a text.
func (o *Object) Holds(at Field, text string) bool { return o.Entries[at].Value == Value{Text: text} }

// Update does what an update or a patch by a manager does.
func (o *Object) Update(manager Claims, set map[Field]Value, drop ...Field) {
	if o.Untracked {
		manager = 0
	}
	for at, value := range set {
		if now, ok := o.Entries[at]; !ok || now.Value != value {
			o.Entries[at] = Entry{value, manager}
		}
	}
	for _, at := range drop {
		delete(o.Entries, at)
	}
}

// Apply does what a forced server-side apply by a manager does: an entry that the manager
// applied before and now omits is removed unless it has another manager.
func (o *Object) Apply(manager Claims, set map[Field]Value) {
	if o.Untracked {
		o.Untracked = false
		for at, now := range o.Entries {
			o.Entries[at] = Entry{now.Value, ByNone}
		}
	}
	for at, now := range o.Entries {
		if _, again := set[at]; again || now.Claims&manager == 0 {
			continue
		}
		now.Claims &^= manager
		o.Entries[at] = now
		if now.Claims == 0 {
			delete(o.Entries, at)
		}
	}
	for at, value := range set {
		if now, ok := o.Entries[at]; ok && now.Value == value {
			o.Entries[at] = Entry{value, now.Claims | manager}
		} else {
			o.Entries[at] = Entry{value, manager}
		}
	}
}

// ClearManagers does what clearing managedFields does.
func (o *Object) ClearManagers() {
	o.Untracked = true
	for at, now := range o.Entries {
		o.Entries[at] = Entry{Value: now.Value}
	}
}

// mark returns the mark of a target of a Bundle, or "" (T4).
func (o *Object) mark() string {
	now := o.Entries[SharedMark].Value
	if now.Format == "" && slices.Contains(Marks, now.Text) {
		return now.Text
	}
	return ""
}

// isAdopted reports whether the object existed before it became a target of a Bundle, and
// whether it is none yet.
func (o *Object) isAdopted(bundle string) (adopted, isNew bool) {
	isNew = !o.Known && !o.Holds(BundleLabel, bundle) && !o.Owner.Present
	return isNew || o.Known && o.Adopted || strings.HasPrefix(o.mark(), Adopted), isNew
}

// Refuses reports whether the operator must not change the object: it is no target of the
// Bundle yet and holds other content under a key of the shape (T5).
func (o *Object) Refuses(bundle string, overwrite bool, shape map[Field]Value) bool {
	if _, isNew := o.isAdopted(bundle); !isNew || overwrite || o.Holds(Consent, "true") {
		return false
	}
	for at, want := range shape {
		for _, form := range []Field{at, at.OtherForm()} {
			now, there := o.Entries[form]
			if there && at.IsData() && now.Value != want && now.Value != (Value{}) && !now.Claims.Ours() {
				return true
			}
		}
	}
	return false
}

// converge makes the object the desired target (T4, T6, T7, T15).
func (o *Object) converge(at Target, orphan bool, shape map[Field]Value) {
	adopted, _ := o.isAdopted(at.Bundle)
	adopted = adopted && at.Kind != ClusterTrustBundle
	o.Known, o.Adopted = true, adopted
	want := maps.Clone(shape)
	if o.Untracked {
		o.Apply(ByOperatorApply, shape) // once; then the normal way (ADR 4)
	}
	var stale []Field
	shared := false
	for at, now := range o.Entries {
		_, wanted := shape[at]
		_, otherForm := shape[at.OtherForm()]
		switch {
		case wanted:
		case at == SharedMark:
		case otherForm || now.Claims.Ours() || at.IsMark():
			stale = append(stale, at)
		default:
			shared = shared || at.IsData()
		}
	}
	o.Owner = Owner{}
	switch {
	case adopted && orphan:
		want[SharedMark] = Value{Text: AdoptedOrphan}
	case adopted:
		want[SharedMark] = Value{Text: Adopted}
	case orphan:
		want[SharedMark] = Value{Text: Orphan}
	case shared:
		want[SharedMark] = Value{Text: Shared}
	default:
		o.Owner = FullOwner
		stale = append(stale, SharedMark)
	}
	o.Update(ByOperator, want, stale...)
}

// isTargetOf reports whether an object that is not desired is the operator's to release:
// it is controlled by the Bundle, unless garbage collection handles it because the Bundle
// is gone, or it has a mark, unless that lets it outlive the Bundle (T6, T12, T15).
func (o *Object) isTargetOf(at Target, gone bool) bool {
	switch {
	case !o.Holds(BundleLabel, at.Bundle):
		return false
	case at.Kind == ClusterTrustBundle: // no other mark than that of one that outlives its Bundle
		return !gone && (o.Owner.Present && o.Owner.Controller || strings.HasSuffix(o.mark(), Orphan))
	case gone:
		return o.mark() != "" && !strings.HasSuffix(o.mark(), Orphan)
	}
	return o.Owner.Present && o.Owner.Controller || o.mark() != ""
}

// release removes what the operator wrote, and reports whether the object goes too. After a
// deletion that left the targets, only the marks are removed (ADR 7).
func (o *Object) release(shape map[Field]Value, orphaned bool) (gone bool) {
	adopted := strings.HasPrefix(o.mark(), Adopted)
	for at, now := range o.Entries {
		wanted, known := shape[at]
		ours := now.Claims.Ours() || o.Untracked && known && now.Value == wanted
		if at.IsMark() || ours && !orphaned {
			delete(o.Entries, at)
		}
	}
	o.Owner, o.Known = Owner{}, false
	return len(o.Entries) == 0 && !adopted
}

// expected returns the object that results from foreign entries where the operator writes
// a shape, or where it has released the object if shape is nil. It returns nil if no
// object should exist.
func expected(at Target, adopted, orphan bool, shape map[Field]Value, foreign map[Field]string) *Object {
	o := NewObject()
	o.Known, o.Adopted = true, adopted
	for field, text := range foreign {
		o.Entries[field] = Entry{Value{Text: text}, ByEditor}
	}
	if shape != nil {
		o.converge(at, orphan, shape)
	} else if len(foreign) == 0 || at.Kind == ClusterTrustBundle {
		return nil
	}
	return o
}
