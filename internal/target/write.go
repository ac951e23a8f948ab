package target

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"trust-manager.io/internal/bundle"
)

const (
	protobuf = "application/vnd.kubernetes.protobuf"
	// metadataOnly requests a response without the object's data: encoding that again
	// would take the API server most of the time of a write.
	metadataOnly = protobuf + ";as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
)

// resource returns the API resource of a kind.
func resource(kind bundle.Kind) string {
	if kind == bundle.Secret {
		return "secrets"
	}
	return "configmaps"
}

// Writer reads and writes target objects. It is safe for concurrent use.
type Writer struct {
	client  rest.Interface
	encoder runtime.Encoder
}

// NewWriter returns a Writer that uses the client configuration, but with the cheapest
// encoding (protobuf) and without a client-side rate limit: the API server's priority and
// fairness is the limiter.
func NewWriter(config *rest.Config, client *http.Client) (*Writer, error) {
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	if err := metav1.AddMetaToScheme(scheme); err != nil {
		return nil, err
	}
	config = rest.CopyConfig(config)
	config.APIPath = "/api"
	config.GroupVersion = &corev1.SchemeGroupVersion
	codecs := serializer.NewCodecFactory(scheme).WithoutConversion()
	config.NegotiatedSerializer = codecs
	config.ContentType = protobuf
	config.AcceptContentTypes = protobuf
	config.QPS = -1
	restClient, err := rest.RESTClientForConfigAndClient(config, client)
	if err != nil {
		return nil, err
	}
	encoder, err := encoderOf(codecs)
	if err != nil {
		return nil, err
	}
	return &Writer{restClient, encoder}, nil
}

// Read returns the target's object in full, or nil if it does not exist.
func (w *Writer) Read(ctx context.Context, key Key) (*Object, error) {
	request := w.client.Get().Namespace(key.Namespace).Resource(resource(key.Kind)).Name(key.Bundle)
	object, err := read(ctx, request, key.Kind)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return object, err
}

func read(ctx context.Context, request *rest.Request, kind bundle.Kind) (*Object, error) {
	if kind == bundle.Secret {
		var secret corev1.Secret
		if err := request.Do(ctx).Into(&secret); err != nil {
			return nil, err
		}
		return fromSecret(&secret), nil
	}
	var configMap corev1.ConfigMap
	if err := request.Do(ctx).Into(&configMap); err != nil {
		return nil, err
	}
	return fromConfigMap(&configMap), nil
}

// Written is the result of a write.
type Written struct {
	UID             string
	ResourceVersion string
	// Mutated reports that the object is not as it was sent, and has to be read: an
	// admission webhook may have changed it.
	Mutated bool
}

// Write carries out an action with one request. The result of a delete is empty.
func (w *Writer) Write(ctx context.Context, action Action) (Written, error) {
	request, err := w.request(action)
	if err != nil {
		return Written{}, err
	}
	if action.Verb == Delete {
		return Written{}, request.Do(ctx).Error()
	}
	var answer metav1.PartialObjectMetadata
	request = request.SetHeader("Accept", metadataOnly).Param("fieldManager", FieldManager)
	if err := request.Do(ctx).Into(&answer); err != nil {
		return Written{}, err
	}
	return Written{
		UID:             string(answer.UID),
		ResourceVersion: answer.ResourceVersion,
		Mutated:         action.isMutated(&answer.ObjectMeta),
	}, nil
}

