package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/api/trustmanager/v1alpha2"
	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/source"
)

// gatherer returns a text for every object, or an error, and records the requested fields.
type gatherer struct {
	text  string
	fails map[string]bool
	asked []string
}

func (g *gatherer) Gather(_ context.Context, spec bundle.Spec) (source.Gathered, error) {
	var gathered source.Gathered
	for _, src := range spec.Sources {
		g.asked = append(g.asked, src.Field)
		if g.fails[src.Field] {
			return source.Gathered{}, errors.New("no connection")
		}
		text := src.Text
		if src.Object != nil {
			text = g.text
		}
		gathered.Inputs = append(gathered.Inputs, bundle.Input{Origin: certs.Origin{Field: src.Field}, Texts: []bundle.Text{{PEM: text}}})
	}
	return gathered, nil
}

func threeNamespaces(context.Context) (int, error) { return 3, nil }

func newTestHandler(tb testing.TB, sources Gatherer) http.Handler {
	tb.Helper()
	scheme := runtime.NewScheme()
	if err := apis.AddToScheme(scheme); err != nil {
		tb.Fatal(err)
	}
	return NewHandler(apis.All(), scheme, sources, threeNamespaces, clocktesting.NewFakePassiveClock(now)).WithRecoverPanic(false)
}

// review returns the JSON of an AdmissionReview. An object can be nil, JSON text or a
// value to marshal.
func review(tb testing.TB, operation admissionv1.Operation, asked, stored any) string {
	tb.Helper()
	raw := func(object any) (extension runtime.RawExtension) {
		if text, ok := object.(string); ok {
			extension.Raw = []byte(text)
		} else if object != nil {
			extension.Raw = marshal(tb, object)
		}
		return extension
	}
	kind := v1alpha1.GroupVersion.WithKind(v1alpha1.BundleKind)
	if _, isCluster := asked.(*v1alpha2.ClusterBundle); isCluster {
		kind = v1alpha2.GroupVersion.WithKind(v1alpha2.ClusterBundleKind)
	}
	return string(marshal(tb, admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID: "the-uid", Operation: operation, Name: "example", Kind: metav1.GroupVersionKind(kind),
			Object: raw(asked), OldObject: raw(stored),
		},
	}))
}

