package target

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	protocodec "k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/managedfields/managedfieldstest"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// server is an API server with room for one ConfigMap, in memory. Patches and
// the tracking of fields are the API server's own code; preconditions and
// validation are modelled, as far as they matter to the operator.
type server struct {
	tb       testing.TB
	managers *managedfields.FieldManager
	// live is the object, or nil.
	live *unstructured.Unstructured
	// last numbers resource versions and UIDs.
	last int
	// interfere, if set, runs once before the next request that changes
	// something: others write at the same time.
	interfere func()
	// webhook, if set, changes each object that is written, as a mutating
	// admission webhook does: after the fields have been tracked.
	webhook func(*corev1.ConfigMap)
	// requests are those served, as method and content type.
	requests []*http.Request
	bodies   [][]byte
}

var (
	configMaps    = corev1.Resource("configmaps")
	configMapKind = corev1.SchemeGroupVersion.WithKind("ConfigMap")
)

func newServer(tb testing.TB) *server {
	tb.Helper()
	converter := applyconfigurations.NewTypeConverter(scheme.Scheme)
	return &server{tb: tb, managers: managedfieldstest.NewFakeFieldManager(converter, configMapKind)}
}

// writer gives a Writer that talks to the server.
func (s *server) writer() *Writer {
	s.tb.Helper()
	writer, err := NewWriter(&rest.Config{Host: "http://server"}, &http.Client{Transport: s})
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

// serve gives the object to answer with.
func (s *server) serve(request *http.Request, body []byte) (runtime.Object, error) {
	if s.live == nil && request.Method != http.MethodPost {
		return nil, apierrors.NewNotFound(configMaps, "roots")
	}
	var err error
	manager := request.URL.Query().Get("fieldManager")
	switch request.Method {
	case http.MethodGet:
		return s.object(), nil
	case http.MethodDelete:
		return &metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: "Success"}, s.remove(body)
	case http.MethodPost:
		if s.live != nil {
			return nil, apierrors.NewAlreadyExists(configMaps, "roots")
		}
		err = s.put(s.decode(body), manager)
	case http.MethodPut:
		err = s.put(s.decode(body), manager)
	case http.MethodPatch:
		err = s.patch(request.Header.Get("Content-Type"), body, manager)
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
	return s.object(), nil
}

func (s *server) decode(body []byte) *corev1.ConfigMap {
	into := &corev1.ConfigMap{}
	if _, _, err := protocodec.NewSerializer(scheme.Scheme, scheme.Scheme).Decode(body, nil, into); err != nil {
		s.tb.Fatalf("a body is not protobuf: %v", err)
	}
	return into
}

// object gives the live object with its type, or nil.
func (s *server) object() *corev1.ConfigMap {
	if s.live == nil {
		return nil
	}
	object := &corev1.ConfigMap{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(s.live.Object, object); err != nil {
		s.tb.Fatal(err)
	}
	return object
}

func (s *server) patch(contentType string, body []byte, manager string) error {
	if contentType == string(types.ApplyPatchType) {
		applied := &unstructured.Unstructured{}
		if err := json.Unmarshal(body, &applied.Object); err != nil {
			return err
		}
		if err := s.precondition(applied.GetUID(), applied.GetResourceVersion()); err != nil {
			return err
		}
		applied.SetUID("")
		applied.SetResourceVersion("")
		result, err := s.managers.Apply(s.live.DeepCopy(), applied, manager, true)
		if err != nil {
			return err
		}
		return s.admit(result)
	}
	before, err := json.Marshal(s.object())
	if err != nil {
		return err
	}
	after, err := strategicpatch.StrategicMergePatch(before, body, corev1.ConfigMap{})
	if err != nil {
		return err
	}
	object := &corev1.ConfigMap{}
	if err := json.Unmarshal(after, object); err != nil {
		return err
	}
	return s.put(object, manager)
}

// put creates or replaces the object.
func (s *server) put(object *corev1.ConfigMap, manager string) error {
	object = object.DeepCopy()
	object.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}
	before := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}}
	if s.live != nil {
		if err := s.precondition(object.UID, object.ResourceVersion); err != nil {
			return err
		}
		before = s.live.DeepCopy()
		object.UID, object.DeletionTimestamp = s.live.GetUID(), s.live.GetDeletionTimestamp()
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return err
	}
	tracked, err := s.managers.Update(before, &unstructured.Unstructured{Object: content}, manager)
	if err != nil {
		return err
	}
	return s.admit(tracked)
}

