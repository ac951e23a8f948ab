package apis

import (
	"cmp"
	"fmt"
	"maps"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/api/trustmanager/v1alpha2"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/ledger"
)

// ClusterBundle adapts the ClusterBundle of trust-manager.io/v1alpha2.
type ClusterBundle struct{}

// GroupVersionKind implements [Adapter].
func (ClusterBundle) GroupVersionKind() schema.GroupVersionKind {
	return v1alpha2.GroupVersion.WithKind(v1alpha2.ClusterBundleKind)
}

// New implements [Adapter].
func (ClusterBundle) New() client.Object { return &v1alpha2.ClusterBundle{} }

// NewList implements [Adapter].
func (ClusterBundle) NewList() client.ObjectList { return &v1alpha2.ClusterBundleList{} }

// Marks implements [Adapter].
func (ClusterBundle) Marks() *bundle.Marks { return clusterBundleMarks }

// HasSameSpec implements [Adapter].
func (ClusterBundle) HasSameSpec(a, b client.Object) bool {
	first, isFirst := a.(*v1alpha2.ClusterBundle)
	second, isSecond := b.(*v1alpha2.ClusterBundle)
	return isFirst && isSecond && equality.Semantic.DeepEqual(first.Spec, second.Spec)
}

// Report implements [Adapter].
func (ClusterBundle) Report(obj client.Object) ledger.Report {
	source, ok := obj.(*v1alpha2.ClusterBundle)
	if !ok {
		return ledger.Report{}
	}
	return reportOf(&source.Status)
}

// Status implements [Adapter].
func (ClusterBundle) Status(report ledger.Report) any { return statusOf(report) }

// Spec implements [Adapter]. The API server has already rejected most invalid values.
func (c ClusterBundle) Spec(obj client.Object) (bundle.Spec, bundle.Problems) {
	source, ok := obj.(*v1alpha2.ClusterBundle)
	if !ok {
		return bundle.Spec{}, bundle.Problems{{Reason: certs.SourceBuildError, Detail: fmt.Sprintf("a %T is not a ClusterBundle", obj)}}
	}
	spec := bundle.Spec{
		ID:         bundle.ID{Kind: clusterBundleMarks.Kind, Name: source.Name},
		Generation: source.Generation,
		Owner:      *metav1.NewControllerRef(source, c.GroupVersionKind()),
		Marks:      clusterBundleMarks,
		Namespaces: labels.Everything(),
		Filter:     filterOf(source.Spec.Filters),
		Rotation:   rotationOf(source.Spec.Rotation, source.Spec.Target != nil),
	}
	var problems, invalid bundle.Problems
	spec.Filter.Exclude, problems = exclusionsOf(source.Spec.Exclude)
	spec.Sources, invalid = clusterSourcesOf(&source.Spec)
	problems = append(problems, invalid...)
	if target := source.Spec.Target; target != nil {
		problems = append(problems, setClusterTargets(&spec, target, source.Annotations[v1alpha2.JKSKeyAnnotationKey])...)
	}
	return spec, problems
}

// clusterSourcesOf returns the sources in the order of their certificates (E2): a user's own
// CAs come last.
func clusterSourcesOf(spec *v1alpha2.ClusterBundleSpec) (sources []bundle.Source, problems bundle.Problems) {
	if spec.DefaultCAs != nil && spec.DefaultCAs.Provider == v1alpha2.DefaultCAProviderSystem {
		sources = append(sources, bundle.Source{Field: "spec.defaultCAs", DefaultCAs: true})
	}
	for i := range spec.SourceRefs {
		source, problem := refOf(fmt.Sprintf("spec.sourceRefs[%d]", i), &spec.SourceRefs[i])
		if problem != nil {
			problems = append(problems, problem)
		} else {
			sources = append(sources, *source)
		}
	}
	if spec.InLineCAs != nil {
		sources = append(sources, bundle.Source{Field: "spec.inLineCAs", Text: *spec.InLineCAs})
	}
	return sources, problems
}

