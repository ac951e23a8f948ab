package target

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"trust-manager.io/internal/bundle"
)

// Changes are the changes to an object that also holds foreign entries.
type Changes struct {
	// Set has the new values of entries.
	Set map[Field]string
	// Drop has the entries to remove.
	Drop map[Field]bool
	// SetOwner is the owner reference to add or repair, or nil.
	SetOwner *metav1.OwnerReference
	// DropOwners are the UIDs of owner references to remove.
	DropOwners []types.UID
}

func (c Changes) empty() bool {
	return len(c.Set) == 0 && len(c.Drop) == 0 && c.SetOwner == nil && len(c.DropOwners) == 0
}

// content reports whether data changes, which an immutable object does not allow.
func (c Changes) content() bool {
	for changed := range c.Set {
		if changed.isData() {
			return true
		}
	}
	for changed := range c.Drop {
		if changed.isData() {
			return true
		}
	}
	return false
}

// patchBody returns the changes as a strategic merge patch of an object of this type. It
// fails with a conflict if the object has changed since it was read.
func (c Changes) patchBody(typ *Type, uid, resourceVersion string) ([]byte, error) {
	sections := map[string]map[string]any{}
	put := func(field Field, value any) {
		if sections[field.Section] == nil {
			sections[field.Section] = map[string]any{}
		}
		sections[field.Section][field.Key] = value
	}
	for field, value := range c.Set {
		if typ.isBinary(field) {
			put(field, []byte(value))
		} else {
			put(field, value)
		}
	}
	for field := range c.Drop {
		put(field, nil)
	}
	meta := map[string]any{"uid": uid, "resourceVersion": resourceVersion}
	body := map[string]any{"metadata": meta}
	for name, section := range sections {
		if name == SectionLabels || name == SectionAnnotations {
			meta[name] = section
		} else {
			body[name] = section
		}
	}
	if owners := c.owners(); len(owners) > 0 {
		meta["ownerReferences"] = owners
	}
	return json.Marshal(body)
}

// owners returns the owner references as a list that a strategic merge patch merges by
// UID; a JSON merge patch would replace foreign ones.
func (c Changes) owners() []any {
	var owners []any
	for _, uid := range c.DropOwners {
		owners = append(owners, map[string]any{"$patch": "delete", "uid": uid})
	}
	if c.SetOwner != nil {
		owners = append(owners, c.SetOwner)
	}
	return owners
}

// difference is the difference between an object and its desired state.
type difference struct {
	changes Changes
	// clean reports that the object holds nothing foreign, and did not exist before.
	clean bool
	// mark is the mark that the object should have.
	mark bundle.Mark
	// isNew reports that the object existed before and becomes a target only now, and
	// conflicts are the keys of its data that differ from the desired ones, unless a user
	// has consented to their loss.
	isNew     bool
	conflicts []string
	// ownerMissing reports that the Bundle should own the object, and does not under any
	// UID.
	ownerMissing bool
}

// compare returns the difference between an object and its desired state.
func (i identity) compare(observed Observed, desired Desired) difference {
	object := observed.Object
	entries := object.entries()
	wanted := desired.Shape.entries()
	ours := object.written(desired.Shape)
	if desired.Shape.HashedDirectory {
		takeHashedNames(entries, ours)
	}
	stale, others := i.split(object, entries, ours, wanted)
	for field := range object.claimed() {
		// Another manager wrote the desired value too, so the entry stays when it is no
		// longer desired. An entry with another value is changed, which ends that claim.
		if value, isWanted := wanted[field]; isWanted && entries[field] == value && !i.isReserved(field) {
			others.any = true
		}
	}
	adopted, isNew := i.isAdopted(observed)
	d := difference{clean: !others.any && !object.Immutable && !adopted, isNew: isNew, mark: markOf(adopted, desired.Shape.Orphan, others.data)}
	if isNew && !desired.Overwrite && !i.hasConsent(object) {
		d.conflicts = conflicts(entries, wanted, stale, object.written(nil))
	}
	if d.mark != "" {
		mark := Field{SectionAnnotations, i.marks[0].Shared}
		wanted[mark] = string(d.mark)
		delete(stale, mark)
	}
	d.changes.Drop = stale
	d.changes.Set = map[Field]string{}
	for field, value := range wanted {
		if present, ok := entries[field]; !ok || present != value {
			d.changes.Set[field] = value
		}
	}
	d.ownerMissing = i.setOwner(&d.changes, object, desired.Owner, d.mark != "")
	return d
}

// consent is the value of the annotation by which a user consents to changes.
const consent = "true"

// markOf returns the mark that a target should have.
func markOf(adopted, orphan, shared bool) bundle.Mark {
	switch {
	case adopted && orphan:
		return bundle.AdoptedOrphanMark
	case adopted:
		return bundle.AdoptedMark
	case orphan:
		return bundle.OrphanMark
	case shared:
		return bundle.SharedMark
	}
	return ""
}

// takeHashedNames adds to the operator's entries all that have names of a hashed directory. Programs
// trust whatever is under them, so none may stay that is not of the bundle, even if another manager wrote it: a
// name disappears with its certificate, while other keys are overwritten.
func takeHashedNames(entries map[Field]string, ours map[Field]bool) {
	for field := range entries {
		if field.isData() && bundle.IsHashedName(field.Key) {
			ours[field] = true
		}
	}
}

