package target

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/bundle"
)

// T12: an orphaning deletion keeps the data that the operator wrote and removes only its
// marks, so that nothing deletes the object later.
func TestDecideOrphaned(t *testing.T) {
	t.Parallel()
	orphaned := bundleDeleted()
	orphaned.Orphaned = true
	marks := confirmed(Action{Verb: Patch, UID: objectUID, ResourceVersion: version,
		Changes: Changes{Drop: dropped(label(bundleLabel), annotation(hashKey), annotation(sharedKey))}})
	for name, tc := range map[string]struct {
		object *Object
		action Action
	}{
		"shared":                        {object(withText("theirs", "x"), shared), marks},
		"shared, the foreign data gone": {object(shared), marks},
		"shared and immutable":          {object(withText("theirs", "x"), shared, immutable), marks},
		"not shared":                    {object(), Action{Verb: Skip, UID: objectUID, ResourceVersion: version}},
		"shared, being deleted":         {object(shared, deleting), Action{Verb: Skip, UID: objectUID, ResourceVersion: version}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, orphaned, Observed{State: Full, Object: tc.object}, tc.action)
		})
	}
}

// T6: a copy in which the label names another object is not released, whatever else it
// carries.
func TestReleaseLeavesCopies(t *testing.T) {
	t.Parallel()
	for name, copied := range map[string]*Object{"owned": object(), "shared": object(shared)} {
		for asked, want := range map[string]Desired{"deselected": deselected(), "gone": bundleDeleted()} {
			t.Run(name+", "+asked, func(t *testing.T) {
				t.Parallel()
				copied := *copied
				copied.Meta.Name = "copy"
				key := KeyOf(bundle.ID{Kind: bundle.APIBundle, Name: "copy"}, bundle.ConfigMap, "team-a")
				got := Decide(key, want, Observed{State: Full, Object: &copied})
				if got.Verb != Skip {
					t.Errorf("it gets %s, because %s", got.Verb, got.Reason)
				}
			})
		}
	}
}

// T8: a refusal states the reason and the remedy.
func TestRefusalsStateWhatToDo(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		want   Desired
		object *Object
		parts  []string
	}{
		"controlled by another": {wanted(), object(withOwners(deployment(true))), []string{"controlled by Deployment web", "delete it, or rename the Bundle"}},
		"immutable":             {wanted(), object(immutable, withText("ca.pem", "")), []string{"immutable and has different content", "save its foreign data and delete it"}},
		"immutable, unwanted":   {deselected(), object(immutable, withText("theirs", "")), []string{"immutable", "foreign data", "delete the object"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Decide(roots, tc.want, Observed{State: Full, Object: tc.object})
			for _, part := range tc.parts {
				if !strings.Contains(got.Reason, part) {
					t.Errorf("%q does not contain %q", got.Reason, part)
				}
			}
		})
	}
}

// A decision does not change its inputs: all targets share the shape and the desired
// state.
func TestDecideChangesNothing(t *testing.T) {
	t.Parallel()
	for _, one := range []*Object{
		object(), object(withText("theirs", "x")), object(tracked(), withoutLabel("team")), object(withOwners(ownedBy("older-uid"))),
	} {
		for _, want := range []Desired{wanted(), deselected(), bundleDeleted()} {
			wantBefore, objectBefore := want, *one
			if want.Shape != nil {
				copied := shape()
				wantBefore.Shape = copied
			}
			objectBefore.Meta = *one.Meta.DeepCopy()
			objectBefore.Text = maps.Clone(one.Text)
			Decide(roots, want, Observed{State: Full, Object: one})
			if diff := cmp.Diff(wantBefore, want); diff != "" {
				t.Errorf("the desired state changed:\n%s", diff)
			}
			if diff := cmp.Diff(objectBefore, *one, cmp.AllowUnexported(metav1.FieldsV1{})); diff != "" {
				t.Errorf("the object changed:\n%s", diff)
			}
		}
	}
}

