package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/kinds"
	"trust-manager.io/test/framework/model"
	"trust-manager.io/test/framework/rig"
)

// wantedLabel, with the value "true", selects the namespaces of the targets.
const wantedLabel = theirs + "wanted"

// The keys of targets, and the password of PKCS#12 stores.
const (
	pemKey, jksKey, p12Key = "ca.crt", "ca.jks", "ca.p12"
	p12Password            = "faults"
)

// inLine is the kind of a source within the Bundle.
const inLine = "inLine"

// bundle is a Bundle or ClusterBundle, and its sources. Together the bundles have each kind of source,
// of target and of format.
type bundle struct {
	name string
	// kind is that of its targets, sources those of its sources.
	kind    string
	sources []string
	// stores reports whether its targets have key stores too.
	stores bool
	// pool holds the CAs of a bundle that retains and excludes.
	pool *pool
	// outlived reports whether its targets outlive the Bundle.
	outlived bool

	// mu is held while its content is changed.
	mu sync.Mutex
}

func newBundles() []*bundle {
	return []*bundle{
		{name: prefix + "pem", kind: model.ConfigMap, sources: []string{model.ConfigMap}},
		{name: kinds.Prefix + prefix + "stores", kind: model.ConfigMap, sources: []string{model.Secret}, stores: true},
		{name: kinds.Prefix + prefix + "pair", kind: model.ConfigMap, sources: []string{model.ConfigMap, model.ConfigMap}},
		{name: prefix + "secret", kind: model.Secret, sources: []string{model.ConfigMap}},
		{name: kinds.Prefix + prefix + "inline", kind: model.ConfigMap, sources: []string{inLine}, outlived: true},
		{name: kinds.Prefix + prefix + "trust", kind: model.ClusterTrustBundle, sources: []string{model.ConfigMap}},
	}
}

// trustBundles returns the names of all ClusterTrustBundles.
func trustBundles() (names []string) {
	for _, b := range newBundles() {
		if b.kind == model.ClusterTrustBundle {
			names = append(names, b.name)
		}
	}
	return names
}

// certificates returns certificates for one of its sources: new ones, or some of its
// pool.
func (b *bundle) certificates(r *rand.Rand, part int) []string {
	if b.pool != nil {
		return b.pool.some(r, r.IntN(4))
	}
	return newCertificates(b.source(part), 1+r.IntN(5))
}

// source returns the name of one of the bundle's source objects. Its prefix differs
// from that of targets.
func (b *bundle) source(part int) string {
	_, name, _ := strings.Cut(b.name, prefix)
	return fmt.Sprintf("feed-%s-%d", name, part+1)
}

func (b *bundle) at(namespace string) model.Target {
	if b.kind == model.ClusterTrustBundle {
		namespace = ""
	}
	return model.Target{Bundle: b.name, Kind: b.kind, Namespace: namespace}
}

// object returns the Bundle with these certificates in line.
func (b *bundle) object(text string) *v1alpha1.Bundle {
	object := &v1alpha1.Bundle{ObjectMeta: metav1.ObjectMeta{Name: b.name}}
	for part, kind := range b.sources {
		from := &v1alpha1.SourceObject{Name: b.source(part), Key: pemKey}
		switch kind {
		case model.ConfigMap:
			object.Spec.Sources = append(object.Spec.Sources, v1alpha1.BundleSource{ConfigMap: from})
		case model.Secret:
			object.Spec.Sources = append(object.Spec.Sources, v1alpha1.BundleSource{Secret: from})
		default:
			object.Spec.Sources = append(object.Spec.Sources, v1alpha1.BundleSource{InLine: &text})
		}
	}
	to := &v1alpha1.BundleTarget{NamespaceSelector: &v1alpha1.LabelSelector{
		MatchLabels: map[string]v1alpha1.LabelValue{wantedLabel: "true"},
	}}
	switch b.kind {
	case model.Secret:
		to.Secret = &v1alpha1.TargetObject{Key: pemKey}
	case model.ClusterTrustBundle:
		to.ClusterTrustBundle = &v1alpha1.ClusterTrustBundleTarget{}
	default:
		to.ConfigMap = &v1alpha1.TargetObject{Key: pemKey}
	}
	if b.stores {
		password := p12Password
		to.AdditionalFormats = &v1alpha1.AdditionalFormats{
			JKS:    &v1alpha1.JKS{Key: jksKey},
			PKCS12: &v1alpha1.PKCS12{Key: p12Key, Password: &password, Profile: v1alpha1.PKCS12ProfileModern2023},
		}
	}
	if b.outlived {
		to.DeletionPolicy = v1alpha1.DeletionPolicyOrphan
	}
	object.Spec.Target = to
	if b.pool != nil {
		all := int32(2 * poolSize)
		object.Spec.Rotation = &v1alpha1.BundleRotation{Retain: metav1.Duration{Duration: 72 * time.Hour}, MaxRetained: &all}
		object.Spec.Exclude = b.pool.exclusions()
	}
	return object
}