func marshal(tb testing.TB, object any) []byte {
	tb.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// post sends a body as the API server does, and returns the response.
func post(tb testing.TB, handler http.Handler, body string) *admissionv1.AdmissionResponse {
	tb.Helper()
	request := httptest.NewRequest(http.MethodPost, bundlePath, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	var answer admissionv1.AdmissionReview
	if err := json.NewDecoder(bytes.NewReader(recorder.Body.Bytes())).Decode(&answer); err != nil || answer.Response == nil {
		tb.Fatalf("not an AdmissionReview with a response: %v: %s", err, recorder.Body)
	}
	return answer.Response
}

// R3: admissions, rejections and warnings, by operation.
func TestHandle(t *testing.T) {
	t.Parallel()
	leaf := certificate{leaf: true}.pem()
	good, suspicious := bundleOf(root()), bundleOf(leaf)
	invalid := bundleOf(leaf, func(s *v1alpha1.BundleSpec) { s.Target.ConfigMap.Key = "a/b" })
	labelled := invalid.DeepCopy()
	labelled.Labels = map[string]string{"a": "b"}
	for name, tc := range map[string]struct {
		operation     admissionv1.Operation
		asked, stored any
		code          int32
		warnings      int
	}{
		"create":                      {admissionv1.Create, good, nil, 200, 0},
		"create with a warning":       {admissionv1.Create, suspicious, nil, 200, 1},
		"create an invalid spec":      {admissionv1.Create, invalid, nil, 422, 0},
		"change the spec":             {admissionv1.Update, suspicious, good, 200, 1},
		"change to an invalid spec":   {admissionv1.Update, invalid, good, 422, 0},
		"repair the spec":             {admissionv1.Update, good, invalid, 200, 0},
		"keep an invalid spec":        {admissionv1.Update, labelled, invalid, 200, 0},
		"keep a spec with warnings":   {admissionv1.Update, suspicious, suspicious, 200, 0},
		"an unreadable stored Bundle": {admissionv1.Update, good, `{"spec": 1}`, 200, 0},
		"no stored Bundle":            {admissionv1.Update, suspicious, nil, 200, 1},
		"delete":                      {admissionv1.Delete, nil, invalid, 200, 0},
		"delete an unreadable Bundle": {admissionv1.Delete, nil, `{"spec": 1}`, 200, 0},
		"connect":                     {admissionv1.Connect, nil, nil, 200, 0},
		"no operation":                {"", good, nil, 400, 0},
		"an unknown operation":        {"APPLY", good, nil, 400, 0},
		"no object":                   {admissionv1.Create, nil, nil, 400, 0},
		"an object of another kind":   {admissionv1.Create, `{"apiVersion": "v1", "kind": "ConfigMap"}`, nil, 400, 0},
		"a Bundle of another version": {admissionv1.Create, `{"apiVersion": "trust.cert-manager.io/v2", "kind": "Bundle"}`, nil, 400, 0},
		"an empty Bundle":             {admissionv1.Create, `{"apiVersion": "trust.cert-manager.io/v1alpha1", "kind": "Bundle"}`, nil, 200, 0},
		"a Bundle with a null for sources": {admissionv1.Create,
			`{"apiVersion": "trust.cert-manager.io/v1alpha1", "kind": "Bundle", "spec": {"sources": [null, {"configMap": null}], "target": {"additionalFormats": null}}}`, nil, 200, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := post(t, newTestHandler(t, &gatherer{}), review(t, tc.operation, tc.asked, tc.stored))
			if got.UID != "the-uid" || got.Allowed != (tc.code == 200) || got.Result == nil || got.Result.Code != tc.code || len(got.Warnings) != tc.warnings {
				t.Errorf("UID %q, allowed %t, result %+v, warnings %q; want code %d and %d warnings",
					got.UID, got.Allowed, got.Result, got.Warnings, tc.code, tc.warnings)
			}
			wantNoSecrets(t, string(marshal(t, got)))
		})
	}
}

// A rejection has the format of the API server's own: a reason, and a cause with the field.
func TestRefusalIsAStatus(t *testing.T) {
	t.Parallel()
	invalid := bundleOf("x", func(s *v1alpha1.BundleSpec) { s.Target.ConfigMap.Key = "a/b" })
	got := post(t, newTestHandler(t, &gatherer{}), review(t, admissionv1.Create, invalid, nil)).Result
	if got.Reason != metav1.StatusReasonInvalid || got.Details == nil || got.Details.Kind != "Bundle" || got.Details.Name != "example" {
		t.Fatalf("status %+v", got)
	}
	if len(got.Details.Causes) != 1 || got.Details.Causes[0].Field != "spec.target.configMap.key" {
		t.Errorf("causes %+v", got.Details.Causes)
	}
}

// Sources are read one by one, so a failing source causes no rejection and does not affect
// the others. The default CA package is not read.
func TestGatheringFails(t *testing.T) {
	t.Parallel()
	yes, text := true, root()
	asked := bundleOf(text, func(s *v1alpha1.BundleSpec) {
		read := &v1alpha1.SourceObject{Name: "o", Key: "k"}
		s.Sources = append(s.Sources, v1alpha1.BundleSource{ConfigMap: read}, v1alpha1.BundleSource{UseDefaultCAs: &yes}, v1alpha1.BundleSource{Secret: read})
	})
	sources := &gatherer{text: certificate{leaf: true}.pem(), fails: map[string]bool{"spec.sources[1].configMap": true}}
	got := post(t, newTestHandler(t, sources), review(t, admissionv1.Create, asked, nil))
	if diff := cmp.Diff([]string{"spec.sources[0].inLine", "spec.sources[1].configMap", "spec.sources[3].secret"}, sources.asked); diff != "" {
		t.Errorf("sources that were read (-want +got):\n%s", diff)
	}
	if !got.Allowed || len(got.Warnings) != 1 || !strings.HasPrefix(got.Warnings[0], "spec.sources[3].secret: block 1: not a CA") {
		t.Errorf("allowed %t, warnings %q", got.Allowed, got.Warnings)
	}
}

// Reading stops at the size limit for warnings.
func TestGatheringIsBounded(t *testing.T) {
	t.Parallel()
	asked := bundleOf("x", func(s *v1alpha1.BundleSpec) {
		s.Sources = slices.Repeat([]v1alpha1.BundleSource{{ConfigMap: &v1alpha1.SourceObject{Name: "o", Key: "k"}}}, 100)
	})
	sources := &gatherer{text: root() + strings.Repeat("#\n", 1<<19)}
	got := post(t, newTestHandler(t, sources), review(t, admissionv1.Create, asked, nil))
	if len(sources.asked) != 4 || len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "not checked for warnings") {
		t.Errorf("%d sources of 1 MiB were read, warnings %q; want 4, and one warning", len(sources.asked), got.Warnings)
	}
}

