package bundle

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/certs"
)

// FromV1alpha1 converts a Bundle of trust.cert-manager.io/v1alpha1. The error
// is Problems, each with the path of a field whose value cannot be used; most
// of them are refused by the API server before they come here.
func FromV1alpha1(from *v1alpha1.Bundle) (Spec, error) {
	spec := Spec{
		Name:       from.Name,
		Generation: from.Generation,
		Owner:      *metav1.NewControllerRef(from, v1alpha1.GroupVersion.WithKind(v1alpha1.BundleKind)),
		Namespaces: labels.Everything(),
	}
	var problems Problems
	for i, source := range from.Spec.Sources {
		converted, problem := sourceFromV1alpha1(fmt.Sprintf("spec.sources[%d]", i), source)
		switch {
		case problem != nil:
			problems = append(problems, problem)
		case converted != nil:
			spec.Sources = append(spec.Sources, *converted)
		}
	}
	if target := from.Spec.Target; target != nil {
		problems = append(problems, spec.targetFromV1alpha1(target)...)
	}
	if len(problems) > 0 {
		return Spec{}, problems
	}
	return spec, nil
}

// sourceFromV1alpha1 converts one source; `useDefaultCAs: false` is none.
func sourceFromV1alpha1(field string, from v1alpha1.BundleSource) (*Source, *certs.Problem) {
	switch {
	case from.ConfigMap != nil:
		return objectFromV1alpha1(field+".configMap", ConfigMap, from.ConfigMap)
	case from.Secret != nil:
		return objectFromV1alpha1(field+".secret", Secret, from.Secret)
	case from.InLine != nil:
		return &Source{Field: field + ".inLine", Text: *from.InLine}, nil
	case from.UseDefaultCAs != nil && *from.UseDefaultCAs:
		return &Source{Field: field + ".useDefaultCAs", DefaultCAs: true}, nil
	}
	return nil, nil
}

func objectFromV1alpha1(field string, kind Kind, from *v1alpha1.SourceObject) (*Source, *certs.Problem) {
	switch {
	case from.Selector != nil:
		return nil, notImplemented(field + ".selector")
	case from.IncludeAllKeys:
		return nil, notImplemented(field + ".includeAllKeys")
	}
	return &Source{Field: field, Object: &ObjectSource{Kind: kind, Name: from.Name, Key: from.Key}}, nil
}

func (s *Spec) targetFromV1alpha1(from *v1alpha1.BundleTarget) Problems {
	var problems Problems
	if from.Secret != nil {
		problems = append(problems, notImplemented("spec.target.secret"))
	}
	if from.AdditionalFormats != nil {
		problems = append(problems, notImplemented("spec.target.additionalFormats"))
	}
	if from.ConfigMap != nil {
		s.Targets = append(s.Targets, Target{
			Kind:        ConfigMap,
			Key:         from.ConfigMap.Key,
			Labels:      from.ConfigMap.Metadata.Labels,
			Annotations: from.ConfigMap.Metadata.Annotations,
		})
	}
	if from.NamespaceSelector != nil {
		selector, err := metav1.LabelSelectorAsSelector(from.NamespaceSelector.ToMetaV1())
		if err != nil {
			return append(problems, &certs.Problem{Origin: certs.Origin{Field: "spec.target.namespaceSelector"},
				Reason: certs.SourceBuildError, Detail: err.Error()})
		}
		s.Namespaces = selector
	}
	return problems
}

func notImplemented(field string) *certs.Problem {
	return &certs.Problem{Origin: certs.Origin{Field: field}, Reason: v1alpha1.BundleReasonNotImplemented,
		Detail: "this version does not support the field yet"}
}