// make creates the sources and then the Bundle.
func (w *world) make(b *bundle) error {
	r, texts := w.random(b.name), make([]string, len(b.sources))
	for part := range b.sources {
		texts[part] = strings.Join(b.certificates(r, part), "")
	}
	object := b.object(texts[0])
	made := w.history.Update(time.Now(), func(m *model.World) {
		for part := range b.sources {
			b.hold(m, part, texts[part])
		}
		m.Bundles[b.name] = &model.Bundle{Spec: *object.Spec.DeepCopy()}
	})
	for part, kind := range b.sources {
		if kind != inLine {
			if err := w.putSource(kind, b.source(part), []byte(texts[part])); err != nil {
				return err
			}
		}
	}
	made(time.Now())
	return w.api.Create(w.ctx, object)
}

// hold sets the text of one of the bundle's sources in the model.
func (b *bundle) hold(m *model.World, part int, text string) {
	switch kind := b.sources[part]; {
	case kind != inLine:
		m.Sources[model.Source{Kind: kind, Name: b.source(part)}] = &model.Content{Texts: map[string]string{pemKey: text}}
	case m.Bundles[b.name] != nil:
		m.Bundles[b.name].Spec.Sources[part].InLine = &text
	}
}

// change replaces the certificates of one of the bundle's sources, and returns the
// revision that is desired afterwards.
func (w *world) change(b *bundle, part int, certificates []string) (*model.Revision, error) {
	text := strings.Join(certificates, "")
	if made.Load()%largeEach == 0 { // with comments, which take room and are left out
		text = strings.Repeat("# a comment of forty bytes, so they say\n", 5000) + text
	}
	return w.put(b, part, text)
}

// put writes any text into one of the bundle's sources, and returns the revision that
// is desired afterwards.
func (w *world) put(b *bundle, part int, text string) (*model.Revision, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	made := w.history.Update(time.Now(), func(m *model.World) { b.hold(m, part, text) })
	var err error
	if b.sources[part] != inLine {
		err = w.putSource(b.sources[part], b.source(part), []byte(text))
	} else {
		err = w.edit(b, func(now *v1alpha1.Bundle) { now.Spec = b.object(text).Spec })
	}
	if err != nil {
		return nil, err
	}
	made(time.Now())
	return w.history.Current(b.name), nil
}

// edit updates the Bundle.
func (w *world) edit(b *bundle, change func(*v1alpha1.Bundle)) error {
	return w.persist("Bundle "+b.name, func(ctx context.Context) error {
		var now v1alpha1.Bundle
		if err := w.api.Get(ctx, client.ObjectKey{Name: b.name}, &now); err != nil {
			return err
		}
		change(&now)
		return w.api.Update(ctx, &now)
	})
}

// putSource writes a text, valid or not, into a source object.
func (w *world) putSource(kind, name string, text []byte) error {
	meta := metav1.ObjectMeta{Namespace: rig.TrustNamespace, Name: name}
	return w.persist("source "+name, func(ctx context.Context) error {
		var object client.Object = &corev1.Secret{ObjectMeta: meta, Data: map[string][]byte{pemKey: text}}
		if kind == model.ConfigMap {
			object = configMapOf(meta, text)
		}
		// With its resource version, an attempt that is delayed in the API server cannot
		// overwrite a later one.
		before := emptyOf(object)
		err := w.api.Get(ctx, client.ObjectKeyFromObject(object), before)
		if apierrors.IsNotFound(err) {
			return w.api.Create(ctx, object)
		}
		if err != nil {
			return err
		}
		object.SetResourceVersion(before.GetResourceVersion())
		return w.api.Update(ctx, object)
	})
}

// emptyOf returns an empty object of the same kind to read into.
func emptyOf(object client.Object) client.Object {
	if _, ok := object.(*corev1.Secret); ok {
		return &corev1.Secret{}
	}
	return &corev1.ConfigMap{}
}

// configMapOf returns a ConfigMap with the text in data, or binaryData if it is not UTF-8.
func configMapOf(meta metav1.ObjectMeta, text []byte) *corev1.ConfigMap {
	if isText(text) {
		return &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{pemKey: string(text)}}
	}
	return &corev1.ConfigMap{ObjectMeta: meta, BinaryData: map[string][]byte{pemKey: text}}
}
