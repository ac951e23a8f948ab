package integration

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	apibundle "trust-manager.io/internal/bundle"
	"trust-manager.io/test/framework/kinds"
	"trust-manager.io/test/framework/rig"
)

const (
	// sceneLabel is the label of namespaces whose value is the name of their scene.
	sceneLabel = "integration/scene"
	// sourceKey is the key in sources, and targetKey the key in targets.
	sourceKey = "ca.crt"
	targetKey = "trust-bundle.pem"
)

// soon is the time until an expiry before which a test first checks the initial state:
// long enough for a slow, busy machine.
const soon = 15 * time.Second

// scene creates the objects of one test. No other test uses their names, and its Bundles
// select only its namespaces.
type scene struct {
	t *testing.T
	// name is the value of sceneLabel and the prefix of all names.
	name string
	made int
}

var (
	scenes      atomic.Int32
	notInLabels = regexp.MustCompile(`[^a-z0-9]+`)
)

// eachAPIKind runs a test of the shared operator for Bundles and for ClusterBundles (E1).
func eachAPIKind(t *testing.T, test func(t *testing.T, s *scene)) {
	t.Parallel()
	for kind, prefix := range map[string]string{"Bundle": "", "ClusterBundle": kinds.Prefix} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			operator(t)
			s := newScene(t)
			s.name = prefix + s.name
			test(t, s)
		})
	}
}

// marksOf returns the marks of the targets of a Bundle of this name.
func marksOf(bundle string) *apibundle.Marks { return kinds.MarksOf(bundle) }

func newScene(t *testing.T) *scene {
	t.Helper()
	_, name, _ := strings.Cut(t.Name(), "Test")
	name = strings.Trim(notInLabels.ReplaceAllString(strings.ToLower(name), "-"), "-")
	name = strings.Trim(name[:min(len(name), 40)], "-")
	s := &scene{t: t, name: fmt.Sprintf("%s-%d", name, scenes.Add(1))}
	t.Cleanup(func() {
		if log := shared.logAbout(s.name); t.Failed() && log != "" {
			t.Logf("the end of what the shared operator logged about it:\n%s", log)
		}
	})
	return s
}

// unique returns a name that no object has.
func (s *scene) unique() string {
	s.made++
	return fmt.Sprintf("%s-%d", s.name, s.made)
}

// namespaces creates namespaces of the scene.
func (s *scene) namespaces(count int) []string {
	s.t.Helper()
	return s.labelledNamespaces(count, map[string]string{sceneLabel: s.name})
}

// faultyNamespaces creates namespaces of the scene in which env.Admission can make writes
// fail, until the test ends.
func (s *scene) faultyNamespaces(count int) []string {
	s.t.Helper()
	names := s.labelledNamespaces(count, map[string]string{sceneLabel: s.name, rig.FaultyLabel: "true"})
	s.t.Cleanup(func() { env.Admission.Admit(names...) })
	return names
}

func (s *scene) labelledNamespaces(count int, labels map[string]string) []string {
	s.t.Helper()
	var names []string
	var objects []client.Object
	for range count {
		name := s.unique()
		names = append(names, name)
		objects = append(objects, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}})
	}
	create(s.t, objects...)
	return names
}

// source creates a ConfigMap in the trust namespace with the CAs under sourceKey.
func (s *scene) source(content ...authority) *corev1.ConfigMap {
	s.t.Helper()
	return s.sourceOf(pemOf(content...))
}

// sourceOf creates a ConfigMap in the trust namespace with a text under sourceKey.
func (s *scene) sourceOf(text string) *corev1.ConfigMap {
	s.t.Helper()
	object := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: rig.TrustNamespace, Name: s.unique()},
		Data:       map[string]string{sourceKey: text},
	}
	s.temporary(object)
	return object
}

// secret creates a Secret in the trust namespace with the CAs under sourceKey.
func (s *scene) secret(content ...authority) *corev1.Secret {
	s.t.Helper()
	object := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: rig.TrustNamespace, Name: s.unique()},
		Data:       map[string][]byte{sourceKey: []byte(pemOf(content...))},
	}
	s.temporary(object)
	return object
}

// bundle creates a Bundle with these sources and a ConfigMap target under targetKey in all
// namespaces of the scene. It applies changes before.
func (s *scene) bundle(sources []v1alpha1.BundleSource, changes ...func(*v1alpha1.Bundle)) *v1alpha1.Bundle {
	s.t.Helper()
	bundle := s.newBundle(sources, changes...)
	s.temporary(bundle)
	return bundle
}

// clusterBundle is bundle for a ClusterBundle in a scene of Bundles.
func (s *scene) clusterBundle(sources []v1alpha1.BundleSource, changes ...func(*v1alpha1.Bundle)) *v1alpha1.Bundle {
	s.t.Helper()
	bundle := s.newBundle(sources, changes...)
	bundle.Name = kinds.Prefix + bundle.Name
	s.temporary(bundle)
	return bundle
}

// newBundle returns the Bundle that bundle would create.
func (s *scene) newBundle(sources []v1alpha1.BundleSource, changes ...func(*v1alpha1.Bundle)) *v1alpha1.Bundle {
	bundle := &v1alpha1.Bundle{
		ObjectMeta: metav1.ObjectMeta{Name: s.unique()},
		Spec: v1alpha1.BundleSpec{
			Sources: sources,
			Target: &v1alpha1.BundleTarget{
				ConfigMap: &v1alpha1.TargetObject{Key: targetKey},
				NamespaceSelector: &v1alpha1.LabelSelector{
					MatchLabels: map[string]v1alpha1.LabelValue{sceneLabel: s.name},
				},
			},
		},
	}
	for _, change := range changes {
		change(bundle)
	}
	return bundle
}

// temporary creates an object, and deletes it when the test ends.
func (s *scene) temporary(object client.Object) {
	s.t.Helper()
	create(s.t, object)
	s.t.Cleanup(func() {
		// The test's own context has ended.
		if err := client.IgnoreNotFound(api.Delete(context.Background(), object)); err != nil {
			s.t.Errorf("removing %s: %v", object.GetName(), err)
		}
	})
}

// from returns sources that read sourceKey of objects.
func from(objects ...client.Object) []v1alpha1.BundleSource {
	var sources []v1alpha1.BundleSource
	for _, object := range objects {
		read := &v1alpha1.SourceObject{Name: object.GetName(), Key: sourceKey}
		if _, isSecret := object.(*corev1.Secret); isSecret {
			sources = append(sources, v1alpha1.BundleSource{Secret: read})
		} else {
			sources = append(sources, v1alpha1.BundleSource{ConfigMap: read})
		}
	}
	return sources
}

// inLine returns an inline source with these CAs.
func inLine(content ...authority) []v1alpha1.BundleSource {
	text := pemOf(content...)
	return []v1alpha1.BundleSource{{InLine: &text}}
}

// defaultCAs returns the source of the default CAs.
func defaultCAs() []v1alpha1.BundleSource {
	yes := true
	return []v1alpha1.BundleSource{{UseDefaultCAs: &yes}}
}

// fill replaces the content of a source.
func fill(t *testing.T, source *corev1.ConfigMap, content ...authority) {
	t.Helper()
	change(t, source, func(source *corev1.ConfigMap) { source.Data[sourceKey] = pemOf(content...) })
}

// label sets a label of a namespace, or removes it if the value is empty.
func label(t *testing.T, namespace, key, value string) {
	t.Helper()
	change(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, func(object *corev1.Namespace) {
		if value == "" {
			delete(object.Labels, key)
		} else {
			object.Labels[key] = value
		}
	})
}
