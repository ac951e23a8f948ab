package writer

import (
	"context"
	"fmt"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
)

const (
	protobuf = "application/vnd.kubernetes.protobuf"
	// metadataOnly requests a response without the object's data: encoding that again
	// would take the API server most of the time of a write.
	metadataOnly = protobuf + ";as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
)

// Writer reads and writes target objects. It is safe for concurrent use.
type Writer struct {
	client  rest.Interface
	encoder runtime.Encoder
}

// New returns a Writer that uses the client configuration, but with the cheapest encoding
// (protobuf) and without a client-side rate limit: the API server's priority and fairness
// is the limiter.
func New(config *rest.Config, client *http.Client) (*Writer, error) {
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
func (w *Writer) Read(ctx context.Context, key target.Key) (*target.Object, error) {
	object, err := read(ctx, addressed(w.client.Get(), key), key.Kind)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return object, err
}

func read(ctx context.Context, request *rest.Request, kind bundle.Kind) (*target.Object, error) {
	if kind == bundle.Secret {
		var secret corev1.Secret
		if err := request.Do(ctx).Into(&secret); err != nil {
			return nil, err
		}
		return target.FromSecret(&secret), nil
	}
	var configMap corev1.ConfigMap
	if err := request.Do(ctx).Into(&configMap); err != nil {
		return nil, err
	}
	return target.FromConfigMap(&configMap), nil
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
func (w *Writer) Write(ctx context.Context, action target.Action) (Written, error) {
	request, err := w.request(action)
	if err != nil {
		return Written{}, err
	}
	if action.Verb == target.Delete {
		return Written{}, request.Do(ctx).Error()
	}
	var response metav1.PartialObjectMetadata
	request = request.SetHeader("Accept", metadataOnly).Param("fieldManager", target.FieldManager)
	if err := request.Do(ctx).Into(&response); err != nil {
		return Written{}, err
	}
	return Written{
		UID:             string(response.UID),
		ResourceVersion: response.ResourceVersion,
		Mutated:         action.IsMutated(&response.ObjectMeta),
	}, nil
}

// request returns the request of an action.
func (w *Writer) request(action target.Action) (*rest.Request, error) {
	var request *rest.Request
	switch action.Verb {
	case target.Create, target.Replace:
		body, err := encodeObject(w.encoder, action.Object())
		if err != nil {
			return nil, err
		}
		if action.Verb == target.Create {
			return inCollection(w.client.Post(), action.Key).SetHeader("Content-Type", protobuf).Body(body), nil
		}
		request = w.client.Put().SetHeader("Content-Type", protobuf).Body(body)
	case target.Patch:
		body, err := action.PatchBody()
		if err != nil {
			return nil, err
		}
		request = w.client.Patch(types.StrategicMergePatchType).Body(body)
	case target.Apply:
		body, err := action.ApplyBody()
		if err != nil {
			return nil, err
		}
		request = w.client.Patch(types.ApplyPatchType).Body(body)
		if !action.CreatesByApply() {
			request = request.Param("force", "true")
		}
	case target.Delete:
		request = w.client.Delete().Body(action.DeleteOptions())
	default:
		return nil, fmt.Errorf("the action %q sends no request", action.Verb)
	}
	return addressed(request, action.Key), nil
}

// addressed completes a request that names the target's object.
func addressed(request *rest.Request, key target.Key) *rest.Request {
	return inCollection(request, key).Name(key.Bundle)
}

// inCollection completes a request to the collection of the target's object.
func inCollection(request *rest.Request, key target.Key) *rest.Request {
	return request.Namespace(key.Namespace).Resource(resource(key.Kind))
}

// resource returns the API resource of a kind.
func resource(kind bundle.Kind) string {
	if kind == bundle.Secret {
		return "secrets"
	}
	return "configmaps"
}
