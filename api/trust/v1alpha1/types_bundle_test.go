package v1alpha1

import (
	"encoding/json"
	"reflect"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// fullBundle returns a new Bundle in which every field is set, valid or not.
func fullBundle() *Bundle {
	yes, text, password := true, "text", "secret"
	selector := func() *LabelSelector {
		return &LabelSelector{
			MatchLabels:      map[string]string{"team": "a"},
			MatchExpressions: []LabelSelectorRequirement{{Key: "zone", Operator: metav1.LabelSelectorOpIn, Values: []string{"b"}}},
		}
	}
	object := func() *TargetObject {
		return &TargetObject{Key: "ca.pem", Metadata: TargetMetadata{
			Annotations: map[string]string{"note": "n"},
			Labels:      map[string]string{"app": "x"},
		}}
	}
	return &Bundle{
		TypeMeta:   metav1.TypeMeta{APIVersion: GroupVersion.String(), Kind: BundleKind},
		ObjectMeta: metav1.ObjectMeta{Name: "full"},
		Spec: BundleSpec{
			Sources: []BundleSource{
				{ConfigMap: &SourceObject{Name: "n", Key: "k"}},
				{Secret: &SourceObject{Selector: selector(), IncludeAllKeys: true}},
				{InLine: &text},
				{UseDefaultCAs: &yes},
			},
			Target: &BundleTarget{
				ConfigMap: object(),
				Secret:    object(),
				AdditionalFormats: &AdditionalFormats{
					JKS:    &JKS{Key: "ca.jks", Password: &password},
					PKCS12: &PKCS12{Key: "ca.p12", Password: &password, Profile: PKCS12ProfileModern2023},
				},
				NamespaceSelector: selector(),
			},
		},
		Status: BundleStatus{
			Conditions:       []metav1.Condition{{Type: BundleConditionSynced, Status: metav1.ConditionTrue, Reason: BundleReasonSynced}},
			DefaultCAVersion: "v1",
		},
	}
}

// A3 to A13: the JSON format matches the manifests of users.
func TestBundleJSON(t *testing.T) {
	const want = `{"kind":"Bundle","apiVersion":"trust.cert-manager.io/v1alpha1","metadata":{"name":"full"},` +
		`"spec":{"sources":[` +
		`{"configMap":{"name":"n","key":"k"}},` +
		`{"secret":{"selector":{"matchLabels":{"team":"a"},"matchExpressions":[{"key":"zone","operator":"In","values":["b"]}]},"includeAllKeys":true}},` +
		`{"inLine":"text"},` +
		`{"useDefaultCAs":true}],` +
		`"target":{` +
		`"configMap":{"key":"ca.pem","metadata":{"annotations":{"note":"n"},"labels":{"app":"x"}}},` +
		`"secret":{"key":"ca.pem","metadata":{"annotations":{"note":"n"},"labels":{"app":"x"}}},` +
		`"additionalFormats":{"jks":{"key":"ca.jks","password":"secret"},"pkcs12":{"key":"ca.p12","password":"secret","profile":"Modern2023"}},` +
		`"namespaceSelector":{"matchLabels":{"team":"a"},"matchExpressions":[{"key":"zone","operator":"In","values":["b"]}]}}},` +
		`"status":{"conditions":[{"type":"Synced","status":"True","lastTransitionTime":null,"reason":"Synced","message":""}],"defaultCAVersion":"v1"}}`
	got, err := json.Marshal(fullBundle())
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var back Bundle
	if err := json.Unmarshal(got, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(&back, fullBundle()) {
		t.Errorf("read back: got %+v, want %+v", &back, fullBundle())
	}
}

// Unset fields are omitted, so that applying a Bundle claims no field that it does not set.
func TestBundleJSONWithoutOptionalFields(t *testing.T) {
	off := false
	b := &Bundle{Spec: BundleSpec{
		Sources: []BundleSource{{UseDefaultCAs: &off}, {ConfigMap: &SourceObject{}}},
		Target:  &BundleTarget{ConfigMap: &TargetObject{Key: "k"}},
	}}
	const want = `{"metadata":{},"spec":{"sources":[{"useDefaultCAs":false},{"configMap":{}}],"target":{"configMap":{"key":"k"}}}}`
	got, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDeepCopySharesNothing(t *testing.T) {
	in := fullBundle()
	out := in.DeepCopy()
	if !reflect.DeepEqual(in, out) {
		t.Fatalf("the copy differs: got %+v, want %+v", out, in)
	}
	overwrite(reflect.ValueOf(out))
	if !reflect.DeepEqual(in, fullBundle()) {
		t.Errorf("a change of the copy changed the original: got %+v, want %+v", in, fullBundle())
	}
}

// overwrite sets every string and bool that is reachable from v to its zero
// value, in place.
func overwrite(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			overwrite(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				overwrite(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			overwrite(v.Index(i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			v.SetMapIndex(key, reflect.Zero(v.Type().Elem()))
		}
	case reflect.String, reflect.Bool:
		v.SetZero()
	}
}

func TestAddToScheme(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{BundleKind, "BundleList"} {
		if _, err := scheme.New(GroupVersion.WithKind(kind)); err != nil {
			t.Errorf("kind %s: %v", kind, err)
		}
	}
}
