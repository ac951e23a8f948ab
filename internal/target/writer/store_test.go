package writer

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	protocodec "k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
)

// put creates or replaces the object.
func (s *server) put(from *stored, manager string) error {
	copied := *from
	object := &copied
	before := s.nothing()
	if s.live != nil {
		if err := s.precondition(object.UID, object.ResourceVersion); err != nil {
			return err
		}
		before = s.live.DeepCopy()
		object.UID, object.DeletionTimestamp = s.live.GetUID(), s.live.GetDeletionTimestamp()
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object.typed(s.kind))
	if err != nil {
		return err
	}
	tracked, err := s.managers.Update(before, &unstructured.Unstructured{Object: content}, manager)
	if err != nil {
		return err
	}
	return s.admit(tracked)
}

// admit runs the webhook and stores the object.
func (s *server) admit(tracked runtime.Object) error {
	object, ok := tracked.(*unstructured.Unstructured)
	if !ok {
		return fmt.Errorf("the field manager returned a %T", tracked)
	}
	if s.webhook == nil {
		return s.store(object)
	}
	candidate := *s
	candidate.live = object
	admitted := candidate.object()
	s.webhook(admitted)
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(admitted.typed(s.kind))
	if err != nil {
		return err
	}
	return s.store(&unstructured.Unstructured{Object: content})
}

// precondition refuses a write to another object or version. Empty values set no
// condition.
func (s *server) precondition(uid types.UID, resourceVersion string) error {
	if uid != "" && uid != s.live.GetUID() || resourceVersion != "" && resourceVersion != s.live.GetResourceVersion() {
		return apierrors.NewConflict(s.resource(), "roots", errors.New("the object has been modified"))
	}
	return nil
}

// store validates the object and makes it the live one. A write that changes nothing does
// not change the resource version.
func (s *server) store(object *unstructured.Unstructured) error {
	before := s.object()
	candidate := *s
	candidate.live = object
	after := candidate.object()
	if why := refusal(before, after); why != "" {
		return apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "put", s.resource(), "roots", why, 0, true)
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

// refusal returns the reason why the API server refuses an object, or "".
func refusal(before, after *stored) string {
	for key := range after.BinaryData {
		if _, twice := after.Data[key]; twice {
			return "the key " + key + " is in data and in binaryData"
		}
	}
	controllers := 0
	for _, owner := range after.OwnerReferences {
		if owner.Controller != nil && *owner.Controller {
			controllers++
		}
	}
	switch {
	case controllers > 1:
		return "only one owner may be the controller"
	case after.Type == corev1.SecretTypeBasicAuth && after.Data["username"] == "":
		return "a Secret of this type must have a user name"
	case before == nil:
	case cmp.Or(before.Type, corev1.SecretTypeOpaque) != cmp.Or(after.Type, corev1.SecretTypeOpaque):
		return "the type cannot be changed"
	case before.Immutable != nil && *before.Immutable &&
		(after.Immutable == nil || !*after.Immutable || !apiequality.Semantic.DeepEqual(before.Data, after.Data) ||
			!apiequality.Semantic.DeepEqual(before.BinaryData, after.BinaryData)):
		return "the object is immutable"
	}
	return ""
}

// remove deletes the object, or marks it as deleted if it has finalizers.
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

// edit changes the object like another client. It does nothing if the object does not
// exist or the change would be refused.
func (s *server) edit(manager string, change func(*stored)) {
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
