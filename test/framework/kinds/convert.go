package kinds

import (
	"maps"
	"slices"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/api/trustmanager/v1alpha2"
)

// BundleOf is the reverse of [apis.ClusterBundleOf].
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
		if !slices.Contains([]v1alpha2.TargetFormat{"", v1alpha2.FormatPEM}, file.Format) && *formats == nil {
			*formats = &v1alpha1.AdditionalFormats{}
		}
		switch file.Format {
		case v1alpha2.FormatJKS:
			(*formats).JKS = &v1alpha1.JKS{Key: file.Key, Password: or(file.Password, v1alpha1.DefaultJKSPassword)}
		case v1alpha2.FormatPKCS12:
			(*formats).PKCS12 = &v1alpha1.PKCS12{Key: file.Key, Password: or(file.Password, v1alpha1.DefaultPKCS12Password), Profile: file.Profile}
		case v1alpha2.FormatHashedDirectory:
			to.Key = file.Key
			(*formats).HashedDirectory = &v1alpha1.HashedDirectory{}
		default:
			to.Key = file.Key
		}
	}
	return to
}
