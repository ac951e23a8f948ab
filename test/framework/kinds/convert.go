package kinds

import (
	"maps"
	"slices"
	"strings"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/api/trustmanager/v1alpha2"
)

// ClusterBundleOf returns the ClusterBundle that says the same as a Bundle. It has the Bundle's
// metadata.
func ClusterBundleOf(from *v1alpha1.Bundle) *v1alpha2.ClusterBundle {
	to := &v1alpha2.ClusterBundle{ObjectMeta: *from.ObjectMeta.DeepCopy(), Status: *from.Status.DeepCopy()}
	to.Spec = v1alpha2.ClusterBundleSpec{Filters: from.Spec.Filters, Rotation: from.Spec.Rotation, Exclude: from.Spec.Exclude}
	for _, source := range from.Spec.Sources {
		switch {
		case source.ConfigMap != nil:
			to.Spec.SourceRefs = append(to.Spec.SourceRefs, refOf(v1alpha2.SourceConfigMap, source.ConfigMap))
		case source.Secret != nil:
			to.Spec.SourceRefs = append(to.Spec.SourceRefs, refOf(v1alpha2.SourceSecret, source.Secret))
		case source.ClusterTrustBundle != nil:
			from := source.ClusterTrustBundle
			to.Spec.SourceRefs = append(to.Spec.SourceRefs, v1alpha2.SourceRef{
				Kind: v1alpha2.SourceClusterTrustBundle, Name: from.Name, SignerName: from.SignerName, Selector: from.Selector, Optional: from.Optional,
			})
		case source.InLine != nil && to.Spec.InLineCAs != nil:
			joined := strings.TrimSuffix(*to.Spec.InLineCAs, "\n") + "\n" + *source.InLine
			to.Spec.InLineCAs = &joined
		case source.InLine != nil:
			to.Spec.InLineCAs = source.InLine
		case source.UseDefaultCAs != nil:
			to.Spec.DefaultCAs = &v1alpha2.DefaultCAs{Provider: v1alpha2.DefaultCAProviderDisabled}
			if *source.UseDefaultCAs {
				to.Spec.DefaultCAs.Provider = v1alpha2.DefaultCAProviderSystem
			}
		}
	}
	if target := from.Spec.Target; target != nil {
		to.Spec.Target = &v1alpha2.ClusterBundleTarget{
			ConfigMap: objectOf(target.ConfigMap, target.AdditionalFormats),
			Secret:    objectOf(target.Secret, target.AdditionalFormats),
			Overwrite: target.Overwrite, DeletionPolicy: target.DeletionPolicy,
			ClusterTrustBundle: target.ClusterTrustBundle,
		}
		if target.NamespaceSelector != nil {
			to.Spec.Target.NamespaceSelector = *target.NamespaceSelector.DeepCopy()
		}
	}
	return to
}

func refOf(kind v1alpha2.SourceKind, source *v1alpha1.SourceObject) v1alpha2.SourceRef {
	ref := v1alpha2.SourceRef{Kind: kind, Name: source.Name, Selector: source.Selector, Key: source.Key, Optional: source.Optional}
	if source.IncludeAllKeys {
		ref.Key = "*"
	}
	return ref
}

func objectOf(target *v1alpha1.TargetObject, formats *v1alpha1.AdditionalFormats) *v1alpha2.TargetObject {
	if target == nil {
		return nil
	}
	to := &v1alpha2.TargetObject{Data: []v1alpha2.TargetFile{{Key: target.Key}}}
	if len(target.Metadata.Labels)+len(target.Metadata.Annotations) > 0 {
		to.Metadata = &v1alpha2.TargetMetadata{Labels: maps.Clone(target.Metadata.Labels), Annotations: maps.Clone(target.Metadata.Annotations)}
	}
	if formats != nil && formats.JKS != nil {
		to.Data = append(to.Data, v1alpha2.TargetFile{Key: formats.JKS.Key, Format: v1alpha2.FormatJKS, Password: formats.JKS.Password})
	}
	if formats != nil && formats.PKCS12 != nil {
		file := v1alpha2.TargetFile{Key: formats.PKCS12.Key, Format: v1alpha2.FormatPKCS12, Password: formats.PKCS12.Password, Profile: formats.PKCS12.Profile}
		if file.Profile == "" {
			file.Profile = v1alpha1.PKCS12ProfileLegacyRC2 // the default of a Bundle
		}
		to.Data = append(to.Data, file)
	}
	return to
}

