package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/decode"
	"trust-manager.io/internal/survey"
	"trust-manager.io/internal/target"
)

// maxFile is the largest file that is read, in bytes.
const maxFile = 32 << 20

// subject is what an argument of a command names: the texts of a file or of an object, or the
// definition of a bundle.
type subject struct {
	// name is the argument, or the object that it names.
	name       string
	texts      []keyedText
	definition *survey.Definition
}

// keyedText is the content of a file or of one key of an object.
type keyedText struct {
	origin certs.Origin
	data   string
}

// objectKinds are the names of kinds before the slash of an argument, as kubectl accepts them.
var objectKinds = map[string]string{
	"bundle": "Bundle", "bundles": "Bundle",
	"clusterbundle": "ClusterBundle", "clusterbundles": "ClusterBundle",
	"configmap": "ConfigMap", "configmaps": "ConfigMap", "cm": "ConfigMap",
	"secret": "Secret", "secrets": "Secret",
	"clustertrustbundle": "ClusterTrustBundle", "clustertrustbundles": "ClusterTrustBundle",
}

// objectOf returns the kind and name in an argument KIND/NAME; ok is false if it is a file.
func objectOf(argument string) (kind, name string, ok bool) {
	kind, name, ok = strings.Cut(argument, "/")
	if !ok || name == "" {
		return "", "", false
	}
	kind, ok = objectKinds[strings.ToLower(kind)]
	return kind, name, ok
}

// readFile reads a file, or standard input for "-".
func readFile(stdin io.Reader, path string) ([]byte, error) {
	in := stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer func() { _ = file.Close() }()
		in = file
	}
	data, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return data, err
}

// objectSubject reads an object of the cluster. A ConfigMap or Secret without a namespace of the
// user's is in the trust namespace.
func (f *clusterFlags) objectSubject(ctx context.Context, cluster *survey.Cluster, kind, name string) (*subject, error) {
	switch kind {
	case bundle.APIBundle.String(), bundle.APIClusterBundle.String():
		definitions, err := cluster.Definitions(ctx)
		if err != nil {
			return nil, err
		}
		for i := range definitions {
			if id := definitions[i].Spec.ID; id.Kind.String() == kind && id.Name == name {
				return &subject{name: id.String(), definition: &definitions[i]}, nil
			}
		}
		return nil, fmt.Errorf("%s %s does not exist", kind, name)
	}
	ref := target.Ref{Name: name, Namespace: f.trustNamespace}
	if f.Namespace != nil && *f.Namespace != "" {
		ref.Namespace = *f.Namespace
	}
	for known := range targetKinds() {
		if known.String() == kind {
			ref.Kind = known
		}
	}
	if target.TypeOf(ref.Kind).ClusterScoped {
		ref.Namespace = ""
	}
	object, err := cluster.Read(ctx, ref)
	if err != nil {
		return nil, withFileHint(err, kind, name)
	}
	return &subject{name: ref.String(), texts: textsOf(ref.String(), object.Text, object.Binary)}, nil
}

// certificatesIn returns the certificates of a file or value, with their origin.
func certificatesIn(content decode.Content, origin certs.Origin) []certs.Certificate {
	certificates := make([]certs.Certificate, len(content.Entries))
	for i, entry := range content.Entries {
		certificates[i] = entry.Certificate
		certificates[i].Origin = origin
		certificates[i].Origin.Block = i + 1
	}
	return certificates
}

// hasPrivateKey reports whether a file has a private key besides its certificates.
func hasPrivateKey(content decode.Content) bool {
	return slices.ContainsFunc(content.Others, func(other decode.Other) bool { return strings.Contains(other.Kind, "private key") })
}

// withFileHint returns an error about an object, with a hint if a file has the name of the argument.
func withFileHint(err error, kind, name string) error {
	for path := range objectKinds {
		if _, missing := os.Stat(path + "/" + name); missing == nil && objectKinds[path] == kind {
			return fmt.Errorf("%w; to read the file, give ./%s/%s", err, path, name)
		}
	}
	return err
}

