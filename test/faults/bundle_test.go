package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/rig"
)

// wantedLabel, with the value "true", is that of namespaces that want targets.
const wantedLabel = theirs + "wanted"

// inLine is the kind of a source that is in the Bundle.
const inLine = "inLine"

// bundle is a Bundle and its sources. Together the bundles have each kind of source,
// of target and of format.
type bundle struct {
	name string
	// kind is that of its targets, sources those of its sources.
	kind    string
	sources []string
	// stores says that it has key stores too.
	stores bool
	// reason is that of its condition while all is as it should be.
	reason string

	// rotation is there where the bundle retains and excludes.
	rotation *rotation

	// mu is held while its content is changed.
	mu sync.Mutex
	// parts are the certificates of each source.
	parts [][]string
}

func newBundles() []*bundle {
	return []*bundle{
		{name: prefix + "pem", kind: configMap, sources: []string{configMap}},
		{name: prefix + "stores", kind: configMap, sources: []string{secret}, stores: true},
		{name: prefix + "pair", kind: configMap, sources: []string{configMap, configMap}},
		{name: prefix + "secret", kind: secret, sources: []string{configMap}},
		{name: prefix + "inline", kind: configMap, sources: []string{inLine}},
	}
}

// certificates gives some for one of its sources: such as there were none like before,
// or some of those that it draws from.
func (b *bundle) certificates(r *rand.Rand, part int) []string {
	if b.rotation != nil {
		return b.rotation.some(r, r.IntN(4))
	}
	return newCertificates(b.source(part), 1+r.IntN(5))
}

// source is the name of one of the bundle's source objects. They do not begin like
// targets.
func (b *bundle) source(part int) string {
	return fmt.Sprintf("feed-%s-%d", strings.TrimPrefix(b.name, prefix), part+1)
}

func (b *bundle) at(namespace string) target { return target{b.name, b.kind, namespace} }

// object is the Bundle with certain certificates in line.
func (b *bundle) object(text string) *v1alpha1.Bundle {
	object := &v1alpha1.Bundle{ObjectMeta: metav1.ObjectMeta{Name: b.name}}
	for part, kind := range b.sources {
		from := &v1alpha1.SourceObject{Name: b.source(part), Key: pemKey}
		switch kind {
		case configMap:
			object.Spec.Sources = append(object.Spec.Sources, v1alpha1.BundleSource{ConfigMap: from})
		case secret:
			object.Spec.Sources = append(object.Spec.Sources, v1alpha1.BundleSource{Secret: from})
		default:
			object.Spec.Sources = append(object.Spec.Sources, v1alpha1.BundleSource{InLine: &text})
		}
	}
	to := &v1alpha1.BundleTarget{NamespaceSelector: &v1alpha1.LabelSelector{
		MatchLabels: map[string]v1alpha1.LabelValue{wantedLabel: "true"},
	}}
	if b.kind == secret {
		to.Secret = &v1alpha1.TargetObject{Key: pemKey}
	} else {
		to.ConfigMap = &v1alpha1.TargetObject{Key: pemKey}
	}
	if b.stores {
		password := p12Password
		to.AdditionalFormats = &v1alpha1.AdditionalFormats{
			JKS:    &v1alpha1.JKS{Key: jksKey},
			PKCS12: &v1alpha1.PKCS12{Key: p12Key, Password: &password, Profile: v1alpha1.PKCS12ProfileModern2023},
		}
	}
	object.Spec.Target = to
	if b.rotation != nil {
		all := int32(2 * poolSize)
		object.Spec.Rotation = &v1alpha1.BundleRotation{Retain: metav1.Duration{Duration: 72 * time.Hour}, MaxRetained: &all}
		object.Spec.Exclude = b.rotation.exclusions()
	}
	return object
}

// make makes the sources and then the Bundle.
func (w *world) make(b *bundle) error {
	b.reason = v1alpha1.BundleReasonSynced
	for part := range b.sources {
		b.parts = append(b.parts, b.certificates(w.random(b.name), part))
	}
	first := w.judge.registry.announce(b.name, slices.Concat(b.parts...))
	for part, kind := range b.sources {
		if kind != inLine {
			if err := w.putSource(kind, b.source(part), []byte(strings.Join(b.parts[part], ""))); err != nil {
				return err
			}
		}
	}
	w.judge.registry.settled(first)
	return w.api.Create(w.ctx, b.object(first.text()))
}

// change has one of the bundle's sources have other certificates, and gives the
// revision that is wanted then.
func (w *world) change(b *bundle, part int, certificates []string) (*revision, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.parts[part] = certificates
	next := w.judge.registry.announce(b.name, slices.Concat(b.parts...))
	text := strings.Join(certificates, "")
	if made.Load()%largeEach == 0 { // with comments, which take room and are left out
		text = strings.Repeat("# a comment of forty bytes, so they say\n", 5000) + text
	}
	if err := w.put(b, part, []byte(text)); err != nil {
		return nil, err
	}
	w.judge.registry.settled(next)
	return next, nil
}

// put has one of the bundle's sources hold a text, whatever it is.
func (w *world) put(b *bundle, part int, text []byte) error {
	if b.sources[part] != inLine {
		return w.putSource(b.sources[part], b.source(part), text)
	}
	return w.persist("Bundle "+b.name, func(ctx context.Context) error {
		var now v1alpha1.Bundle
		if err := w.api.Get(ctx, client.ObjectKey{Name: b.name}, &now); err != nil {
			return err
		}
		now.Spec = b.object(string(text)).Spec
		return w.api.Update(ctx, &now)
	})
}

// putSource has a source object hold a text, which may be anything.
func (w *world) putSource(kind, name string, text []byte) error {
	meta := metav1.ObjectMeta{Namespace: rig.TrustNamespace, Name: name}
	return w.persist("source "+name, func(ctx context.Context) error {
		var object client.Object = &corev1.Secret{ObjectMeta: meta, Data: map[string][]byte{pemKey: text}}
		if kind == configMap {
			object = configMapOf(meta, text)
		}
		// Without a resource version: whatever there is.
		err := w.api.Update(ctx, object)
		if apierrors.IsNotFound(err) {
			object.SetResourceVersion("")
			return w.api.Create(ctx, object)
		}
		return err
	})
}

// configMapOf has the text where a ConfigMap can have it.
func configMapOf(meta metav1.ObjectMeta, text []byte) *corev1.ConfigMap {
	if isText(text) {
		return &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{pemKey: string(text)}}
	}
	return &corev1.ConfigMap{ObjectMeta: meta, BinaryData: map[string][]byte{pemKey: text}}
}
