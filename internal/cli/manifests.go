package cli

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/resource"

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/survey"
)

// manifests are the objects of files that concern bundles.
type manifests struct {
	// bundles are the Bundles and ClusterBundles, in the order of the files.
	bundles []survey.Definition
	// objects are the ConfigMaps and Secrets of the trust namespace.
	objects      objects
	trustBundles []*certificatesv1.ClusterTrustBundle
	namespaces   []*corev1.Namespace
	// seen has the kinds and names of all objects.
	seen map[string]bool
}

// readManifests reads files, directories, URLs, or standard input for "-". A ConfigMap or Secret
// without a namespace is taken to be in the trust namespace; those of other namespaces, and
// objects of other kinds, are ignored.
func readManifests(options resource.FilenameOptions, trustNamespace string) (*manifests, error) {
	if len(options.Filenames) == 0 && options.Kustomize == "" {
		return nil, errors.New("give at least one file with -f, or - for standard input")
	}
	infos, err := resource.NewLocalBuilder().Unstructured().ContinueOnError().FilenameParam(false, &options).Flatten().Do().Infos()
	if err != nil {
		return nil, withoutContent(err)
	}
	m := newManifests()
	for _, info := range infos {
		if object, ok := info.Object.(*unstructured.Unstructured); ok {
			if err := m.add(object, trustNamespace); err != nil {
				return nil, fmt.Errorf("%s: %s %s: %w", info.Source, object.GetKind(), object.GetName(), err)
			}
		}
	}
	if len(m.bundles) == 0 {
		return nil, errors.New("the files contain no Bundle and no ClusterBundle")
	}
	return m, nil
}

// newManifests returns manifests without any object.
func newManifests() *manifests { return &manifests{objects: newObjects(), seen: map[string]bool{}} }

// withoutContent returns an error about a manifest without the object that it quotes, which may be a
// Secret.
func withoutContent(err error) error {
	const quote = " is missing in '"
	if text, _, isQuoted := strings.Cut(err.Error(), quote); isQuoted {
		return errors.New(text + " is missing; each document of a manifest needs apiVersion and kind")
	}
	return err
}

// check returns an error if an object cannot be meant: it has no name, is a second one of its name,
// or is of an unknown kind in the groups of bundles.
func (m *manifests) check(object *unstructured.Unstructured) error {
	gvk := object.GroupVersionKind()
	id := fmt.Sprintf("%s %s/%s", gvk.GroupKind(), object.GetNamespace(), object.GetName())
	switch {
	case object.GetName() == "":
		return errors.New("it has no name")
	case m.seen[id]:
		return errors.New("there is another one with the same name")
	}
	m.seen[id] = true
	for _, adapter := range apis.All() {
		if known := adapter.GroupVersionKind(); known.Group == gvk.Group && known != gvk {
			return fmt.Errorf("the kind is not known; did you mean %s of %s?", known.Kind, known.GroupVersion())
		}
	}
	return nil
}

// add adds an object, if it concerns bundles. Unknown fields are errors.
func (m *manifests) add(object *unstructured.Unstructured, trustNamespace string) error {
	if err := m.check(object); err != nil {
		return err
	}
	gvk := object.GroupVersionKind()
	for _, adapter := range apis.All() {
		if adapter.GroupVersionKind() == gvk {
			into := adapter.New()
			err := convert(object, into)
			spec, invalid := adapter.Spec(into)
			m.bundles = append(m.bundles, survey.Definition{Object: into, Spec: spec, Invalid: invalid})
			return err
		}
	}
	isInTrustNamespace := cmp.Or(object.GetNamespace(), trustNamespace) == trustNamespace
	switch {
	case gvk == corev1.SchemeGroupVersion.WithKind("ConfigMap") && isInTrustNamespace:
		into := &corev1.ConfigMap{}
		m.objects.configMaps[object.GetName()] = into
		return convert(object, into)
	case gvk == corev1.SchemeGroupVersion.WithKind("Secret") && isInTrustNamespace:
		into := &corev1.Secret{}
		m.objects.secrets[object.GetName()] = into
		err := convert(object, into)
		mergeStringData(into)
		return err
	case gvk.GroupKind() == schema.GroupKind{Group: certificatesv1.GroupName, Kind: "ClusterTrustBundle"}:
		into := &certificatesv1.ClusterTrustBundle{}
		m.trustBundles = append(m.trustBundles, into)
		return convert(object, into)
	case gvk == corev1.SchemeGroupVersion.WithKind("Namespace"):
		into := &corev1.Namespace{}
		m.namespaces = append(m.namespaces, into)
		return convert(object, into)
	}
	return nil
}

// convert decodes an object, as an API server with strict field validation does.
func convert(object *unstructured.Unstructured, into runtime.Object) error {
	return runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, into, true)
}

// mergeStringData moves the field stringData to data, as the API server does.
func mergeStringData(secret *corev1.Secret) {
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	for key, value := range secret.StringData {
		secret.Data[key] = []byte(value)
	}
	secret.StringData = nil
}

// names returns the sorted names of the namespaces that a function selects.
func (m *manifests) names(selects func(*corev1.Namespace) bool) []string {
	names := map[string]bool{}
	for _, namespace := range m.namespaces {
		if selects(namespace) {
			names[namespace.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
