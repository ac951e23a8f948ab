package target

import (
	"maps"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/bundle"
)

// secret returns the Secret target of the Bundle roots as the operator has created it,
// with changes.
func secret(changes ...func(*Object)) *Object {
	o := object()
	o.Kind = bundle.Secret
	o.Binary = map[string][]byte{"ca.pem": []byte("PEM\n")}
	o.Text = nil
	for _, change := range changes {
		change(o)
	}
	return o
}

func typed(o *Object) { o.Typed = true }

// Decisions about a Secret are as about a ConfigMap, with one map for all data.
func TestDecideSecret(t *testing.T) {
	t.Parallel()
	theirs := also(managed("kubectl", metav1.ManagedFieldsOperationUpdate, `{"f:data":{"f:theirs":{}}}`))
	share := patch(Changes{Set: map[Field]string{annotation(sharedKey): "true"}, DropOwners: owners})
	drop := remove(Changes{Drop: oursDropped(), DropOwners: owners})
	put := patch(Changes{Set: map[Field]string{text("ca.pem"): "PEM\n"}})
	cases := map[string]decisions{
		"T11 in sync":      {secret(), noOp(true), erase, skip},
		"T7 value changed": {secret(withBinary("ca.pem", "other")), replace(), erase, skip},
		"T7 key deleted":   {secret(func(o *Object) { clear(o.Binary) }), replace(), erase, skip},
		"T4 foreign data":  {secret(withBinary("theirs", "x"), theirs), share, drop, skip},
		"T6 stale key": {
			secret(withBinary("old.jks", "x"), also(managed(FieldManager, metav1.ManagedFieldsOperationApply, `{"f:data":{"f:old.jks":{}}}`))),
			replace(), erase, skip,
		},
		"T8 immutable": {secret(immutable, withBinary("ca.pem", "other")), Action{Verb: Refuse, Holding: held(false)}, erase, skip},
		"a type of its own, in sync: it is never deleted":        {secret(typed), noOp(false), drop, skip},
		"a type of its own, value changed: it is never replaced": {secret(typed, withBinary("ca.pem", "other")), put, drop, skip},
		"a type of its own, without the key":                     {secret(typed, func(o *Object) { clear(o.Binary) }), put, remove(Changes{Drop: dropped(label(bundleLabel), label("team"), annotation(hashKey), annotation("note")), DropOwners: owners}), skip},
		"a type of its own, foreign data":                        {secret(typed, withBinary("theirs", "x"), theirs), share, drop, skip},
		"managedFields cleared, value changed": {
			secret(tracked(), withBinary("ca.pem", "other")), Action{Verb: Apply, Holding: held(true)},
			remove(Changes{Drop: dropped(label(bundleLabel), label("team"), annotation(hashKey), annotation("note")), DropOwners: owners}), skip,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for asked, one := range map[string]struct {
				want   Desired
				action Action
			}{"wanted": {wantedOf(bundle.Secret), tc.wanted}, "deselected": {deselectedOf(bundle.Secret), tc.deselected}, "gone": {bundleDeleted(), tc.gone}} {
				action := expected(one.action, one.want)
				action.Key, action.UID, action.ResourceVersion = keyOf(bundle.Secret), objectUID, version
				got := Decide(action.Key, one.want, Observed{State: Full, Object: tc.object})
				if diff := sameAction(action, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", asked, diff)
				}
			}
		})
	}
}

func deselectedOf(kind bundle.Kind) Desired {
	want := wantedOf(kind)
	want.Selected = false
	return want
}

// A Secret's type is foreign if it is not the default one.
func TestTyped(t *testing.T) {
	t.Parallel()
	for kind, want := range map[corev1.SecretType]bool{
		"": false, corev1.SecretTypeOpaque: false, corev1.SecretTypeTLS: true, corev1.SecretTypeBasicAuth: true, "example.com/own": true,
	} {
		if got := fromSecret(&corev1.Secret{Type: kind}).Typed; got != want {
			t.Errorf("%q: typed = %t", kind, got)
		}
	}
}

// T2, T7: in a ConfigMap, a store that was moved to text is moved back, and one that was
// changed is repaired.
func TestDecideStoreOfConfigMap(t *testing.T) {
	t.Parallel()
	want := wanted()
	want.Shape.Binary = map[string][]byte{"ca.jks": {0xfe, 0xed}}
	for name, o := range map[string]*Object{
		"changed": object(withBinary("ca.jks", "other")),
		"emptied": object(withBinary("ca.jks", "")),
		"gone":    object(),
		"moved":   object(withText("ca.jks", "\xfe\xed"), also(managed("kubectl", metav1.ManagedFieldsOperationUpdate, `{"f:data":{"f:ca.jks":{}}}`))),
	} {
		got := Decide(roots, want, Observed{State: Full, Object: o})
		if got.Verb != Replace || !maps.Equal(got.Shape.Text, want.Shape.Text) {
			t.Errorf("%s: %s, because %s", name, got.Verb, got.Reason)
		}
	}
	if got := Decide(roots, want, Observed{State: Full, Object: object(withBinary("ca.jks", "\xfe\xed"))}); got.Verb != NoOp {
		t.Errorf("in sync: %s, because %s", got.Verb, got.Reason)
	}
}
