package main

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/kinds"
)

const (
	// parallel is the number of concurrent requests of the raw client, equal to the
	// operator's --concurrency.
	parallel = 16
	// rawName is the name of the raw client's large objects, the prefix of the names of its
	// others, and the name of the Bundle that owns them, which has no target: targets have an
	// owner too.
	rawName      = "raw"
	metadataOnly = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
)

// rawClient only sends the cheapest correct writes: protobuf, metadata-only
// responses, no compression, no reads, no watches. It has one object in each namespace.
type rawClient struct {
	client rest.Interface
	owner  metav1.OwnerReference
	// name is the name of the objects.
	name string
	// content is the data of one object.
	content corev1.ConfigMap

	mu sync.Mutex
	// versions are the resource versions of the objects, by namespace.
	versions map[string]string
}

func newRawClient(ctx context.Context, s *stage) (*rawClient, error) {
	client, err := newCheapClient(s, corev1.SchemeGroupVersion)
	if err != nil {
		return nil, err
	}
	owner := s.bundle(rawName, false)
	owner.Spec.Target, owner.Spec.Sources = nil, owner.Spec.Sources[:1]
	if err := s.api.Create(ctx, owner); err != nil {
		return nil, err
	}
	yes := true
	return &rawClient{
		client: client, name: rawName, versions: map[string]string{},
		content: corev1.ConfigMap{Data: map[string]string{bundleKey: s.roots + s.sources[0]}},
		owner: metav1.OwnerReference{
			APIVersion: v1alpha1.GroupVersion.String(), Kind: v1alpha1.BundleKind, Name: rawName, UID: owner.UID,
			Controller: &yes, BlockOwnerDeletion: &yes,
		},
	}, nil
}

// small returns a client like this one with its own objects, whose content is that of a small Bundle.
func (c *rawClient) small(s *stage, name string) *rawClient {
	return &rawClient{
		client: c.client, owner: c.owner, name: rawName + "-" + name, versions: map[string]string{},
		content: corev1.ConfigMap{Data: map[string]string{bundleKey: s.sources[0] + s.two}},
	}
}

// newCheapClient returns a client for the objects of a version, with the cheapest encoding and under
// the operator's account, which has the same permissions and priority.
func newCheapClient(s *stage, version schema.GroupVersion) (rest.Interface, error) {
	scheme := runtime.NewScheme()
	err := errors.Join(corev1.AddToScheme(scheme), certificatesv1.AddToScheme(scheme), metav1.AddMetaToScheme(scheme))
	if err != nil {
		return nil, err
	}
	config, err := s.rig.AccountConfig()
	if err != nil {
		return nil, err
	}
	config.APIPath, config.GroupVersion = "/apis", &version
	if version.Group == "" {
		config.APIPath = "/api"
	}
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.ContentType = runtime.ContentTypeProtobuf
	config.DisableCompression = true
	return rest.RESTClientFor(config)
}

// object returns an object with everything that a target has.
func (c *rawClient) object(namespace, version string) *corev1.ConfigMap {
	object := c.content
	object.ObjectMeta = metav1.ObjectMeta{
		Name: c.name, Namespace: namespace, ResourceVersion: version,
		Labels:          map[string]string{observedLabel: "true", "bench-bundle": large},
		Annotations:     map[string]string{kinds.MarksOf(large).Hash: "0000000000000000000000000000000000000000000000000000000000000000"},
		OwnerReferences: []metav1.OwnerReference{c.owner},
	}
	if version != "" {
		object.Data = maps.Clone(object.Data)
		object.Data[bundleKey] += version // makes it a change
	}
	return &object
}

// write sends a request and records the resource version of the object.
func (c *rawClient) write(ctx context.Context, request *rest.Request, object *corev1.ConfigMap) error {
	var written metav1.PartialObjectMetadata
	request = request.Namespace(object.Namespace).Resource("configmaps").SetHeader("Accept", metadataOnly)
	if err := request.Body(object).Do(ctx).Into(&written); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.versions[object.Namespace] = written.ResourceVersion
	return nil
}

// version returns the resource version of the object in a namespace, or "".
func (c *rawClient) version(namespace string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.versions[namespace]
}

// post creates the object of a namespace. put replaces it, and remove deletes it.
func (c *rawClient) post(ctx context.Context, namespace string) error {
	return c.write(ctx, c.client.Post(), c.object(namespace, ""))
}

func (c *rawClient) put(ctx context.Context, namespace string) error {
	return c.write(ctx, c.client.Put().Name(c.name), c.object(namespace, c.version(namespace)))
}

func (c *rawClient) remove(ctx context.Context, namespace string) error {
	err := c.client.Delete().Namespace(namespace).Resource("configmaps").Name(c.name).Do(ctx).Error()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.versions, namespace)
	return err
}

// ensure makes the objects exist in all namespaces, or in none.
func (c *rawClient) ensure(ctx context.Context, namespaces []string, exist bool) error {
	return each(len(namespaces), func(i int) error {
		switch exists := c.version(namespaces[i]) != ""; {
		case exist && !exists:
			return c.post(ctx, namespaces[i])
		case exists && !exist:
			return c.remove(ctx, namespaces[i])
		}
		return nil
	})
}

// timed runs do in all namespaces and returns the duration in seconds.
func timed(ctx context.Context, namespaces []string, do func(context.Context, string) error) (float64, error) {
	start := time.Now()
	err := each(len(namespaces), func(i int) error { return do(ctx, namespaces[i]) })
	return time.Since(start).Seconds(), err
}

// each calls work for each number below count, with the concurrency of the raw
// client, and returns the first error.
func each(count int, work func(i int) error) error {
	var (
		wait  sync.WaitGroup
		once  sync.Once
		fault error
		next  = make(chan int)
	)
	for range parallel {
		wait.Go(func() {
			for i := range next {
				if err := work(i); err != nil {
					once.Do(func() { fault = err })
				}
			}
		})
	}
	for i := range count {
		next <- i
	}
	close(next)
	wait.Wait()
	return fault
}
