package apis

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
)

// Bundle adapts the Bundle of trust.cert-manager.io/v1alpha1.
type Bundle struct{}

// GroupVersionKind implements [Adapter].
func (Bundle) GroupVersionKind() schema.GroupVersionKind {
	return v1alpha1.GroupVersion.WithKind(v1alpha1.BundleKind)
}

// New implements [Adapter].
func (Bundle) New() client.Object { return &v1alpha1.Bundle{} }

// NewList implements [Adapter].
func (Bundle) NewList() client.ObjectList { return &v1alpha1.BundleList{} }

// Marks implements [Adapter].
func (Bundle) Marks() *bundle.Marks { return bundleMarks }

// HasSameSpec implements [Adapter].
func (Bundle) HasSameSpec(a, b client.Object) bool {
	first, isFirst := a.(*v1alpha1.Bundle)
	second, isSecond := b.(*v1alpha1.Bundle)
	return isFirst && isSecond && equality.Semantic.DeepEqual(first.Spec, second.Spec)
}

// Spec implements [Adapter]. The API server has already rejected most invalid values.
func (b Bundle) Spec(obj client.Object) (bundle.Spec, bundle.Problems) {
	source, ok := obj.(*v1alpha1.Bundle)
	if !ok {
		return bundle.Spec{}, bundle.Problems{{Reason: certs.SourceBuildError, Detail: fmt.Sprintf("a %T is not a Bundle", obj)}}
	}
	spec := bundle.Spec{
		ID:         bundle.ID{Kind: bundleMarks.Kind, Name: source.Name},
		Generation: source.Generation,
		Owner:      *metav1.NewControllerRef(source, b.GroupVersionKind()),
		Marks:      bundleMarks,
		Namespaces: labels.Everything(),
		Filter:     filterOf(source.Spec.Filters),
		Rotation:   rotationOf(source.Spec.Rotation, source.Spec.Target != nil),
	}
	var problems bundle.Problems
	spec.Filter.Exclude, problems = exclusionsOf(source.Spec.Exclude)
	for i, source := range source.Spec.Sources {
		converted, problem := sourceOf(fmt.Sprintf("spec.sources[%d]", i), source)
		switch {
		case problem != nil:
			problems = append(problems, problem)
		case converted != nil:
			spec.Sources = append(spec.Sources, *converted)
		}
	}
	if target := source.Spec.Target; target != nil {
		problems = append(problems, setTargets(&spec, target)...)
	}
	return spec, problems
}

// sourceOf converts one source. It returns nil for `useDefaultCAs: false`.
func sourceOf(field string, source v1alpha1.BundleSource) (*bundle.Source, *certs.Problem) {
	switch {
	case source.ConfigMap != nil:
		return objectOf(field+".configMap", bundle.ConfigMap, source.ConfigMap)
	case source.Secret != nil:
		return objectOf(field+".secret", bundle.Secret, source.Secret)
	case source.ClusterTrustBundle != nil:
		return trustBundleOf(field+".clusterTrustBundle", source.ClusterTrustBundle)
	case source.InLine != nil:
		return &bundle.Source{Field: field + ".inLine", Text: *source.InLine}, nil
	case source.UseDefaultCAs != nil && *source.UseDefaultCAs:
		return &bundle.Source{Field: field + ".useDefaultCAs", DefaultCAs: true}, nil
	}
	return nil, nil
}

func objectOf(field string, kind bundle.Kind, source *v1alpha1.SourceObject) (*bundle.Source, *certs.Problem) {
	object := &bundle.ObjectSource{Kind: kind, Name: source.Name, Key: source.Key, AllKeys: source.IncludeAllKeys, Optional: source.Optional}
	if source.Selector != nil {
		selector, problem := selectorOf(field+".selector", source.Selector)
		if problem != nil {
			return nil, problem
		}
		object.Selector = selector
	}
	return &bundle.Source{Field: field, Object: object}, nil
}

// trustBundleOf converts a source of ClusterTrustBundles.
func trustBundleOf(field string, source *v1alpha1.ClusterTrustBundleSource) (*bundle.Source, *certs.Problem) {
	converted := &bundle.TrustBundleSource{Name: source.Name, Signer: source.SignerName, Optional: source.Optional}
	if source.Selector != nil {
		selector, problem := selectorOf(field+".selector", source.Selector)
		if problem != nil {
			return nil, problem
		}
		converted.Selector = selector
	}
	return &bundle.Source{Field: field, TrustBundle: converted}, nil
}

func selectorOf(field string, labelSelector *v1alpha1.LabelSelector) (labels.Selector, *certs.Problem) {
	selector, err := metav1.LabelSelectorAsSelector(labelSelector.ToMetaV1())
	if err != nil {
		return nil, &certs.Problem{Origin: certs.Origin{Field: field}, Reason: certs.SourceBuildError, Detail: err.Error()}
	}
	return selector, nil
}