// admit stores an object, after the webhook has seen it.
func (s *server) admit(tracked runtime.Object) error {
	object, ok := tracked.(*unstructured.Unstructured)
	if !ok {
		return fmt.Errorf("the field manager gave a %T", tracked)
	}
	if s.webhook == nil {
		return s.store(object)
	}
	candidate := *s
	candidate.live = object
	admitted := candidate.object()
	s.webhook(admitted)
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(admitted)
	if err != nil {
		return err
	}
	return s.store(&unstructured.Unstructured{Object: content})
}

// precondition refuses a write that was meant for another object, or for
// another version of it. Empty values set no condition.
func (s *server) precondition(uid types.UID, resourceVersion string) error {
	if uid != "" && uid != s.live.GetUID() || resourceVersion != "" && resourceVersion != s.live.GetResourceVersion() {
		return apierrors.NewConflict(configMaps, "roots", errors.New("the object has been modified"))
	}
	return nil
}

// store validates the object and makes it the live one. A write that changes
// nothing gives no new version.
func (s *server) store(object *unstructured.Unstructured) error {
	before := s.object()
	candidate := *s
	candidate.live = object
	after := candidate.object()
	if err := validate(before, after); err != nil {
		return err
	}
	if before != nil && after.DeletionTimestamp != nil && len(after.Finalizers) == 0 {
		s.live = nil
		return nil
	}
	if before == nil {
		s.last++
		object.SetUID(types.UID("uid-" + strconv.Itoa(s.last)))
	} else {
		object.SetResourceVersion(before.ResourceVersion)
		object.SetUID(before.UID)
		if apiequality.Semantic.DeepEqual(before, candidate.object()) {
			return nil
		}
	}
	s.last++
	object.SetResourceVersion(strconv.Itoa(s.last))
	s.live = object
	return nil
}

// validate is what the API server refuses of a ConfigMap.
func validate(before, after *corev1.ConfigMap) error {
	refuse := func(why string) error {
		return apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "put", configMaps, "roots", why, 0, true)
	}
	for key := range after.BinaryData {
		if _, twice := after.Data[key]; twice {
			return refuse("the key " + key + " stands in data and in binaryData")
		}
	}
	controllers := 0
	for _, owner := range after.OwnerReferences {
		if owner.Controller != nil && *owner.Controller {
			controllers++
		}
	}
	if controllers > 1 {
		return refuse("only one owner may be the controller")
	}
	if before != nil && before.Immutable != nil && *before.Immutable {
		if after.Immutable == nil || !*after.Immutable || !apiequality.Semantic.DeepEqual(before.Data, after.Data) ||
			!apiequality.Semantic.DeepEqual(before.BinaryData, after.BinaryData) {
			return refuse("the object is immutable")
		}
	}
	return nil
}

// remove deletes the object, or marks it where finalizers hold it.
func (s *server) remove(body []byte) error {
	options := &metav1.DeleteOptions{}
	if len(body) > 0 {
		if _, _, err := protocodec.NewSerializer(scheme.Scheme, scheme.Scheme).Decode(body, nil, options); err != nil {
			return err
		}
	}
	if p := options.Preconditions; p != nil {
		if err := s.precondition(*p.UID, *p.ResourceVersion); err != nil {
			return err
		}
	}
	if len(s.live.GetFinalizers()) > 0 {
		now := metav1.Now()
		s.live.SetDeletionTimestamp(&now)
		s.last++
		s.live.SetResourceVersion(strconv.Itoa(s.last))
		return nil
	}
	s.live = nil
	return nil
}

// edit changes the object as another client does. It does nothing where there
// is no object, or where the change would be refused.
func (s *server) edit(manager string, change func(*corev1.ConfigMap)) {
	object := s.object()
	if object == nil {
		return
	}
	if object.Data == nil {
		object.Data = map[string]string{}
	}
	if object.BinaryData == nil {
		object.BinaryData = map[string][]byte{}
	}
	if object.Labels == nil {
		object.Labels = map[string]string{}
	}
	if object.Annotations == nil {
		object.Annotations = map[string]string{}
	}
	change(object)
	_ = s.put(object, manager)
}
