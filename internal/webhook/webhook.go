package webhook

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/source"
)

// Path returns the URL path of the webhook of an API kind (R3). Each path accepts all kinds.
func Path(adapter apis.Adapter) string {
	gvk := adapter.GroupVersionKind()
	return "/validate-" + strings.ReplaceAll(gvk.Group, ".", "-") + "-" + gvk.Version + "-" + strings.ToLower(gvk.Kind)
}

// Gatherer reads the sources of a bundle.
type Gatherer interface {
	Gather(ctx context.Context, spec bundle.Spec) (source.Gathered, error)
}

// CountNamespaces returns the number of namespaces that may get targets.
type CountNamespaces func(ctx context.Context) (int, error)

// NewHandler returns a handler of AdmissionReviews of version v1 for these API kinds, which must
// be registered in the scheme.
func NewHandler(adapters apis.Adapters, scheme *runtime.Scheme, sources Gatherer, namespaces CountNamespaces, clock clock.PassiveClock) *admission.Webhook {
	return &admission.Webhook{Handler: &handler{
		adapters:   adapters,
		decoder:    admission.NewDecoder(scheme),
		sources:    sources,
		namespaces: namespaces,
		clock:      clock,
	}}
}

type handler struct {
	adapters   apis.Adapters
	decoder    admission.Decoder
	sources    Gatherer
	namespaces CountNamespaces
	clock      clock.PassiveClock
}

// Handle admits every request that does not change the spec. It validates all others,
// and admits them with warnings about the current content of the sources.
func (h *handler) Handle(ctx context.Context, req admission.Request) admission.Response {
	switch req.Operation {
	case admissionv1.Create, admissionv1.Update:
	case admissionv1.Delete, admissionv1.Connect:
		return admission.Allowed("")
	default:
		return admission.Errored(http.StatusBadRequest, fmt.Errorf("unknown operation %q", req.Operation))
	}
	adapter := h.adapterOf(req)
	obj := adapter.New()
	if err := h.decoder.Decode(req, obj); err != nil {
		// The error may quote the object, which must not be echoed: it may be sent by
		// mistake.
		gvk := adapter.GroupVersionKind()
		return admission.Errored(http.StatusBadRequest, fmt.Errorf("the object is not a %s of %s", gvk.Kind, gvk.GroupVersion()))
	}
	if h.isUnchanged(req, adapter, obj) {
		return admission.Allowed("")
	}
	spec, problems := adapter.Spec(obj)
	if errs := check(spec, problems); len(errs) > 0 {
		return rejected(adapter, obj.GetName(), errs)
	}
	namespaces := 0
	if spec.NamespacesField != "" && spec.Namespaces.Empty() {
		var err error
		if namespaces, err = h.namespaces(ctx); err != nil {
			log.FromContext(ctx).Info("Omitting the number of namespaces from a warning", "cause", err.Error())
		}
	}
	return admission.Allowed("").WithWarnings(warnings(spec, namespaces, h.gather(ctx, spec), h.clock.Now())...)
}

// adapterOf returns the adapter of the API kind that a request is about. Any other kind is taken
// for the first one, which its object is not then.
func (h *handler) adapterOf(req admission.Request) apis.Adapter {
	for _, adapter := range h.adapters {
		if gvk := adapter.GroupVersionKind(); req.Kind.Group == gvk.Group && req.Kind.Kind == gvk.Kind {
			return adapter
		}
	}
	return h.adapters[0]
}

// isUnchanged reports whether an update leaves the spec unchanged. If the stored object
// cannot be decoded, it returns false, so that an update can repair it.
func (h *handler) isUnchanged(req admission.Request, adapter apis.Adapter, obj client.Object) bool {
	stored := adapter.New()
	if req.Operation != admissionv1.Update || h.decoder.DecodeRaw(req.OldObject, stored) != nil {
		return false
	}
	return adapter.HasSameSpec(stored, obj)
}

// rejected returns the response of an API server to an invalid object.
func rejected(adapter apis.Adapter, name string, errs field.ErrorList) admission.Response {
	status := apierrors.NewInvalid(adapter.GroupVersionKind().GroupKind(), name, errs).Status()
	return admission.Response{AdmissionResponse: admissionv1.AdmissionResponse{Result: &status}}
}

// gather reads the sources of the Bundle, except the default CA package and ClusterTrustBundles,
// which its author cannot correct. It reads them one by one, so that an error of one does not affect
// the others, and stops after [maxText] bytes.
func (h *handler) gather(ctx context.Context, spec bundle.Spec) []bundle.Input {
	var inputs []bundle.Input
	size := 0
	for _, src := range spec.Sources {
		if src.DefaultCAs || src.TrustBundle != nil {
			continue
		}
		single := spec
		single.Sources = []bundle.Source{src}
		gathered, err := h.sources.Gather(ctx, single)
		if err != nil {
			log.FromContext(ctx).Info("Skipping the warnings for a source that could not be read", "source", src.Field, "cause", err.Error())
			continue
		}
		for _, input := range gathered.Inputs {
			inputs = append(inputs, input)
			size += textSize(input)
		}
		if size > maxText {
			break
		}
	}
	return inputs
}
