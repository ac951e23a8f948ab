package writer

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
)

// FuzzObject checks, for any object that a tenant may have created under the name of a
// target: deciding does not panic; the action concerns only that object, at the observed
// version; a foreign value is never overwritten, deleted or removed; and only content of
// the bundle is written.
func FuzzObject(f *testing.F) {
	for _, seed := range objectSeeds() {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	writer, err := New(&rest.Config{Host: "http://api"}, http.DefaultClient, preferred)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte, others bool) {
		for _, kind := range kinds {
			object := decoded(kind, text)
			if object == nil {
				return
			}
			object.Meta.Name, object.Meta.Namespace = roots.Name, roots.Namespace // as the API server has it
			if others = others && !strings.Contains(string(text), foreignKey); others {
				if object.Binary == nil {
					object.Binary = map[string][]byte{}
				}
				object.Binary[foreignKey] = []byte("theirs")
			}
			for _, want := range []target.Desired{wantedOf(kind), {Owner: ownedBy(bundleUID), Marks: marks, Shape: of(kind, shape())}, {Owner: ownedBy(bundleUID), Marks: marks}, bundleDeleted()} {
				checkAction(t, writer, target.Decide(keyOf(kind), want, target.Observed{State: target.Full, Object: object}), object, want, others)
			}
		}
	})
}

// foreignKey is a foreign key that no managedFields record lists.
const foreignKey = "theirs.of.the.test"

func objectSeeds() []string {
	controller := `"ownerReferences": [{"apiVersion": "trust.cert-manager.io/v1alpha1", "kind": "Bundle", "name": "roots", "uid": "bundle-uid", "controller": true, "blockOwnerDeletion": true}]`
	labels := `"labels": {"` + bundleLabel + `": "roots", "team": "a"}, "annotations": {"` + hashKey + `": "digest", "note": "b"}`
	fields := func(manager, record string) string {
		return `"managedFields": [{"manager": "` + manager + `", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": ` + record + `}]`
	}
	list := []string{
		`{}`, `{"data": {"ca.pem": "theirs"}}`, `{"binaryData": {"ca.pem": "AA=="}}`, `{"metadata": {"annotations": {"` + adoptKey + `": "true"}}, "data": {"ca.pem": "theirs"}}`,
		`{"metadata": {` + labels + `, ` + controller + `}, "data": {"ca.pem": "PEM\n"}}`,
		`{"metadata": {` + labels + `, ` + controller + `, ` + fields(target.FieldManager, `{"f:data": {"f:ca.pem": {}, ".": {}}, "f:metadata": {"f:labels": {"f:team": {}}}}`) + `}, "data": {"ca.pem": "PEM\n"}}`,
		`{"metadata": {"annotations": {"` + sharedKey + `": "true"}, "labels": {"` + bundleLabel + `": "roots"}}, "data": {"ca.pem": "other", "more": ""}}`,
		`{"metadata": {"finalizers": ["a/b"], "deletionTimestamp": "2026-01-01T00:00:00Z"}, "immutable": true}`,
		`{"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "roots", "uid": "u", "controller": true}]}}`,
		`{"metadata": {"ownerReferences": [{"apiVersion": "trust.cert-manager.io/v9/x", "kind": "Bundle", "name": "roots"}, {"uid": "bundle-uid"}]}}`,
	}
	for _, record := range []string{`[]`, `null`, `{"f:data": []}`, `{"f:data": {"k:{}": {}}}`, `{"f:metadata": {"f:labels": null}}`, `{"f:data": {"f:": {}}}`, `"f:data"`} {
		list = append(list, `{"metadata": {`+labels+`, `+fields(target.FieldManager, record)+`}, "data": {"ca.pem": "x"}, "binaryData": {"b": "AA=="}}`,
			`{"metadata": {`+labels+`, `+fields("kubectl", record)+`}, "data": {"ca.pem": "x"}}`)
	}
	return list
}

// decoded reads JSON as an object of the kind; nil if that fails.
func decoded(kind bundle.Kind, text []byte) *target.Object {
	if kind == bundle.Secret {
		var secret corev1.Secret
		if json.Unmarshal(text, &secret) != nil {
			return nil
		}
		return target.TypeOf(bundle.Secret).FromAPI(&secret)
	}
	var configMap corev1.ConfigMap
	if json.Unmarshal(text, &configMap) != nil {
		return nil
	}
	return target.TypeOf(bundle.ConfigMap).FromAPI(&configMap)
}

func checkAction(t *testing.T, writer *Writer, action target.Action, object *target.Object, want target.Desired, others bool) {
	t.Helper()
	if action.Key != keyOf(object.Kind) {
		t.Fatalf("it is about %s", action.Key)
	}
	if !slices.Contains([]target.Verb{target.Replace, target.Patch, target.Apply, target.Delete}, action.Verb) {
		return
	}
	if action.UID != string(object.Meta.UID) || action.ResourceVersion != object.Meta.ResourceVersion {
		t.Errorf("%s of %s at %s, seen was %s at %s", action.Verb, action.UID, action.ResourceVersion, object.Meta.UID, object.Meta.ResourceVersion)
	}
	if others && (action.Verb == target.Replace || action.Verb == target.Delete) {
		t.Errorf("%s of an object with foreign data", action.Verb)
	}
	for at := range action.Changes.Drop {
		if at.Key == foreignKey {
			t.Error("foreign data is removed")
		}
	}
	entries := map[target.Field]string{}
	if want.Selected && want.Shape != nil && action.Verb == target.Patch {
		entries = entriesOfShape(want.Shape)
	}
	for at, value := range action.Changes.Set {
		isMark := want.Selected && at == annotation(sharedKey) && slices.Contains([]string{"true", "adopted"}, value)
		if !isMark && entries[at] != value {
			t.Errorf("%s writes %v, which the bundle does not have", action.Verb, at)
		}
	}
	isStranger := object.Meta.Labels[bundleLabel] != "roots" && len(object.Meta.OwnerReferences) == 0 &&
		len(object.Meta.ManagedFields) == 0 && object.Meta.Annotations[adoptKey] != "true"
	if text := object.Text["ca.pem"] + string(object.Binary["ca.pem"]); isStranger && text != "" && text != "PEM\n" {
		t.Errorf("%s of an object that has other content", action.Verb)
	}
	request, err := writer.request(action)
	if err != nil {
		t.Fatal(err)
	}
	if path := "/api/v1/namespaces/team-a/" + target.TypeOf(object.Kind).Resource + "/roots"; request.URL().Path != path {
		t.Errorf("%s goes to %s, want %s", action.Verb, request.URL(), path)
	}
}
