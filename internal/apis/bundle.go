package bundle

import (
	"cmp"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/certs"
)

// FromV1alpha1 converts a Bundle of trust.cert-manager.io/v1alpha1. The error is
// [Problems], each with the path of an invalid field. The API server rejects most of
// these values before they get here.
func FromV1alpha1(obj *v1alpha1.Bundle) (Spec, error) {
	spec := Spec{
		Name:       obj.Name,
		Generation: obj.Generation,
		Owner:      *metav1.NewControllerRef(obj, v1alpha1.GroupVersion.WithKind(v1alpha1.BundleKind)),
		Namespaces: labels.Everything(),
		Filter:     filterFromV1alpha1(obj.Spec.Filters),
		Rotation:   RotationFromV1alpha1(obj.Spec),
	}
	var problems Problems
	spec.Filter.Exclude, problems = Exclusions(obj)
	for i, source := range obj.Spec.Sources {
		converted, problem := sourceFromV1alpha1(fmt.Sprintf("spec.sources[%d]", i), source)
		switch {
		case problem != nil:
			problems = append(problems, problem)
		case converted != nil:
			spec.Sources = append(spec.Sources, *converted)
		}
	}
	if target := obj.Spec.Target; target != nil {
		problems = append(problems, spec.targetFromV1alpha1(target)...)
	}
	if len(problems) > 0 {
		return Spec{}, problems
	}
	return spec, nil
}

// sourceFromV1alpha1 converts one source. It returns nil for `useDefaultCAs: false`.
func sourceFromV1alpha1(field string, source v1alpha1.BundleSource) (*Source, *certs.Problem) {
	switch {
	case source.ConfigMap != nil:
		return objectFromV1alpha1(field+".configMap", ConfigMap, source.ConfigMap)
	case source.Secret != nil:
		return objectFromV1alpha1(field+".secret", Secret, source.Secret)
	case source.InLine != nil:
		return &Source{Field: field + ".inLine", Text: *source.InLine}, nil
	case source.UseDefaultCAs != nil && *source.UseDefaultCAs:
		return &Source{Field: field + ".useDefaultCAs", DefaultCAs: true}, nil
	}
	return nil, nil
}

func objectFromV1alpha1(field string, kind Kind, source *v1alpha1.SourceObject) (*Source, *certs.Problem) {
	object := &ObjectSource{Kind: kind, Name: source.Name, Key: source.Key, AllKeys: source.IncludeAllKeys, Optional: source.Optional}
	if source.Selector != nil {
		selector, problem := selectorFromV1alpha1(field+".selector", source.Selector)
		if problem != nil {
			return nil, problem
		}
		object.Selector = selector
	}
	return &Source{Field: field, Object: object}, nil
}

func selectorFromV1alpha1(field string, labelSelector *v1alpha1.LabelSelector) (labels.Selector, *certs.Problem) {
	selector, err := metav1.LabelSelectorAsSelector(labelSelector.ToMetaV1())
	if err != nil {
		return nil, &certs.Problem{Origin: certs.Origin{Field: field}, Reason: certs.SourceBuildError, Detail: err.Error()}
	}
	return selector, nil
}

func (s *Spec) targetFromV1alpha1(target *v1alpha1.BundleTarget) Problems {
	for _, template := range []struct {
		kind   Kind
		object *v1alpha1.TargetObject
	}{{ConfigMap, target.ConfigMap}, {Secret, target.Secret}} {
		if template.object != nil {
			s.Targets = append(s.Targets, Target{
				Kind:        template.kind,
				Key:         template.object.Key,
				Labels:      template.object.Metadata.Labels,
				Annotations: template.object.Metadata.Annotations,
			})
		}
	}
	s.Stores = storesFromV1alpha1(target.AdditionalFormats)
	if target.NamespaceSelector != nil {
		selector, problem := selectorFromV1alpha1("spec.target.namespaceSelector", target.NamespaceSelector)
		if problem != nil {
			return Problems{problem}
		}
		s.Namespaces = selector
	}
	return nil
}

// storesFromV1alpha1 converts the additional formats. The API server sets the default
// passwords, but an older Bundle may be stored without them.
func storesFromV1alpha1(formats *v1alpha1.AdditionalFormats) []Store {
	if formats == nil {
		return nil
	}
	var stores []Store
	if jks := formats.JKS; jks != nil {
		stores = append(stores, Store{Format: JKS, Key: jks.Key, Password: valueOr(jks.Password, v1alpha1.DefaultJKSPassword)})
	}
	if pkcs12 := formats.PKCS12; pkcs12 != nil {
		stores = append(stores, Store{
			Format:   PKCS12,
			Key:      pkcs12.Key,
			Password: valueOr(pkcs12.Password, v1alpha1.DefaultPKCS12Password),
			Profile:  string(cmp.Or(pkcs12.Profile, v1alpha1.PKCS12ProfileLegacyRC2)),
		})
	}
	return stores
}

// valueOr returns the value, or the default if it is unset.
func valueOr(value *string, defaultValue string) string {
	if value == nil {
		return defaultValue
	}
	return *value
}

// filterFromV1alpha1 converts the filters. Unset policies stay unset.
func filterFromV1alpha1(filters *v1alpha1.BundleFilters) Filter {
	if filters == nil {
		return Filter{}
	}
	return Filter{Expired: Policy(filters.Expired), NonCA: Policy(filters.NotCA), NotSelfSigned: Policy(filters.NotSelfSigned)}
}

// RotationFromV1alpha1 converts the rotation. A Bundle without a target retains nothing.
func RotationFromV1alpha1(spec v1alpha1.BundleSpec) Rotation {
	if spec.Rotation == nil || spec.Target == nil {
		return Rotation{}
	}
	rotation := Rotation{Retain: spec.Rotation.Retain.Duration, Max: v1alpha1.DefaultMaxRetained}
	if spec.Rotation.MaxRetained != nil {
		rotation.Max = int(*spec.Rotation.MaxRetained)
	}
	return rotation
}
