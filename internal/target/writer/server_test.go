package writer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	protocodec "k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/managedfields/managedfieldstest"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
)

// server is an API server in memory, for one ConfigMap or Secret. Patches and the tracking
// of fields are the API server's own code; preconditions and validation are modelled as
// far as they matter to the operator.
type server struct {
	tb       testing.TB
	kind     bundle.Kind
	managers *managedfields.FieldManager
	// live is the object, or nil.
	live *unstructured.Unstructured
	// last numbers resource versions and UIDs.
	last int
	// interfere, if set, runs once before the next request that changes something, like a
	// concurrent writer.
	interfere func()
	// webhook, if set, changes each object that is written after the fields have been
	// tracked, like a mutating admission webhook.
	webhook func(*stored)
	// byName refuses a POST, like RBAC with resourceNames.
	byName bool
	// refuses, if set, is the response to every request.
	refuses error
	// requests are the requests served, and bodies their bodies.
	requests []*http.Request
	bodies   [][]byte
}

func newServer(tb testing.TB, kind bundle.Kind) *server {
	tb.Helper()
	converter := applyconfigurations.NewTypeConverter(scheme.Scheme)
	managers := managedfieldstest.NewFakeFieldManager(converter, corev1.SchemeGroupVersion.WithKind(kind.String()))
	return &server{tb: tb, kind: kind, managers: managers}
}

func (s *server) resource() schema.GroupResource {
	return corev1.Resource(target.TypeOf(s.kind).Resource)
}

// stored is the object of a server, of either kind. The data of a Secret is in Data; edits
// may put it into BinaryData.
type stored struct {
	metav1.ObjectMeta
	Immutable  *bool
	Data       map[string]string
	BinaryData map[string][]byte
	Type       corev1.SecretType
}

// typed returns the object as an API type.
func (o *stored) typed(kind bundle.Kind) runtime.Object {
	meta := metav1.TypeMeta{APIVersion: "v1", Kind: kind.String()}
	if kind == bundle.ConfigMap {
		return &corev1.ConfigMap{TypeMeta: meta, ObjectMeta: o.ObjectMeta, Immutable: o.Immutable, Data: o.Data, BinaryData: o.BinaryData}
	}
	data := maps.Clone(o.BinaryData)
	for key, value := range o.Data {
		if data == nil {
			data = map[string][]byte{}
		}
		data[key] = []byte(value)
	}
	return &corev1.Secret{TypeMeta: meta, ObjectMeta: o.ObjectMeta, Immutable: o.Immutable, Data: data, Type: cmp.Or(o.Type, corev1.SecretTypeOpaque)}
}

// whole returns the object as the operator reads it.
func (o *stored) whole(kind bundle.Kind) *target.Object {
	switch object := o.typed(kind).(type) {
	case *corev1.Secret:
		return target.TypeOf(bundle.Secret).FromAPI(object)
	case *corev1.ConfigMap:
		return target.TypeOf(bundle.ConfigMap).FromAPI(object)
	}
	return nil
}

// storedOf converts an API type.
func storedOf(from runtime.Object) *stored {
	switch from := from.(type) {
	case *corev1.Secret:
		o := &stored{ObjectMeta: from.ObjectMeta, Immutable: from.Immutable, Type: from.Type}
		for key, value := range from.Data {
			if o.Data == nil {
				o.Data = map[string]string{}
			}
			o.Data[key] = string(value)
		}
		return o
	case *corev1.ConfigMap:
		return &stored{ObjectMeta: from.ObjectMeta, Immutable: from.Immutable, Data: from.Data, BinaryData: from.BinaryData}
	}
	return nil
}

// empty returns an object of the server's kind to decode into.
func (s *server) empty() runtime.Object { return (&stored{}).typed(s.kind) }

// writer returns a Writer that uses the server.
func (s *server) writer() *Writer {
	s.tb.Helper()
	writer, err := New(&rest.Config{Host: "http://server"}, &http.Client{Transport: s}, preferred)
	if err != nil {
		s.tb.Fatal(err)
	}
	return writer
}

