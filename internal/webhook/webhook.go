// Package webhook answers the API server about Bundles that are created or
// changed: it refuses the few that the rules of the CustomResourceDefinition
// cannot, and warns of what is legal and usually wrong.
//
// What always holds: a change that leaves the spec as it is is never refused, and
// a deletion never touched; a source that cannot be read refuses nothing; no
// answer shows anything of a certificate, since whoever may write Bundles need
// not be allowed to read Secrets.
//
// What is refused and what is warned of is decided in refuse.go and warn.go, which
// are pure. Nothing is altered, and nothing here is needed for the operator's own
// work.
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

// Path is where the API server asks (R3).
const Path = "/validate-trust-cert-manager-io-v1alpha1-bundle"

// Gatherer reads the sources of a Bundle.
type Gatherer interface {
	Gather(ctx context.Context, spec bundle.Spec) (source.Gathered, error)
}

// NewHandler makes what answers the API server's AdmissionReviews, of version 1.
// The scheme has to know Bundles.
func NewHandler(scheme *runtime.Scheme, sources Gatherer, clock clock.PassiveClock) *admission.Webhook {
	return &admission.Webhook{Handler: &handler{
		decoder: admission.NewDecoder(scheme),
		sources: sources,
		clock:   clock,
	}}
}

type handler struct {
	decoder admission.Decoder
	sources Gatherer
	clock   clock.PassiveClock
}

// Handle answers one request: whatever leaves the spec alone is admitted as it
// is; the rest is converted, checked, and admitted with warnings about its
// sources as they are now.
func (h *handler) Handle(ctx context.Context, request admission.Request) admission.Response {
	switch request.Operation {
	case admissionv1.Create, admissionv1.Update:
	case admissionv1.Delete, admissionv1.Connect:
		return admission.Allowed("")
	default:
		return admission.Errored(http.StatusBadRequest, fmt.Errorf("there is no operation %q", request.Operation))
	}
	var asked v1alpha1.Bundle
	if err := h.decoder.Decode(request, &asked); err != nil {
		// The cause may quote the object, and what is sent by mistake is not repeated.
		return admission.Errored(http.StatusBadRequest, errors.New("the object is not a Bundle of "+v1alpha1.GroupVersion.String()))
	}
	if h.isUnchanged(request, &asked) {
		return admission.Allowed("")
	}
	spec, faults := check(&asked)
	if len(faults) > 0 {
		return refused(&asked, faults)
	}
	return admission.Allowed("").WithWarnings(warnings(spec, h.gather(ctx, spec), h.clock.Now())...)
}

// isUnchanged says whether the spec is what it was. A stored Bundle that cannot be
// read is no reason to refuse one that puts it right.
func (h *handler) isUnchanged(request admission.Request, asked *v1alpha1.Bundle) bool {
	var stored v1alpha1.Bundle
	if request.Operation != admissionv1.Update || h.decoder.DecodeRaw(request.OldObject, &stored) != nil {
		return false
	}
	return equality.Semantic.DeepEqual(stored.Spec, asked.Spec)
}

// refused answers as the API server itself does for an invalid object.
func refused(asked *v1alpha1.Bundle, faults field.ErrorList) admission.Response {
	kind := v1alpha1.GroupVersion.WithKind(v1alpha1.BundleKind).GroupKind()
	status := apierrors.NewInvalid(kind, asked.Name, faults).Status()
	return admission.Response{AdmissionResponse: admissionv1.AdmissionResponse{Result: &status}}
}

// gather reads the sources that are the user's own, one by one: a source that
// cannot be read hides no other, and reading ends where enough has been read.
func (h *handler) gather(ctx context.Context, spec bundle.Spec) []bundle.Input {
	var inputs []bundle.Input
	size := 0
	for _, from := range spec.Sources {
		if from.DefaultCAs {
			continue
		}
		one := spec
		one.Sources = []bundle.Source{from}
		gathered, err := h.sources.Gather(ctx, one)
		if err != nil {
			log.FromContext(ctx).Info("A source could not be read, so there are no warnings about it", "source", from.Field, "cause", err.Error())
			continue
		}
		for _, input := range gathered.Inputs {
			inputs = append(inputs, input)
			size += sizeOf(input)
		}
		if size > maxText {
			break
		}
	}
	return inputs
}
