package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/source"
)

// Path is the URL path of the webhook (R3).
const Path = "/validate-trust-cert-manager-io-v1alpha1-bundle"

// Gatherer reads the sources of a Bundle.
type Gatherer interface {
	Gather(ctx context.Context, spec bundle.Spec) (source.Gathered, error)
}

// CountNamespaces returns the number of namespaces that may get targets.
type CountNamespaces func(ctx context.Context) (int, error)

// NewHandler returns a handler of AdmissionReviews of version v1. Bundles must be
// registered in the scheme.
func NewHandler(scheme *runtime.Scheme, sources Gatherer, namespaces CountNamespaces, clock clock.PassiveClock) *admission.Webhook {
	return &admission.Webhook{Handler: &handler{
		decoder:    admission.NewDecoder(scheme),
		sources:    sources,
		namespaces: namespaces,
		clock:      clock,
	}}
}

type handler struct {
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
	var obj v1alpha1.Bundle
	if err := h.decoder.Decode(req, &obj); err != nil {
		// The error may quote the object, which must not be echoed: it may be sent by
		// mistake.
		return admission.Errored(http.StatusBadRequest, errors.New("the object is not a Bundle of "+v1alpha1.GroupVersion.String()))
	}
	if h.isUnchanged(req, &obj) {
		return admission.Allowed("")
	}
	spec, errs := check(&obj)
	if len(errs) > 0 {
		return rejected(&obj, errs)
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

// isUnchanged reports whether an update leaves the spec unchanged. If the stored Bundle
// cannot be decoded, it returns false, so that an update can repair the Bundle.
func (h *handler) isUnchanged(req admission.Request, obj *v1alpha1.Bundle) bool {
	var stored v1alpha1.Bundle
	if req.Operation != admissionv1.Update || h.decoder.DecodeRaw(req.OldObject, &stored) != nil {
		return false
	}
	return equality.Semantic.DeepEqual(stored.Spec, obj.Spec)
}

// rejected returns the response of an API server to an invalid object.
func rejected(obj *v1alpha1.Bundle, errs field.ErrorList) admission.Response {
	kind := v1alpha1.GroupVersion.WithKind(v1alpha1.BundleKind).GroupKind()
	status := apierrors.NewInvalid(kind, obj.Name, errs).Status()
	return admission.Response{AdmissionResponse: admissionv1.AdmissionResponse{Result: &status}}
}

// gather reads the sources of the Bundle, except the default CA package. It reads them
// one by one, so that an error of one does not affect the others, and stops after
// [maxText] bytes.
func (h *handler) gather(ctx context.Context, spec bundle.Spec) []bundle.Input {
	var inputs []bundle.Input
	size := 0
	for _, src := range spec.Sources {
		if src.DefaultCAs {
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