// A ConfigMap that Kubernetes maintains in every namespace is never changed: pods need it
// to reach the API server. A Secret with that name is not special.
func TestDecideReserved(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"kube-root-ca.crt", "openshift-service-ca.crt"} {
		key := KeyOf(bundle.ID{Kind: bundle.APIBundle, Name: name}, bundle.ConfigMap, "team-a")
		for title, tc := range map[string]struct {
			want Desired
			seen Observed
			verb Verb
		}{
			"wanted":            {wanted(), Observed{State: Full, Object: object()}, Refuse},
			"wanted and absent": {wanted(), Observed{State: Absent}, Refuse},
			"not wanted":        {deselected(), Observed{State: Full, Object: object()}, Skip},
			"held, not wanted":  {deselected(), Observed{State: Cached, Holding: held(true)}, Skip},
		} {
			if action := Decide(key, tc.want, tc.seen); action.Verb != tc.verb || action.Reason == "" {
				t.Errorf("%s, %s: %s, because %s; want %s", name, title, action.Verb, action.Reason, tc.verb)
			}
		}
		key.Kind = bundle.Secret
		if action := Decide(key, wanted(), Observed{State: Absent}); action.Verb != Create {
			t.Errorf("a Secret %s: %s", name, action.Verb)
		}
	}
}

// T6: a value that another manager has applied too stays when it is no longer desired.
// Only entries that no other manager claims are removed.
func TestDecideValueOfTwo(t *testing.T) {
	t.Parallel()
	both := also(managed("applier", metav1.ManagedFieldsOperationApply, `{"f:metadata":{"f:annotations":{"f:note":{}}}}`))
	kept := Action{Verb: NoOp, UID: objectUID, ResourceVersion: version, Holding: held(false)}
	check(t, wanted(), Observed{State: Full, Object: object(both)}, kept)

	want := wanted()
	delete(want.Shape.Annotations, "note")
	want.Shape.Labels["team"] = "b"
	check(t, want, Observed{State: Full, Object: object(both)}, Action{
		Verb: Patch, UID: objectUID, ResourceVersion: version, Holding: held(false),
		Changes: Changes{Set: map[Field]string{label("team"): "b"}},
	})
	// A changed value ends the claim.
	check(t, wanted(), Observed{State: Full, Object: object(both, withAnnotation("note", "theirs"))}, Action{
		Verb: Replace, UID: objectUID, ResourceVersion: version, Holding: held(true),
	})
}

// T7: an object that is not tracked after a patch is read again, and then applied: a
// patch alone leaves it untracked.
func TestUntrackedObjectIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	tracked := metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{{Manager: FieldManager}}}
	for _, verb := range []Verb{Patch, Apply, Create, Replace} {
		action := Action{Verb: verb, Shape: shape()}
		if !action.IsMutated(&metav1.ObjectMeta{}) {
			t.Errorf("%s: an untracked object counts as what was sent", verb)
		}
		if whole := verb == Create || verb == Replace; action.IsMutated(&tracked) != whole {
			t.Errorf("%s: an object without data counts as what was sent: %t", verb, !whole)
		}
	}
}

// T6: a target that has not been read since it was written is read before it is replaced
// or deleted, and is left alone if it is in sync.
func TestDecideUnverified(t *testing.T) {
	t.Parallel()
	seen := Observed{State: Cached, UID: objectUID, ResourceVersion: version, Holding: held(true), Unverified: true}
	older := seen
	older.Holding.Digest = "older"
	for name, tc := range map[string]struct {
		want Desired
		seen Observed
		verb Verb
	}{
		"in sync":      {wanted(), seen, NoOp},
		"out of date":  {wanted(), older, Read},
		"not selected": {deselected(), seen, Read},
	} {
		if action := Decide(roots, tc.want, tc.seen); action.Verb != tc.verb {
			t.Errorf("%s: %s, want %s", name, action.Verb, tc.verb)
		}
	}
}
