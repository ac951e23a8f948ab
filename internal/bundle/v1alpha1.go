package bundle

import (
	"cmp"
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
		Filter:     filterFromV1alpha1(from.Spec.Filters),
		Rotation:   RotationFromV1alpha1(from.Spec),
	}
	var problems Problems
	spec.Filter.Exclude, problems = Exclusions(from)
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
	object := &ObjectSource{Kind: kind, Name: from.Name, Key: from.Key, AllKeys: from.IncludeAllKeys, Optional: from.Optional}
	if from.Selector != nil {
		selector, problem := selectorFromV1alpha1(field+".selector", from.Selector)
		if problem != nil {
			return nil, problem
		}
		object.Selector = selector
	}
	return &Source{Field: field, Object: object}, nil
}

func selectorFromV1alpha1(field string, from *v1alpha1.LabelSelector) (labels.Selector, *certs.Problem) {
	selector, err := metav1.LabelSelectorAsSelector(from.ToMetaV1())
	if err != nil {
		return nil, &certs.Problem{Origin: certs.Origin{Field: field}, Reason: certs.SourceBuildError, Detail: err.Error()}
	}
	return selector, nil
}

func (s *Spec) targetFromV1alpha1(from *v1alpha1.BundleTarget) Problems {
	for _, target := range []struct {
		kind Kind
		from *v1alpha1.TargetObject
	}{{ConfigMap, from.ConfigMap}, {Secret, from.Secret}} {
		if target.from != nil {
			s.Targets = append(s.Targets, Target{
				Kind:        target.kind,
				Key:         target.from.Key,
				Labels:      target.from.Metadata.Labels,
				Annotations: target.from.Metadata.Annotations,
			})
		}
	}
	s.Stores = storesFromV1alpha1(from.AdditionalFormats)
	if from.NamespaceSelector != nil {
		selector, problem := selectorFromV1alpha1("spec.target.namespaceSelector", from.NamespaceSelector)
		if problem != nil {
			return Problems{problem}
		}
		s.Namespaces = selector
	}
	return nil
}

// storesFromV1alpha1 converts the additional formats. The API server fills in
// the default passwords; an older Bundle may be stored without.
func storesFromV1alpha1(from *v1alpha1.AdditionalFormats) []Store {
	if from == nil {
		return nil
	}
	var stores []Store
	if jks := from.JKS; jks != nil {
		stores = append(stores, Store{Format: JKS, Key: jks.Key, Password: or(jks.Password, v1alpha1.DefaultJKSPassword)})
	}
	if pkcs12 := from.PKCS12; pkcs12 != nil {
		stores = append(stores, Store{
			Format:   PKCS12,
			Key:      pkcs12.Key,
			Password: or(pkcs12.Password, v1alpha1.DefaultPKCS12Password),
			Profile:  string(cmp.Or(pkcs12.Profile, v1alpha1.PKCS12ProfileLegacyRC2)),
		})
	}
	return stores
}

// or gives the value, or what stands for one that is unset.
func or(value *string, unset string) string {
	if value == nil {
		return unset
	}
	return *value
}

// filterFromV1alpha1 converts the filters; nothing is filled in for what is unset.
func filterFromV1alpha1(from *v1alpha1.BundleFilters) Filter {
	if from == nil {
		return Filter{}
	}
	return Filter{Expired: Policy(from.Expired), NonCA: Policy(from.NotCA), NotSelfSigned: Policy(from.NotSelfSigned)}
}

// RotationFromV1alpha1 converts the rotation. What is written nowhere is not retained
// either.
func RotationFromV1alpha1(from v1alpha1.BundleSpec) Rotation {
	if from.Rotation == nil || from.Target == nil {
		return Rotation{}
	}
	rotation := Rotation{Retain: from.Rotation.Retain.Duration, Max: v1alpha1.DefaultMaxRetained}
	if from.Rotation.MaxRetained != nil {
		rotation.Max = int(*from.Rotation.MaxRetained)
	}
	return rotation
}
