package webhook

import (
	"crypto/sha256"
	"strings"

	"k8s.io/apimachinery/pkg/api/validation"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/encode"
)

// maxAnnotations returns the maximum size of the annotations that a bundle requests: the
// limit of Kubernetes for one object, minus the digest annotation of every target.
func maxAnnotations(marks *bundle.Marks) int {
	return validation.TotalAnnotationSizeLimitB - len(marks.Hash) - 2*sha256.Size // in hexadecimal
}

// check returns the errors that the rules of the CustomResourceDefinition do not cover, given
// what an object was converted to. A bundle with such an error can never be written to a
// target, so check rejects none that has ever worked.
func check(spec bundle.Spec, problems bundle.Problems) field.ErrorList {
	var errs field.ErrorList
	for _, problem := range problems {
		errs = append(errs, invalid(field.NewPath(problem.Origin.Field), problem.Detail))
	}
	for _, target := range spec.Targets {
		errs = append(errs, checkAnnotations(field.NewPath(target.Field, "metadata", "annotations"), target.Annotations, maxAnnotations(spec.Marks))...)
	}
	return append(errs, checkFiles(spec.Targets)...)
}

func checkAnnotations(path *field.Path, annotations map[string]string, limit int) field.ErrorList {
	size := 0
	for key, value := range annotations {
		size += len(key) + len(value)
	}
	if size <= limit {
		return nil
	}
	tooLong := field.TooLong(path, "", limit)
	tooLong.Detail += ", keys and values together, because Kubernetes allows 262144 on one object and the operator adds its own"
	return field.ErrorList{tooLong}
}

// checkFiles rejects a key that ConfigMaps and Secrets cannot have, and a password that the
// format cannot represent. Encoding an empty store is sufficient to find that out.
func checkFiles(targets []bundle.Target) field.ErrorList {
	var errs field.ErrorList
	seen := map[string]bool{} // the targets of all kinds may share a file
	for _, target := range targets {
		for _, file := range target.Files {
			if seen[file.Field] || file.Format == bundle.HashedDirectory { // its keys are made by the operator
				continue
			}
			seen[file.Field] = true
			path := field.NewPath(file.Field)
			if problems := utilvalidation.IsConfigMapKey(file.Key); len(problems) > 0 {
				errs = append(errs, field.Invalid(path.Child("key"), file.Key, strings.Join(problems, "; ")))
			}
			if _, err := encode.File(file, nil); err != nil {
				errs = append(errs, invalid(path.Child("password"), err.Error()))
			}
		}
	}
	return errs
}

// invalid returns an error whose message does not contain the value.
func invalid(path *field.Path, detail string) *field.Error {
	return field.Invalid(path, field.OmitValueType{}, detail)
}