// conflicts returns the sorted keys under which an object has other data than the desired
// one, in either form, or data to remove, which the operator has not written. An empty value is no
// content.
func conflicts(entries, wanted map[Field]string, stale, written map[Field]bool) (keys []string) {
	for field := range stale {
		_, isMoved := wanted[field.counterpart()]
		if field.isData() && !isMoved && entries[field] != "" && !written[field] {
			keys = append(keys, strconv.Quote(field.Key))
		}
	}
	for field, value := range wanted {
		if !field.isData() {
			continue
		}
		for _, form := range []Field{field, field.counterpart()} {
			if present := entries[form]; present != "" && present != value && !written[form] {
				keys = append(keys, strconv.Quote(field.Key))
			}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// removal is what to remove from an object to release it.
type removal struct {
	changes Changes
	// nothingLeft reports that nothing foreign would remain in the object.
	nothingLeft bool
}

// subtract returns what the operator has put into an object.
func (i identity) subtract(object *Object, desired Desired) removal {
	ours, others := i.split(object, object.entries(), object.written(desired.Shape), nil)
	if desired.Orphaned {
		maps.DeleteFunc(ours, func(field Field, _ bool) bool { return !i.isReserved(field) })
	}
	r := removal{changes: Changes{Drop: ours}, nothingLeft: !others.any}
	for _, reference := range object.Meta.OwnerReferences {
		if i.isOwner(reference) {
			r.changes.DropOwners = append(r.changes.DropOwners, reference.UID)
		}
	}
	return r
}

// foreign reports whether an object holds anything foreign, and whether that is data.
type foreign struct {
	any, data bool
}

// split separates the entries of an object that are the operator's and no longer desired
// (stale) from foreign ones.
func (i identity) split(object *Object, entries map[Field]string, written map[Field]bool, wanted map[Field]string) (stale map[Field]bool, others foreign) {
	stale = map[Field]bool{}
	for field := range entries {
		_, isWanted := wanted[field]
		_, hasCounterpart := wanted[field.counterpart()] // a Secret has one form only
		switch {
		case isWanted:
		case hasCounterpart || written[field] || i.isReserved(field):
			stale[field] = true
		default:
			others.any = true
			others.data = others.data || field.isData()
		}
	}
	others.any = others.any || len(object.Meta.Finalizers) > 0 || object.Typed
	for _, reference := range object.Meta.OwnerReferences {
		others.any = others.any || !i.isOwner(reference)
	}
	return stale, others
}

// counterpart returns the entry that excludes this one: the API server refuses an object
// with the same key in data and in binaryData.
func (f Field) counterpart() Field {
	switch f.Section {
	case SectionData:
		return Field{SectionBinaryData, f.Key}
	case SectionBinaryData:
		return Field{SectionData, f.Key}
	}
	return Field{}
}

// setOwner makes the Bundle the only owner of its kind and name, or removes it if
// the object has a mark, since garbage collection would delete the foreign data too. It
// reports whether the Bundle should own the object and does not under any UID.
func (i identity) setOwner(c *Changes, object *Object, owner metav1.OwnerReference, marked bool) (ownerMissing bool) {
	var upToDate bool
	ownerMissing = !marked
	for _, reference := range object.Meta.OwnerReferences {
		if !i.isOwner(reference) {
			continue
		}
		// Whether the other API kind's bundle still exists matters as well.
		ownerMissing = ownerMissing && i.isPeer(reference)
		switch {
		case marked || reference.UID != owner.UID || i.isPeer(reference):
			c.DropOwners = append(c.DropOwners, reference.UID)
		default:
			upToDate = sameOwner(reference, owner)
		}
	}
	if !marked && !upToDate {
		c.SetOwner = &owner
	}
	return ownerMissing
}

func sameOwner(a, b metav1.OwnerReference) bool {
	isTrue := func(p *bool) bool { return p != nil && *p }
	return a.APIVersion == b.APIVersion && a.UID == b.UID &&
		isTrue(a.Controller) == isTrue(b.Controller) && isTrue(a.BlockOwnerDeletion) == isTrue(b.BlockOwnerDeletion)
}

// entries returns all entries of the object's maps.
func (o *Object) entries() map[Field]string {
	return entriesOf(o.Kind, o.Text, o.Binary, o.Meta.Labels, o.Meta.Annotations)
}

// entries returns all entries of the shape.
func (s *Shape) entries() map[Field]string {
	return entriesOf(s.Kind, s.Text, s.Binary, s.Labels, s.Annotations)
}

func entriesOf(kind bundle.Kind, text map[string]string, binary map[string][]byte, labels, annotations map[string]string) map[Field]string {
	entries := make(map[Field]string, len(text)+len(binary)+len(labels)+len(annotations))
	for key, value := range binary {
		entries[Field{TypeOf(kind).binarySection, key}] = string(value)
	}
	collectEntries(entries, TypeOf(kind).textSection, text)
	collectEntries(entries, SectionLabels, labels)
	collectEntries(entries, SectionAnnotations, annotations)
	return entries
}

func collectEntries(into map[Field]string, section string, values map[string]string) {
	for key, value := range values {
		into[Field{section, key}] = value
	}
}
