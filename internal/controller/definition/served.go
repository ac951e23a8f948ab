package definition

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/request"
)

// servedInterval is how often it is checked which API kinds are served. A kind that has
// disappeared has to be missing twice in a row: without it, other Bundles may be active.
const servedInterval = 15 * time.Second

// ErrServedChanged reports that other API kinds are served than at the start.
var ErrServedChanged = errors.New("the API server serves other kinds of Bundles than before")

// Served knows which API kinds the API server serves, and the operator may list. It is safe for
// concurrent use once [Served.Find] has returned.
type Served struct {
	all    apis.Adapters
	client rest.Interface
	// reasons has why a kind was not served at the start.
	reasons map[bundle.APIKind]error
}

// NewServed returns a Served for these API kinds. Bundles are always served: the operator
// waits for them.
func NewServed(all apis.Adapters, config *rest.Config, httpClient *http.Client) (*Served, error) {
	client, err := discovery.NewDiscoveryClientForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, err
	}
	return &Served{all: all, client: client.RESTClient()}, nil
}

// Find returns the API kinds that are served and that the operator may list.
func (s *Served) Find(ctx context.Context) (served apis.Adapters, err error) {
	served, s.reasons, err = s.find(ctx)
	return served, err
}

// Hidden reports whether the operator may not list an API kind, so that it is unknown whether
// there are any objects of it.
func (s *Served) Hidden(kind bundle.APIKind) bool { return apierrors.IsForbidden(s.reasons[kind]) }

func (s *Served) find(ctx context.Context) (served apis.Adapters, reasons map[bundle.APIKind]error, err error) {
	reasons = map[bundle.APIKind]error{}
	for _, adapter := range s.all {
		err := s.check(ctx, adapter)
		switch {
		case err == nil:
			served = append(served, adapter)
		case apierrors.IsNotFound(err) || apierrors.IsForbidden(err):
			reasons[adapter.Marks().Kind] = err
		default:
			return nil, nil, err
		}
	}
	return served, reasons, nil
}

// check returns an error if an API kind is not served, or may not be listed.
func (s *Served) check(ctx context.Context, adapter apis.Adapter) error {
	kind, gvk := adapter.Marks().Kind, adapter.GroupVersionKind()
	if kind == bundle.APIBundle {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, request.Deadline)
	defer cancel()
	path := "/apis/" + gvk.GroupVersion().String()
	var resources metav1.APIResourceList
	if err := s.client.Get().AbsPath(path).Do(ctx).Into(&resources); err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	at := slices.IndexFunc(resources.APIResources, func(r metav1.APIResource) bool { return r.Kind == gvk.Kind })
	if at < 0 {
		return apierrors.NewNotFound(schema.GroupResource{Group: gvk.Group, Resource: gvk.Kind}, "")
	}
	path += "/" + resources.APIResources[at].Name
	metadata := "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
	if err := s.client.Get().AbsPath(path).Param("limit", "1").SetHeader("Accept", metadata).Do(ctx).Error(); err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	return nil
}

// Watch returns ErrServedChanged when other API kinds are served than the given ones, or nil
// when the context ends.
func (s *Served) Watch(ctx context.Context, served apis.Adapters) error {
	for kind, reason := range s.reasons {
		log.FromContext(ctx).Info("Objects of a kind are ignored, since its CustomResourceDefinition is not installed or the operator may not list it; "+
			"this is checked again every 15 s", "kind", kind.String(), "cause", reason.Error())
	}
	for gone := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(servedInterval):
		}
		now, _, err := s.find(ctx)
		switch {
		case err != nil || len(now) == len(served): // kinds only come and go one by one
			gone = 0
		case len(now) > len(served):
			return ErrServedChanged
		default:
			if gone++; gone == 2 {
				return ErrServedChanged
			}
		}
	}
}
