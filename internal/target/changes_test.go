package target

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"trust-manager.io/internal/bundle"
)

// A patch has each change and its preconditions, and nothing else: entries that it does
// not mention stay.
func TestPatchBody(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		changes Changes
		want    string
	}{
		"nothing": {
			Changes{},
			`{"metadata":{"resourceVersion":"7","uid":"object-uid"}}`,
		},
		"values set in every map": {
			Changes{Set: map[Field]string{
				text("ca.pem"): "PEM\n", label("team"): "a", label("app"): "x", annotation("note"): "",
			}},
			`{"data":{"ca.pem":"PEM\n"},"metadata":{"annotations":{"note":""},"labels":{"app":"x","team":"a"},"resourceVersion":"7","uid":"object-uid"}}`,
		},
		"entries removed from every map": {
			Changes{Drop: dropped(text("old.pem"), binaryData("old.jks"), label("team"), annotation("note"))},
			`{"binaryData":{"old.jks":null},"data":{"old.pem":null},"metadata":{"annotations":{"note":null},"labels":{"team":null},"resourceVersion":"7","uid":"object-uid"}}`,
		},
		"a key moved from binaryData": {
			Changes{Set: map[Field]string{text("ca.pem"): "PEM\n"}, Drop: dropped(binaryData("ca.pem"))},
			`{"binaryData":{"ca.pem":null},"data":{"ca.pem":"PEM\n"},"metadata":{"resourceVersion":"7","uid":"object-uid"}}`,
		},
		"an owner set": {
			Changes{SetOwner: new(ownedBy(bundleUID))},
			`{"metadata":{"ownerReferences":[{"apiVersion":"trust.cert-manager.io/v1alpha1","kind":"Bundle","name":"roots","uid":"bundle-uid","controller":true,"blockOwnerDeletion":true}],"resourceVersion":"7","uid":"object-uid"}}`,
		},
		"owners removed": {
			Changes{DropOwners: []types.UID{"one", "two"}},
			`{"metadata":{"ownerReferences":[{"$patch":"delete","uid":"one"},{"$patch":"delete","uid":"two"}],"resourceVersion":"7","uid":"object-uid"}}`,
		},
		"an owner replaced": {
			Changes{DropOwners: []types.UID{"older-uid"}, SetOwner: new(ownedBy(bundleUID))},
			`{"metadata":{"ownerReferences":[{"$patch":"delete","uid":"older-uid"},{"apiVersion":"trust.cert-manager.io/v1alpha1","kind":"Bundle","name":"roots","uid":"bundle-uid","controller":true,"blockOwnerDeletion":true}],"resourceVersion":"7","uid":"object-uid"}}`,
		},
		"text that JSON escapes": {
			Changes{Set: map[Field]string{annotation(`a"b`): "<\u2028\\"}},
			`{"metadata":{"annotations":{"a\"b":"\u003c\u2028\\"},"resourceVersion":"7","uid":"object-uid"}}`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := tc.changes.patchBody(TypeOf(bundle.ConfigMap), objectUID, version)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, string(got)); diff != "" {
				t.Errorf("patch (-want +got):\n%s", diff)
			}
		})
	}
}

// Binary values are base64, and a Secret has them in data.
func TestPatchBodyBinary(t *testing.T) {
	t.Parallel()
	changes := Changes{Set: map[Field]string{text("a"): "\xff", binaryData("b"): "\xff"}, Drop: dropped(text("c"))}
	for kind, want := range map[bundle.Kind]string{
		bundle.ConfigMap: `{"binaryData":{"b":"/w=="},"data":{"a":"\ufffd","c":null},"metadata":{"resourceVersion":"7","uid":"object-uid"}}`,
		bundle.Secret:    `{"binaryData":{"b":"\ufffd"},"data":{"a":"/w==","c":null},"metadata":{"resourceVersion":"7","uid":"object-uid"}}`,
	} {
		got, err := changes.patchBody(TypeOf(kind), objectUID, version)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("patch of a %s (-want +got):\n%s", kind, diff)
		}
	}
}

// The apply that restores tracking has all entries of the operator, and no owner
// reference.
func TestApplyBody(t *testing.T) {
	t.Parallel()
	action := expected(Action{Verb: Apply, UID: objectUID, ResourceVersion: version}, wanted())
	got, err := action.ApplyBody(TypeOf(action.Key.Kind).GVK.GroupVersion())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"apiVersion":"v1","data":{"ca.pem":"PEM\n"},"kind":"ConfigMap","metadata":{` +
		`"annotations":{"note":"b","trust.cert-manager.io/hash":"digest"},` +
		`"labels":{"team":"a","trust.cert-manager.io/bundle":"roots"},` +
		`"name":"roots","namespace":"team-a","resourceVersion":"7","uid":"object-uid"}}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("apply (-want +got):\n%s", diff)
	}
}

// The apply that creates an object has no preconditions, and has binary values in the
// map of its kind.
func TestApplyBodyOfNewSecret(t *testing.T) {
	t.Parallel()
	key := roots
	key.Kind = bundle.Secret
	s := &Shape{Kind: bundle.Secret, Binary: map[string][]byte{"ca.pem": []byte("PEM\n")}, Labels: map[string]string{}, Annotations: map[string]string{}}
	action := Decide(key, Desired{Owner: ownedBy(bundleUID), Marks: &marks, Shape: s, Selected: true}, Observed{State: Absent, ByName: true})
	if action.Verb != Apply || action.RequireLiveBundle {
		t.Fatalf("action %+v, want an apply", action)
	}
	got, err := action.ApplyBody(TypeOf(action.Key.Kind).GVK.GroupVersion())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"apiVersion":"v1","data":{"ca.pem":"UEVNCg=="},"kind":"Secret","metadata":{"annotations":{},"labels":{},"name":"roots","namespace":"team-a"}}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("apply (-want +got):\n%s", diff)
	}
}