// For any body, the handler neither panics nor admits an object that it could not decode,
// and its warnings respect the limits.
func FuzzAdmission(f *testing.F) {
	leaf := certificate{leaf: true}.pem()
	good, suspicious := bundleOf(root()), bundleOf(leaf)
	invalid := bundleOf(leaf, func(s *v1alpha1.BundleSpec) {
		s.Target.ConfigMap.Key = "a/b"
		s.Target.AdditionalFormats = &v1alpha1.AdditionalFormats{JKS: &v1alpha1.JKS{Key: "j"}, PKCS12: &v1alpha1.PKCS12{Key: "p", Password: new("\U0001f600")}}
	})
	selecting := bundleOf(leaf, func(s *v1alpha1.BundleSpec) {
		selector := &v1alpha1.LabelSelector{MatchExpressions: []v1alpha1.LabelSelectorRequirement{{Key: "k", Operator: "In", Values: []string{"v"}}}}
		s.Sources = append(s.Sources, v1alpha1.BundleSource{Secret: &v1alpha1.SourceObject{Selector: selector, IncludeAllKeys: true}})
		s.Target.NamespaceSelector = selector
	})
	for _, seed := range []string{
		"", "{", "null", "[]", `{"kind": "AdmissionReview"}`, `{"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": null}`,
		`{"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1beta1", "request": {"operation": "CREATE"}}`,
		review(f, admissionv1.Create, good, nil), review(f, admissionv1.Create, suspicious, nil), review(f, admissionv1.Create, invalid, nil),
		review(f, admissionv1.Create, selecting, nil), review(f, admissionv1.Update, suspicious, good), review(f, admissionv1.Update, suspicious, `{"spec": 1}`),
		review(f, admissionv1.Delete, nil, good), review(f, admissionv1.Create, `{"spec": [null]}`, nil),
	} {
		f.Add(seed)
	}
	handler := newTestHandler(f, &gatherer{text: leaf})
	f.Fuzz(func(t *testing.T, body string) {
		got := post(t, handler, body)
		if !got.Allowed && (got.Result == nil || got.Result.Code < 400) {
			t.Errorf("rejected with %+v, want an error code", got.Result)
		}
		if !json.Valid([]byte(body)) && got.Allowed {
			t.Error("admitted invalid JSON")
		}
		if len(got.Warnings) > maxWarnings {
			t.Errorf("%d warnings", len(got.Warnings))
		}
		for _, warning := range got.Warnings {
			if len(warning) > maxWarning {
				t.Errorf("%d bytes of warning: %s", len(warning), warning)
			}
		}
	})
}