// textsOf returns the values of an object, by key. The files of a hashed directory are left out if
// their certificates are in another value, as in each target that has one.
func textsOf(object string, text map[string]string, binary map[string][]byte) (texts []keyedText) {
	values := maps.Clone(text)
	if values == nil {
		values = map[string]string{}
	}
	for key, value := range binary {
		values[key] = string(value)
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if bundle.IsHashedName(key) && isElsewhere(values, key) {
			continue
		}
		texts = append(texts, keyedText{certs.Origin{Object: object, Key: key}, values[key]})
	}
	return texts
}

// isElsewhere reports whether a value of a hashed directory is part of one under another key.
func isElsewhere(values map[string]string, name string) bool {
	for key, value := range values {
		if !bundle.IsHashedName(key) && strings.Contains(value, values[name]) {
			return true
		}
	}
	return false
}

// fileSubjects returns what a file contains: the objects of a manifest, or one text. The texts of
// sources that the manifest has are read by the returned manifests.
func fileSubjects(stdin io.Reader, path, trustNamespace string) ([]subject, *manifests, error) {
	data, err := readFile(stdin, path)
	if err != nil {
		return nil, nil, err
	}
	isManifest, infos, err := manifestIn(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	if !isManifest {
		name := path
		if path == "-" {
			name = "standard input"
		}
		return []subject{{name: name, texts: []keyedText{{certs.Origin{Object: name}, string(data)}}}}, nil, nil
	}
	m := newManifests()
	var subjects []subject
	for _, object := range infos {
		texts, ok, err := manifestTexts(object)
		if err = errors.Join(err, m.add(object, trustNamespace)); err != nil {
			return nil, nil, fmt.Errorf("%s: %s %s: %w", path, object.GetKind(), object.GetName(), err)
		}
		if ok {
			subjects = append(subjects, texts)
		}
	}
	for i := range m.bundles {
		subjects = append(subjects, subject{name: m.bundles[i].Spec.ID.String(), definition: &m.bundles[i]})
	}
	if len(subjects) == 0 {
		return nil, nil, fmt.Errorf("%s: the manifest contains nothing that holds certificates", path)
	}
	return subjects, m, nil
}

// versionField is a line or field that every document of a manifest has.
var versionField = regexp.MustCompile(`(?m)^[ \t-]*"?apiVersion"?[ \t]*:|[{,]\s*"?apiVersion"?\s*:`)

// manifestIn returns the objects of a manifest in YAML or JSON, if the data is one.
func manifestIn(data []byte) (isManifest bool, objects []*unstructured.Unstructured, err error) {
	if !versionField.Match(data) {
		return false, nil, nil
	}
	infos, err := resource.NewLocalBuilder().Unstructured().Stream(strings.NewReader(string(data)), "").Flatten().Do().Infos()
	if err != nil {
		return true, nil, withoutContent(err)
	}
	for _, info := range infos {
		if object, ok := info.Object.(*unstructured.Unstructured); ok {
			objects = append(objects, object)
		}
	}
	return true, objects, nil
}

// manifestTexts returns the texts of a manifest of a ConfigMap, Secret or ClusterTrustBundle; ok is
// false for other kinds.
func manifestTexts(object *unstructured.Unstructured) (result subject, ok bool, err error) {
	for kind := range targetKinds() {
		if kind.String() != object.GetKind() {
			continue
		}
		typed := target.TypeOf(kind).NewObject()
		if err := convert(object, typed); err != nil {
			return subject{}, false, err
		}
		if secret, ok := typed.(*corev1.Secret); ok {
			mergeStringData(secret)
		}
		content := target.TypeOf(kind).FromAPI(typed)
		name := target.Ref{Kind: kind, Namespace: object.GetNamespace(), Name: object.GetName()}.String()
		return subject{name: name, texts: textsOf(name, content.Text, content.Binary)}, true, nil
	}
	return subject{}, false, nil
}

// targetKinds returns the kinds of objects that hold certificates.
func targetKinds() iter.Seq[bundle.Kind] {
	return slices.Values([]bundle.Kind{bundle.ConfigMap, bundle.Secret, bundle.ClusterTrustBundle})
}