// setTargets converts the targets. The first file of every target is PEM, followed by the
// additional formats.
func setTargets(spec *bundle.Spec, target *v1alpha1.BundleTarget) bundle.Problems {
	spec.Overwrite, spec.Orphan = target.Overwrite, target.DeletionPolicy == v1alpha1.DeletionPolicyOrphan
	stores := storesOf(target.AdditionalFormats)
	for _, template := range []struct {
		kind   bundle.Kind
		field  string
		object *v1alpha1.TargetObject
	}{{bundle.ConfigMap, "spec.target.configMap", target.ConfigMap}, {bundle.Secret, "spec.target.secret", target.Secret}} {
		if template.object == nil {
			continue
		}
		pem := bundle.File{Field: template.field, Format: bundle.PEM, Key: template.object.Key}
		spec.Targets = append(spec.Targets, bundle.Target{
			Field:       template.field,
			Kind:        template.kind,
			Files:       append([]bundle.File{pem}, stores...),
			Labels:      template.object.Metadata.Labels,
			Annotations: template.object.Metadata.Annotations,
		})
	}
	addTrustBundle(spec, target.ClusterTrustBundle)
	if target.NamespaceSelector != nil {
		const field = "spec.target.namespaceSelector"
		selector, problem := selectorOf(field, target.NamespaceSelector)
		if problem != nil {
			return bundle.Problems{problem}
		}
		spec.Namespaces, spec.NamespacesField = selector, field
	}
	return nil
}

// addTrustBundle converts the ClusterTrustBundle target, if there is one.
func addTrustBundle(spec *bundle.Spec, template *v1alpha1.ClusterTrustBundleTarget) {
	if template == nil {
		return
	}
	const field = "spec.target.clusterTrustBundle"
	spec.Targets = append(spec.Targets, bundle.Target{
		Field:       field,
		Kind:        bundle.ClusterTrustBundle,
		Signer:      template.SignerName,
		Files:       []bundle.File{{Field: field, Format: bundle.PEM, Key: bundle.TrustBundleField}},
		Labels:      template.Metadata.Labels,
		Annotations: template.Metadata.Annotations,
	})
}

// storesOf converts the additional formats. The API server sets the default passwords, but
// an older Bundle may be stored without them.
func storesOf(formats *v1alpha1.AdditionalFormats) []bundle.File {
	if formats == nil {
		return nil
	}
	var stores []bundle.File
	if jks := formats.JKS; jks != nil {
		stores = append(stores, bundle.File{
			Field:    "spec.target.additionalFormats.jks",
			Format:   bundle.JKS,
			Key:      jks.Key,
			Password: valueOr(jks.Password, v1alpha1.DefaultJKSPassword),
		})
	}
	if pkcs12 := formats.PKCS12; pkcs12 != nil {
		stores = append(stores, bundle.File{
			Field:    "spec.target.additionalFormats.pkcs12",
			Format:   bundle.PKCS12,
			Key:      pkcs12.Key,
			Password: valueOr(pkcs12.Password, v1alpha1.DefaultPKCS12Password),
			Profile:  string(cmp.Or(pkcs12.Profile, v1alpha1.PKCS12ProfileLegacyRC2)),
		})
	}
	if formats.HashedDirectory != nil {
		stores = append(stores, bundle.File{Field: "spec.target.additionalFormats.hashedDirectory", Format: bundle.HashedDirectory})
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

// filterOf converts the filters. Unset policies stay unset.
func filterOf(filters *v1alpha1.BundleFilters) bundle.Filter {
	if filters == nil {
		return bundle.Filter{}
	}
	return bundle.Filter{
		Expired:       bundle.Policy(filters.Expired),
		NonCA:         bundle.Policy(filters.NotCA),
		NotSelfSigned: bundle.Policy(filters.NotSelfSigned),
		Nonconforming: bundle.Policy(filters.Nonconforming),
	}
}

// exclusionsOf converts the exclusions.
func exclusionsOf(entries []v1alpha1.Exclusion) (list []bundle.Exclusion, problems bundle.Problems) {
	for i, entry := range entries {
		field := fmt.Sprintf("spec.exclude[%d]", i)
		exclusion := bundle.Exclusion{Field: field, Subject: entry.Subject, Comment: entry.Comment}
		for _, fingerprint := range []struct {
			name, text string
			into       **[sha256.Size]byte
		}{{"sha256", entry.SHA256, &exclusion.Certificate}, {"publicKeySHA256", entry.PublicKeySHA256, &exclusion.PublicKey}} {
			digits, err := hex.DecodeString(strings.ReplaceAll(fingerprint.text, ":", ""))
			switch {
			case fingerprint.text == "":
			case err != nil || len(digits) != sha256.Size:
				problems = append(problems, &certs.Problem{
					Origin: certs.Origin{Field: field + "." + fingerprint.name}, Reason: certs.SourceBuildError,
					Detail: "a SHA-256 has 64 hexadecimal digits, optionally with a colon after every second digit",
				})
			default:
				*fingerprint.into = (*[sha256.Size]byte)(digits)
			}
		}
		list = append(list, exclusion)
	}
	return list, problems
}

// rotationOf converts the rotation. A bundle without a target retains nothing.
func rotationOf(rotation *v1alpha1.BundleRotation, hasTarget bool) bundle.Rotation {
	if rotation == nil || !hasTarget {
		return bundle.Rotation{}
	}
	converted := bundle.Rotation{Retain: rotation.Retain.Duration, Max: v1alpha1.DefaultMaxRetained}
	if rotation.MaxRetained != nil {
		converted.Max = int(*rotation.MaxRetained)
	}
	return converted
}
