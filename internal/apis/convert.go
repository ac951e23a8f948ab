package apis

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/api/trustmanager/v1alpha2"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
)

// maxInLine is the maximum number of characters of inLineCAs.
const maxInLine = 1 << 20

// lastApplied is the annotation in which kubectl keeps the manifest of another object.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// Convert returns the ClusterBundle for a Bundle, to be created in its place, and what differs.
// The problems are the reasons why a Bundle cannot be converted.
func Convert(object client.Object) (converted client.Object, differences []string, problems bundle.Problems) {
	from, ok := object.(*v1alpha1.Bundle)
	if !ok {
		return nil, nil, bundle.Problems{{Reason: certs.SourceBuildError, Detail: fmt.Sprintf("a %T is not a Bundle", object)}}
	}
	to := ClusterBundleOf(from)
	if text := to.Spec.InLineCAs; text != nil && len(*text) > maxInLine {
		return nil, nil, bundle.Problems{{Origin: certs.Origin{Field: "spec.sources"}, Reason: certs.SourceBuildError, Detail: fmt.Sprintf(
			"inLineCAs would have %d characters, and may have %d; put some of the certificates into a ConfigMap of the trust namespace", len(*text), maxInLine)}}
	}
	to.SetGroupVersionKind(v1alpha2.GroupVersion.WithKind(v1alpha2.ClusterBundleKind))
	annotations := maps.Clone(from.Annotations)
	delete(annotations, lastApplied)
	to.ObjectMeta = metav1.ObjectMeta{Name: from.Name, Labels: from.Labels, Annotations: annotations}
	to.Status = v1alpha1.BundleStatus{}
	return to, differencesOf(from), nil
}

// differencesOf returns how the targets of the ClusterBundle for a Bundle differ from those of the
// Bundle.
func differencesOf(from *v1alpha1.Bundle) []string {
	list := []string{"targets have the label and the annotations of trust-manager.io instead of trust.cert-manager.io"}
	var order []int
	for i := range from.Spec.Sources {
		source := &from.Spec.Sources[i]
		switch {
		case source.UseDefaultCAs != nil && *source.UseDefaultCAs:
			order = append(order, 0)
		case source.UseDefaultCAs != nil: // nothing
		case source.InLine != nil:
			order = append(order, 2)
		default:
			order = append(order, 1)
		}
		for _, object := range []*v1alpha1.SourceObject{source.ConfigMap, source.Secret} {
			if object != nil && object.IncludeAllKeys {
				list = append(list, fmt.Sprintf(
					`spec.sources[%d]: with the key "*" instead of includeAllKeys, an object without keys counts as missing, which spec.rotation and optional tolerate`, i))
			}
		}
	}
	if !slices.IsSorted(order) {
		list = append(list, "the certificates are in another order: those of the default CAs, of the objects, and of the inline text")
	}
	return list
}

// ClusterBundleOf returns the ClusterBundle that says the same as a Bundle, apart from the order of
// the kinds of sources. It has the Bundle's metadata and status.
func ClusterBundleOf(from *v1alpha1.Bundle) *v1alpha2.ClusterBundle {
	to := &v1alpha2.ClusterBundle{ObjectMeta: *from.ObjectMeta.DeepCopy(), Status: *from.Status.DeepCopy()}
	to.Spec = v1alpha2.ClusterBundleSpec{Filters: from.Spec.Filters, Rotation: from.Spec.Rotation, Exclude: from.Spec.Exclude}
	for _, source := range from.Spec.Sources {
		switch {
		case source.ConfigMap != nil:
			to.Spec.SourceRefs = append(to.Spec.SourceRefs, clusterRefOf(v1alpha2.SourceConfigMap, source.ConfigMap))
		case source.Secret != nil:
			to.Spec.SourceRefs = append(to.Spec.SourceRefs, clusterRefOf(v1alpha2.SourceSecret, source.Secret))
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
			ConfigMap: clusterObjectOf(target.ConfigMap, target.AdditionalFormats),
			Secret:    clusterObjectOf(target.Secret, target.AdditionalFormats),
			Overwrite: target.Overwrite, DeletionPolicy: target.DeletionPolicy,
			ClusterTrustBundle: target.ClusterTrustBundle,
		}
		if target.NamespaceSelector != nil {
			to.Spec.Target.NamespaceSelector = *target.NamespaceSelector.DeepCopy()
		}
	}
	return to
}

func clusterRefOf(kind v1alpha2.SourceKind, source *v1alpha1.SourceObject) v1alpha2.SourceRef {
	ref := v1alpha2.SourceRef{Kind: kind, Name: source.Name, Selector: source.Selector, Key: source.Key, Optional: source.Optional}
	if source.IncludeAllKeys {
		ref.Key = "*"
	}
	return ref
}

func clusterObjectOf(target *v1alpha1.TargetObject, formats *v1alpha1.AdditionalFormats) *v1alpha2.TargetObject {
	if target == nil {
		return nil
	}
	to := &v1alpha2.TargetObject{Data: []v1alpha2.TargetFile{{Key: target.Key}}}
	if formats != nil && formats.HashedDirectory != nil {
		to.Data[0].Format = v1alpha2.FormatHashedDirectory // its key is that of the PEM file
	}
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