// refOf converts one reference.
func refOf(field string, ref *v1alpha2.SourceRef) (*bundle.Source, *certs.Problem) {
	if ref.Kind == v1alpha2.SourceClusterTrustBundle {
		return trustBundleOf(field, &v1alpha1.ClusterTrustBundleSource{
			Name: ref.Name, SignerName: ref.SignerName, Selector: ref.Selector, Optional: ref.Optional,
		})
	}
	object := &bundle.ObjectSource{Kind: bundle.ConfigMap, Name: ref.Name, Optional: ref.Optional}
	if ref.Kind == v1alpha2.SourceSecret {
		object.Kind = bundle.Secret
	}
	if strings.Contains(ref.Key, "*") {
		object.Pattern = bundle.KeyPattern(ref.Key)
	} else {
		object.Key = ref.Key
	}
	if ref.Selector != nil {
		selector, problem := selectorOf(field+".selector", ref.Selector)
		if problem != nil {
			return nil, problem
		}
		object.Selector = selector
	}
	return &bundle.Source{Field: field, Object: object}, nil
}

// setClusterTargets converts the targets. A PKCS#12 file with the key jksKey is written in JKS
// format.
func setClusterTargets(spec *bundle.Spec, target *v1alpha2.ClusterBundleTarget, jksKey string) bundle.Problems {
	spec.Overwrite, spec.Orphan = target.Overwrite, target.DeletionPolicy == v1alpha1.DeletionPolicyOrphan
	for _, template := range []struct {
		kind   bundle.Kind
		field  string
		object *v1alpha2.TargetObject
	}{{bundle.ConfigMap, "spec.target.configMap", target.ConfigMap}, {bundle.Secret, "spec.target.secret", target.Secret}} {
		if template.object == nil {
			continue
		}
		converted := bundle.Target{Field: template.field, Kind: template.kind}
		for i := range template.object.Data {
			file := &template.object.Data[i]
			field := fmt.Sprintf("%s.data[%d]", template.field, i)
			converted.Files = append(converted.Files, fileOf(field, file, jksKey))
			if file.Format == v1alpha2.FormatHashedDirectory {
				converted.Files = append(converted.Files, bundle.File{Field: field, Format: bundle.HashedDirectory})
			}
		}
		if metadata := template.object.Metadata; metadata != nil {
			converted.Labels, converted.Annotations = maps.Clone(metadata.Labels), metadata.Annotations
		}
		spec.Targets = append(spec.Targets, converted)
	}
	addTrustBundle(spec, target.ClusterTrustBundle)
	const field = "spec.target.namespaceSelector"
	selector, problem := selectorOf(field, &target.NamespaceSelector)
	if problem != nil {
		return bundle.Problems{problem}
	}
	spec.Namespaces = selector
	if !selector.Empty() { // an empty one is the only way to select all namespaces
		spec.NamespacesField = field
	}
	return nil
}

// fileOf converts one file. That of a hashed directory is the one with all certificates.
func fileOf(field string, file *v1alpha2.TargetFile, jksKey string) bundle.File {
	converted := bundle.File{Field: field, Format: bundle.PEM, Key: file.Key}
	switch {
	case file.Format == v1alpha2.FormatJKS || file.Format == v1alpha2.FormatPKCS12 && file.Key == jksKey:
		converted.Format = bundle.JKS
		converted.Password = cmp.Or(valueOr(file.Password, ""), v1alpha1.DefaultJKSPassword)
	case file.Format == v1alpha2.FormatPKCS12:
		converted.Format = bundle.PKCS12
		converted.Password = valueOr(file.Password, v1alpha1.DefaultPKCS12Password)
		converted.Profile = string(cmp.Or(file.Profile, v1alpha1.PKCS12ProfileLegacyDES))
	}
	return converted
}
