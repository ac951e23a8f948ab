package webhook

import (
	"crypto/sha256"
	"errors"
	"strings"

	"k8s.io/apimachinery/pkg/api/validation"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/encode"
)

// maxAnnotations is how many bytes of annotations a Bundle can ask for: what
// Kubernetes takes on one object, without the digest that every target has.
const maxAnnotations = validation.TotalAnnotationSizeLimitB -
	len(v1alpha1.BundleHashAnnotationKey) - 2*sha256.Size // in hexadecimal

// check converts a Bundle and says what is wrong with it that the rules of the
// CustomResourceDefinition let pass. All of it could never be written to a target,
// so nothing is refused that has ever worked.
func check(asked *v1alpha1.Bundle) (bundle.Spec, field.ErrorList) {
	var faults field.ErrorList
	spec, err := bundle.FromV1alpha1(asked)
	var problems bundle.Problems
	if errors.As(err, &problems) {
		for _, problem := range problems {
			faults = append(faults, invalid(field.NewPath(problem.Origin.Field), problem.Detail))
		}
	}
	if target := asked.Spec.Target; target != nil {
		at := field.NewPath("spec", "target")
		faults = append(faults, checkTarget(at.Child("configMap"), target.ConfigMap)...)
		faults = append(faults, checkTarget(at.Child("secret"), target.Secret)...)
		faults = append(faults, checkFormats(at.Child("additionalFormats"), target.AdditionalFormats)...)
	}
	faults = append(faults, checkStores(spec.Stores)...)
	return spec, faults
}

func checkTarget(at *field.Path, target *v1alpha1.TargetObject) field.ErrorList {
	if target == nil {
		return nil
	}
	faults := checkKey(at.Child("key"), target.Key)
	size := 0
	for key, value := range target.Metadata.Annotations {
		size += len(key) + len(value)
	}
	if size > maxAnnotations {
		fault := field.TooLong(at.Child("metadata", "annotations"), "", maxAnnotations)
		fault.Detail += ", keys and values together, because Kubernetes takes 262144 on one object and the operator adds its own"
		faults = append(faults, fault)
	}
	return faults
}

func checkFormats(at *field.Path, formats *v1alpha1.AdditionalFormats) field.ErrorList {
	var faults field.ErrorList
	if formats != nil && formats.JKS != nil {
		faults = append(faults, checkKey(at.Child("jks", "key"), formats.JKS.Key)...)
	}
	if formats != nil && formats.PKCS12 != nil {
		faults = append(faults, checkKey(at.Child("pkcs12", "key"), formats.PKCS12.Key)...)
	}
	return faults
}

// checkKey refuses a key that neither a ConfigMap nor a Secret can have.
func checkKey(at *field.Path, key string) field.ErrorList {
	if problems := utilvalidation.IsConfigMapKey(key); len(problems) > 0 {
		return field.ErrorList{field.Invalid(at, key, strings.Join(problems, "; "))}
	}
	return nil
}

// checkStores refuses a password that the format cannot hold, which an empty
// store shows as well as a full one.
func checkStores(stores []bundle.Store) field.ErrorList {
	var faults field.ErrorList
	for _, store := range stores {
		if _, err := encode.Store(store, nil); err != nil {
			format := map[bundle.Format]string{bundle.JKS: "jks", bundle.PKCS12: "pkcs12"}[store.Format]
			faults = append(faults, invalid(field.NewPath("spec", "target", "additionalFormats", format, "password"), err.Error()))
		}
	}
	return faults
}

// invalid is a fault whose message does not repeat the value.
func invalid(at *field.Path, detail string) *field.Error {
	return field.Invalid(at, field.OmitValueType{}, detail)
}
