package main

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"

	"trust-manager.io/api/trust/v1alpha1"
)

// together is how many raw requests are under way at a time, as the operator's
// --concurrency has it.
const together = 16

const metadataOnly = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

// newRawClient makes a client for the cheapest correct writes.
func newRawClient(config *rest.Config) (rest.Interface, error) {
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	if err := metav1.AddMetaToScheme(scheme); err != nil {
		return nil, err
	}
	config = rest.CopyConfig(config)
	config.APIPath, config.GroupVersion = "/api", &corev1.SchemeGroupVersion
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.DisableCompression = true
	config.QPS = -1
	return rest.RESTClientFor(config)
}

// rawWrites measures POST and PUT of the same bytes to as many namespaces, and
// deletes the objects again.
func (b *bench) rawWrites(ctx context.Context, create, replace *row) error {
	versions := make([]string, len(b.namespaces))
	write := func(verb func() *rest.Request, named bool) error {
		return b.each(func(i int) error {
			request := verb().Namespace(b.namespaces[i]).Resource("configmaps").SetHeader("Accept", metadataOnly)
			if named {
				request = request.Name("raw")
			}
			var written metav1.PartialObjectMetadata
			err := request.Body(b.rawObject(i, versions[i])).Do(ctx).Into(&written)
			versions[i] = written.ResourceVersion
			return err
		})
	}
	began := time.Now()
	if err := write(b.raw.Post, false); err != nil {
		return err
	}
	create.raw = append(create.raw, time.Since(began))
	began = time.Now()
	if err := write(b.raw.Put, true); err != nil {
		return err
	}
	replace.raw = append(replace.raw, time.Since(began))
	return b.each(func(i int) error {
		return b.raw.Delete().Namespace(b.namespaces[i]).Resource("configmaps").Name("raw").Do(ctx).Error()
	})
}

// rawObject is as large as a target. A replaced one differs in its content.
func (b *bench) rawObject(i int, resourceVersion string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Name: "raw", Namespace: b.namespaces[i], ResourceVersion: resourceVersion,
			Labels:      map[string]string{"bench/bundle": bundleName},
			Annotations: map[string]string{v1alpha1.BundleHashAnnotationKey: "0000000000000000000000000000000000000000000000000000000000000000"},
		},
		Data: map[string]string{bundleKey: string(b.bundle) + resourceVersion},
	}
}

// each runs work for each namespace, as many together as the raw limit has it.
func (b *bench) each(work func(i int) error) error {
	var (
		wait  sync.WaitGroup
		once  sync.Once
		fault error
		next  = make(chan int)
	)
	for range together {
		wait.Go(func() {
			for i := range next {
				if err := work(i); err != nil {
					once.Do(func() { fault = err })
				}
			}
		})
	}
	for i := range b.namespaces {
		next <- i
	}
	close(next)
	wait.Wait()
	return fault
}