// BundleOf is the reverse of ClusterBundleOf.
func BundleOf(from *v1alpha2.ClusterBundle) *v1alpha1.Bundle {
	to := &v1alpha1.Bundle{ObjectMeta: *from.ObjectMeta.DeepCopy(), Status: *from.Status.DeepCopy()}
	to.Spec = v1alpha1.BundleSpec{Filters: from.Spec.Filters, Rotation: from.Spec.Rotation, Exclude: from.Spec.Exclude}
	if from.Spec.DefaultCAs != nil {
		isUsed := from.Spec.DefaultCAs.Provider == v1alpha2.DefaultCAProviderSystem
		to.Spec.Sources = append(to.Spec.Sources, v1alpha1.BundleSource{UseDefaultCAs: &isUsed})
	}
	for _, ref := range from.Spec.SourceRefs {
		source := &v1alpha1.SourceObject{Name: ref.Name, Selector: ref.Selector, Key: ref.Key, Optional: ref.Optional}
		if ref.Key == "*" {
			source.Key, source.IncludeAllKeys = "", true
		}
		switch ref.Kind {
		case v1alpha2.SourceSecret:
			to.Spec.Sources = append(to.Spec.Sources, v1alpha1.BundleSource{Secret: source})
		case v1alpha2.SourceClusterTrustBundle:
			to.Spec.Sources = append(to.Spec.Sources, v1alpha1.BundleSource{ClusterTrustBundle: &v1alpha1.ClusterTrustBundleSource{
				Name: ref.Name, SignerName: ref.SignerName, Selector: ref.Selector, Optional: ref.Optional,
			}})
		case v1alpha2.SourceConfigMap:
			to.Spec.Sources = append(to.Spec.Sources, v1alpha1.BundleSource{ConfigMap: source})
		}
	}
	if from.Spec.InLineCAs != nil {
		to.Spec.Sources = append(to.Spec.Sources, v1alpha1.BundleSource{InLine: from.Spec.InLineCAs})
	}
	if target := from.Spec.Target; target != nil {
		to.Spec.Target = &v1alpha1.BundleTarget{
			Overwrite: target.Overwrite, DeletionPolicy: target.DeletionPolicy, ClusterTrustBundle: target.ClusterTrustBundle,
		}
		to.Spec.Target.ConfigMap = targetOf(target.ConfigMap, &to.Spec.Target.AdditionalFormats)
		to.Spec.Target.Secret = targetOf(target.Secret, &to.Spec.Target.AdditionalFormats)
		if len(target.NamespaceSelector.MatchLabels)+len(target.NamespaceSelector.MatchExpressions) > 0 {
			to.Spec.Target.NamespaceSelector = target.NamespaceSelector.DeepCopy()
		}
	}
	return to
}

// or returns a value, or its default as the API server sets it for a Bundle.
func or(value *string, unset string) *string {
	if value == nil {
		return &unset
	}
	return value
}

func targetOf(target *v1alpha2.TargetObject, formats **v1alpha1.AdditionalFormats) *v1alpha1.TargetObject {
	if target == nil {
		return nil
	}
	to := &v1alpha1.TargetObject{}
	if target.Metadata != nil {
		to.Metadata = v1alpha1.TargetMetadata{Labels: maps.Clone(target.Metadata.Labels), Annotations: maps.Clone(target.Metadata.Annotations)}
	}
	for _, file := range target.Data {
		if slices.Contains([]v1alpha2.TargetFormat{v1alpha2.FormatJKS, v1alpha2.FormatPKCS12}, file.Format) && *formats == nil {
			*formats = &v1alpha1.AdditionalFormats{}
		}
		switch file.Format {
		case v1alpha2.FormatJKS:
			(*formats).JKS = &v1alpha1.JKS{Key: file.Key, Password: or(file.Password, v1alpha1.DefaultJKSPassword)}
		case v1alpha2.FormatPKCS12:
			(*formats).PKCS12 = &v1alpha1.PKCS12{Key: file.Key, Password: or(file.Password, v1alpha1.DefaultPKCS12Password), Profile: file.Profile}
		default:
			to.Key = file.Key
		}
	}
	return to
}