// RoundTrip serves one request.
func (s *server) RoundTrip(request *http.Request) (*http.Response, error) {
	var body []byte
	if request.Body != nil {
		var err error
		if body, err = io.ReadAll(request.Body); err != nil {
			return nil, err
		}
	}
	s.requests, s.bodies = append(s.requests, request), append(s.bodies, body)
	if request.Method != http.MethodGet && s.interfere != nil {
		interfere := s.interfere
		s.interfere = nil
		interfere()
	}
	object, err := s.serve(request, body)
	code := http.StatusOK
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		refusal := status.Status()
		refusal.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
		object, code = &refusal, int(refusal.Code)
	} else if err != nil {
		return nil, err
	}
	var answer bytes.Buffer
	if err := protocodec.NewSerializer(scheme.Scheme, scheme.Scheme).Encode(object, &answer); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: code, Header: http.Header{"Content-Type": {"application/vnd.kubernetes.protobuf"}},
		Body: io.NopCloser(&answer), Request: request,
	}, nil
}

// serve returns the object of the response.
func (s *server) serve(request *http.Request, body []byte) (runtime.Object, error) {
	if s.refuses != nil {
		return nil, s.refuses
	}
	apply := request.Header.Get("Content-Type") == string(types.ApplyPatchType)
	if s.live == nil && request.Method != http.MethodPost && !apply {
		return nil, apierrors.NewNotFound(s.resource(), "roots")
	}
	var err error
	manager := request.URL.Query().Get("fieldManager")
	switch request.Method {
	case http.MethodGet:
		return s.object().typed(s.kind), nil
	case http.MethodDelete:
		return &metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: "Success"}, s.remove(body)
	case http.MethodPost:
		switch {
		case s.byName:
			return nil, apierrors.NewForbidden(s.resource(), "", errors.New("the request has no name"))
		case s.live != nil:
			return nil, apierrors.NewAlreadyExists(s.resource(), "roots")
		}
		err = s.put(s.decode(body), manager)
	case http.MethodPut:
		err = s.put(s.decode(body), manager)
	case http.MethodPatch:
		if apply {
			err = s.apply(body, manager, request.URL.Query().Get("force") == "true")
		} else {
			err = s.patch(body, manager)
		}
	}
	if err != nil {
		return nil, err
	}
	if strings.Contains(request.Header.Get("Accept"), "as=PartialObjectMetadata") {
		return &metav1.PartialObjectMetadata{
			TypeMeta:   metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "PartialObjectMetadata"},
			ObjectMeta: s.object().ObjectMeta,
		}, nil
	}
	return s.object().typed(s.kind), nil
}

func (s *server) decode(body []byte) *stored {
	into := s.empty()
	if _, _, err := protocodec.NewSerializer(scheme.Scheme, scheme.Scheme).Decode(body, nil, into); err != nil {
		s.tb.Fatalf("a body is not protobuf: %v", err)
	}
	return storedOf(into)
}

// object returns the live object, or nil.
func (s *server) object() *stored {
	if s.live == nil {
		return nil
	}
	object := s.empty()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(s.live.Object, object); err != nil {
		s.tb.Fatal(err)
	}
	return storedOf(object)
}

func (s *server) patch(body []byte, manager string) error {
	before, err := json.Marshal(s.object().typed(s.kind))
	if err != nil {
		return err
	}
	after, err := strategicpatch.StrategicMergePatch(before, body, s.empty())
	if err != nil {
		return err
	}
	object := s.empty()
	if err := json.Unmarshal(after, object); err != nil {
		return err
	}
	return s.put(storedOf(object), manager)
}

// apply changes the object, or creates it.
func (s *server) apply(body []byte, manager string, force bool) error {
	applied := &unstructured.Unstructured{}
	if err := json.Unmarshal(body, &applied.Object); err != nil {
		return err
	}
	before := s.nothing()
	if s.live != nil {
		if err := s.precondition(applied.GetUID(), applied.GetResourceVersion()); err != nil {
			return err
		}
		before = s.live.DeepCopy()
	} else if applied.GetUID() != "" {
		return apierrors.NewConflict(s.resource(), "roots", errors.New("the object does not exist"))
	}
	applied.SetUID("")
	applied.SetResourceVersion("")
	result, err := s.managers.Apply(before, applied, manager, force)
	if err != nil {
		return err
	}
	return s.admit(result)
}

// nothing returns the empty object from which tracking of fields starts.
func (s *server) nothing() *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": s.kind.String()}}
}