// isMutated reports whether an object has to be read again after a write. That is so if it
// still has no managedFields, or if it was created or replaced and its metadata is not as
// it was sent: labels, annotations, owners, finalizers, and the keys of data that
// managedFields list. A key that a webhook adds to the data is in no managedFields entry,
// so only a read shows it.
func (a *Action) isMutated(answer *metav1.ObjectMeta) bool {
	if len(answer.ManagedFields) == 0 {
		return true
	}
	if a.Verb != Create && a.Verb != Replace {
		return false
	}
	keys := map[field]bool{}
	for _, entry := range answer.ManagedFields {
		collect(entry.FieldsV1, keys)
	}
	data := 0
	for at := range keys {
		if at.isData() {
			data++
		}
	}
	return data != len(a.Shape.Text)+len(a.Shape.Binary) || len(answer.Finalizers) > 0 || len(answer.OwnerReferences) != 1 ||
		!maps.Equal(answer.Labels, a.Shape.Labels) || !maps.Equal(answer.Annotations, a.Shape.Annotations)
}

// request returns the request of an action.
func (w *Writer) request(action Action) (*rest.Request, error) {
	var request *rest.Request
	switch action.Verb {
	case Create, Replace:
		body, err := encodeWhole(w.encoder, action.object())
		if err != nil {
			return nil, err
		}
		if action.Verb == Create {
			request = w.client.Post().Body(body).SetHeader("Content-Type", protobuf)
			return request.Namespace(action.Key.Namespace).Resource(resource(action.Key.Kind)), nil
		}
		request = w.client.Put().Body(body).SetHeader("Content-Type", protobuf)
	case Patch:
		body, err := action.Changes.patchBody(action.Key.Kind, action.UID, action.ResourceVersion)
		if err != nil {
			return nil, err
		}
		request = w.client.Patch(types.StrategicMergePatchType).Body(body)
	case Apply:
		body, err := action.applyBody()
		if err != nil {
			return nil, err
		}
		request = w.client.Patch(types.ApplyPatchType).Body(body)
		if action.UID != "" { // otherwise another client may have created it just now
			request = request.Param("force", "true")
		}
	case Delete:
		request = w.client.Delete().Body(action.deleteOptions())
	default:
		return nil, fmt.Errorf("the action %q sends no request", action.Verb)
	}
	return request.Namespace(action.Key.Namespace).Resource(resource(action.Key.Kind)).Name(action.Key.Bundle), nil
}

// object returns the object that a create or replace sends.
func (a *Action) object() runtime.Object {
	meta := metav1.ObjectMeta{
		Name:            a.Key.Bundle,
		Namespace:       a.Key.Namespace,
		UID:             types.UID(a.UID),
		ResourceVersion: a.ResourceVersion,
		Labels:          a.Shape.Labels,
		Annotations:     a.Shape.Annotations,
		OwnerReferences: []metav1.OwnerReference{a.Owner},
	}
	if a.Key.Kind == bundle.Secret {
		return &corev1.Secret{ObjectMeta: meta, Type: corev1.SecretTypeOpaque, Data: a.Shape.Binary}
	}
	return &corev1.ConfigMap{ObjectMeta: meta, Data: a.Shape.Text, BinaryData: a.Shape.Binary}
}

// applyBody returns the apply configuration that makes the API server track the operator's
// entries again, or that creates the object if RBAC allows no other way. It sets no owner
// reference: whether the object holds foreign data is unknown until it is read.
func (a *Action) applyBody() ([]byte, error) {
	meta := map[string]any{
		"name":        a.Key.Bundle,
		"namespace":   a.Key.Namespace,
		"labels":      a.Shape.Labels,
		"annotations": a.Shape.Annotations,
	}
	if a.UID != "" {
		meta["uid"], meta["resourceVersion"] = a.UID, a.ResourceVersion
	}
	body := map[string]any{"apiVersion": "v1", "kind": string(a.Key.Kind), "metadata": meta}
	if len(a.Shape.Text) > 0 {
		body[sectionData] = a.Shape.Text
	}
	if len(a.Shape.Binary) > 0 {
		body[binarySection(a.Key.Kind)] = a.Shape.Binary
	}
	return json.Marshal(body)
}

func (a *Action) deleteOptions() *metav1.DeleteOptions {
	uid := types.UID(a.UID)
	return &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &a.ResourceVersion}}
}
