package webhook

import (
	"crypto/sha256"
	"strings"

	"k8s.io/apimachinery/pkg/api/validation"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/encode"
)

// maxAnnotations is the maximum size of the annotations that a Bundle requests: the limit
// of Kubernetes for one object, minus the digest annotation of every target.
const maxAnnotations = validation.TotalAnnotationSizeLimitB -
	len(v1alpha1.BundleHashAnnotationKey) - 2*sha256.Size // in hexadecimal

// check converts a Bundle and returns the errors that the rules of the
// CustomResourceDefinition do not cover. A Bundle with such an error can never be written
// to a target, so check rejects no Bundle that has ever worked.
func check(obj *v1alpha1.Bundle) (bundle.Spec, field.ErrorList) {
	var errs field.ErrorList
	spec, problems := apis.Bundle{}.Spec(obj)
	for _, problem := range problems {
		errs = append(errs, invalid(field.NewPath(problem.Origin.Field), problem.Detail))
	}
	if target := obj.Spec.Target; target != nil {
		path := field.NewPath("spec", "target")
		errs = append(errs, checkTarget(path.Child("configMap"), target.ConfigMap)...)
		errs = append(errs, checkTarget(path.Child("secret"), target.Secret)...)
		errs = append(errs, checkFormats(path.Child("additionalFormats"), target.AdditionalFormats)...)
	}
	errs = append(errs, checkFiles(spec.Targets)...)
	return spec, errs
}

func checkTarget(path *field.Path, target *v1alpha1.TargetObject) field.ErrorList {
	if target == nil {
		return nil
	}
	errs := checkKey(path.Child("key"), target.Key)
	size := 0
	for key, value := range target.Metadata.Annotations {
		size += len(key) + len(value)
	}
	if size > maxAnnotations {
		tooLong := field.TooLong(path.Child("metadata", "annotations"), "", maxAnnotations)
		tooLong.Detail += ", keys and values together, because Kubernetes allows 262144 on one object and the operator adds its own"
		errs = append(errs, tooLong)
	}
	return errs
}

func checkFormats(path *field.Path, formats *v1alpha1.AdditionalFormats) field.ErrorList {
	var errs field.ErrorList
	if formats != nil && formats.JKS != nil {
		errs = append(errs, checkKey(path.Child("jks", "key"), formats.JKS.Key)...)
	}
	if formats != nil && formats.PKCS12 != nil {
		errs = append(errs, checkKey(path.Child("pkcs12", "key"), formats.PKCS12.Key)...)
	}
	return errs
}

// checkKey rejects a key that ConfigMaps and Secrets cannot have.
func checkKey(path *field.Path, key string) field.ErrorList {
	if problems := utilvalidation.IsConfigMapKey(key); len(problems) > 0 {
		return field.ErrorList{field.Invalid(path, key, strings.Join(problems, "; "))}
	}
	return nil
}

// checkFiles rejects a password that the format cannot represent. Encoding an empty store
// is sufficient to find that out.
func checkFiles(targets []bundle.Target) field.ErrorList {
	var errs field.ErrorList
	seen := map[string]bool{} // the targets of all kinds may share a file
	for _, target := range targets {
		for _, file := range target.Files {
			if seen[file.Field] {
				continue
			}
			seen[file.Field] = true
			if _, err := encode.File(file, nil); err != nil {
				errs = append(errs, invalid(field.NewPath(file.Field, "password"), err.Error()))
			}
		}
	}
	return errs
}

// invalid returns an error whose message does not contain the value.
func invalid(path *field.Path, detail string) *field.Error {
	return field.Invalid(path, field.OmitValueType{}, detail)
}
