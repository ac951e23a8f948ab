package writer

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
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

const (
	// maxObjects is how many objects are held in full at a time: decoding and deciding take
	// milliseconds. With labels and managedFields, an object of 1.5 MiB takes tens of MiB.
	maxObjects = 4
	// maxBuffer is the size in bytes up to which a buffer for reading is used again. Larger
	// objects are few, and their owners should not occupy memory for good.
	maxBuffer = 1 << 20
)

// Writer reads and writes target objects. It is safe for concurrent use.
type Writer struct {
	clients map[schema.GroupVersion]versionClient
	version func(bundle.Kind) (schema.GroupVersion, error)
	decoder runtime.Decoder
	// buffers has a buffer for each object that may still be held in full.
	buffers chan *bytes.Buffer
}

// versionClient is a client for the objects of one API version, and the encoder for them.
type versionClient struct {
	rest.Interface
	encoder runtime.Encoder
}

// New returns a Writer that uses the client configuration, but with the cheapest encoding
// (protobuf) and without a client-side rate limit: the API server's priority and fairness
// is the limiter. The function returns the version of a kind that the API server serves, and an
// error while it serves none; it is called for kinds whose version is discovered.
func New(config *rest.Config, client *http.Client, version func(bundle.Kind) (schema.GroupVersion, error)) (*Writer, error) {
	scheme := runtime.NewScheme()
	if err := metav1.AddMetaToScheme(scheme); err != nil {
		return nil, err
	}
	for typ := range target.Types() {
		typ.AddToScheme(scheme)
	}
	factory := serializer.NewCodecFactory(scheme)
	w := &Writer{
		clients: map[schema.GroupVersion]versionClient{},
		version: version,
		decoder: factory.UniversalDeserializer(),
		buffers: make(chan *bytes.Buffer, maxObjects),
	}
	for typ := range target.Types() {
		for _, version := range typ.Versions() {
			added, err := newClient(config, client, factory.WithoutConversion(), version)
			if err != nil {
				return nil, err
			}
			w.clients[version] = added
		}
	}
	for range maxObjects {
		w.buffers <- &bytes.Buffer{}
	}
	return w, nil
}

func newClient(config *rest.Config, client *http.Client, codecs runtime.NegotiatedSerializer, version schema.GroupVersion) (versionClient, error) {
	config = rest.CopyConfig(config)
	config.APIPath = "/apis"
	if version.Group == "" {
		config.APIPath = "/api"
	}
	config.GroupVersion = &version
	config.NegotiatedSerializer = codecs
	config.ContentType = protobuf
	config.AcceptContentTypes = protobuf
	config.QPS = -1
	restClient, err := rest.RESTClientForConfigAndClient(config, client)
	if err != nil {
		return versionClient{}, err
	}
	encoder, err := encoderOf(codecs, version)
	return versionClient{restClient, encoder}, err
}

// clientOf returns the client for the objects of a kind, and the version in which it is served.
func (w *Writer) clientOf(kind bundle.Kind) (versionClient, schema.GroupVersion, error) {
	version := target.TypeOf(kind).GVK.GroupVersion()
	if target.TypeOf(kind).IsDiscovered() {
		var err error
		if version, err = w.version(kind); err != nil {
			return versionClient{}, version, err
		}
	}
	return w.clients[version], version, nil
}

// Read calls a function with the target's object in full, or with nil if it does not exist.
// The function must not retain the object: its owner may have made it as large as the API
// server takes it, and only a few are held at a time. A read waits for its turn only once
// the API server has answered.
func (w *Writer) Read(ctx context.Context, key target.Key, use func(*target.Object)) error {
	client, _, err := w.clientOf(key.Kind)
	if err != nil {
		return err
	}
	body, err := addressed(client.Get(), key).Stream(ctx)
	if apierrors.IsNotFound(err) {
		use(nil)
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }() // everything that matters has been read
	var buffer *bytes.Buffer
	select {
	case buffer = <-w.buffers:
		defer func() { w.release(buffer) }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if _, err := buffer.ReadFrom(body); err != nil {
		return err
	}
	object, err := w.decode(buffer.Bytes(), key.Kind)
	if err != nil {
		return err
	}
	use(object)
	return nil
}

// release makes room for another object. The decoder copies what it decodes.
func (w *Writer) release(buffer *bytes.Buffer) {
	buffer.Reset()
	if buffer.Cap() > maxBuffer {
		buffer = &bytes.Buffer{}
	}
	w.buffers <- buffer
}

// decode decodes an object in any encoding that the API server may use.
func (w *Writer) decode(data []byte, kind bundle.Kind) (*target.Object, error) {
	typ := target.TypeOf(kind)
	object := typ.NewObject()
	_, _, err := w.decoder.Decode(data, nil, object)
	return typ.FromAPI(object), err
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
	client, version, err := w.clientOf(action.Key.Kind)
	if err != nil {
		return nil, err
	}
	var request *rest.Request
	switch action.Verb {
	case target.Create, target.Replace:
		body, err := encodeObject(client.encoder, action.Object())
		if err != nil {
			return nil, err
		}
		if action.Verb == target.Create {
			return inCollection(client.Post(), action.Key).SetHeader("Content-Type", protobuf).Body(body), nil
		}
		request = client.Put().SetHeader("Content-Type", protobuf).Body(body)
	case target.Patch:
		body, err := action.PatchBody()
		if err != nil {
			return nil, err
		}
		request = client.Patch(types.StrategicMergePatchType).Body(body)
	case target.Apply:
		body, err := action.ApplyBody(version)
		if err != nil {
			return nil, err
		}
		request = client.Patch(types.ApplyPatchType).Body(body)
		if !action.CreatesByApply() {
			request = request.Param("force", "true")
		}
	case target.Delete:
		request = client.Delete().Body(action.DeleteOptions())
	default:
		return nil, fmt.Errorf("the action %q sends no request", action.Verb)
	}
	return addressed(request, action.Key), nil
}

// addressed completes a request that names the target's object.
func addressed(request *rest.Request, key target.Key) *rest.Request {
	return inCollection(request, key).Name(key.Name)
}

// inCollection completes a request to the collection of the target's object.
func inCollection(request *rest.Request, key target.Key) *rest.Request {
	typ := target.TypeOf(key.Kind)
	return request.NamespaceIfScoped(key.Namespace, !typ.ClusterScoped).Resource(typ.Resource)
}
