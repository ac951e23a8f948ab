package walk

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/internal/capackage"
	"trust-manager.io/test/framework/model"
	"trust-manager.io/test/framework/rig"
)

// changeSource creates, changes, damages, repairs or deletes a source.
func changeSource(c *chance, m *state) *action {
	at := pick(c, sourceNames...)
	before := m.Sources[at]
	after, what := c.changed(at, before)
	readers := m.readers(at, before, after)
	return &action{
		text:    fmt.Sprintf("source %s: %s", at, what),
		changes: append(each(readers, contentOf), at.String()),
		model: func(m *state) {
			if after == nil {
				delete(m.Sources, at)
			} else {
				m.Sources[at] = after
			}
		},
		do: func(w *world) error { return w.putSource(at, before != nil, after) },
	}
}

// changed returns the next content of a source, or nil if it is deleted. A missing or
// damaged source is usually repaired, since its readers are blocked.
func (c *chance) changed(at model.Source, before *model.Content) (after *model.Content, what string) {
	fresh := c.content(at)
	if before == nil {
		return fresh, "made, " + describeContent(fresh)
	}
	after = &model.Content{Labels: before.Labels, Texts: maps.Clone(before.Texts), TLS: before.TLS}
	keys := slices.Sorted(maps.Keys(after.Texts))
	key := pick(c, keys...)
	choice := c.weighted(10, 3, 2, 2, 2, 2)
	if isSpoilt(after) {
		choice = c.weighted(10, 2)
	}
	switch choice {
	case 0:
		return fresh, "now " + describeContent(fresh)
	case 1:
		after.Labels = fresh.Labels
		return after, "labels now " + fmt.Sprint(after.Labels)
	case 2:
		text := after.Texts[key]
		after.Texts[key] = text[:len(text)-40]
		return after, "key " + key + " now damaged"
	case 3:
		after.Texts[key] = "# nothing\n"
		return after, "key " + key + " now without a certificate"
	case 4:
		if len(keys) > 1 {
			delete(after.Texts, key)
			return after, "key " + key + " deleted"
		}
	}
	return nil, "deleted"
}

func describeContent(of *model.Content) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(of.Texts)) {
		parts = append(parts, fmt.Sprintf("%s: %v in %d bytes", key, numbersIn(of.Texts[key]), len(of.Texts[key])))
	}
	return fmt.Sprintf("%s, labels %v", strings.Join(parts, ", "), of.Labels)
}

// putSource creates, replaces or deletes a source.
func (w *world) putSource(at model.Source, exists bool, to *model.Content) error {
	meta := metav1.ObjectMeta{Namespace: rig.TrustNamespace, Name: at.Name}
	var object client.Object = &corev1.ConfigMap{ObjectMeta: meta}
	if at.Kind == model.Secret {
		object = &corev1.Secret{ObjectMeta: meta}
	}
	if to == nil {
		return w.api.Delete(w.ctx, object)
	}
	object.SetLabels(to.Labels)
	switch object := object.(type) {
	case *corev1.ConfigMap:
		object.Data, object.BinaryData = maps.Clone(to.Texts), map[string][]byte{}
		if text, ok := to.Texts[binaryKey]; ok {
			delete(object.Data, binaryKey)
			object.BinaryData[binaryKey] = []byte(text)
		}
	case *corev1.Secret:
		object.StringData = maps.Clone(to.Texts)
		if to.TLS {
			object.Type = corev1.SecretTypeTLS
			object.StringData[corev1.TLSCertKey], object.StringData[corev1.TLSPrivateKeyKey] = authorities[0], "key"
		}
	}
	if exists {
		return w.api.Update(w.ctx, object)
	}
	return w.api.Create(w.ctx, object)
}

// changePackage installs another version of the default CA package, or an invalid
// one, which must change nothing (D1).
func changePackage(c *chance, m *state) *action {
	if !m.running && m.brokenPackage {
		return nil // the operator is to start with a valid file
	}
	var readers []string
	for _, name := range m.existingBundles() {
		for _, one := range m.Bundles[name].Spec.Sources {
			if one.UseDefaultCAs != nil {
				readers = append(readers, name)
			}
		}
	}
	a := &action{changes: append(each(readers, contentOf), defaultPackage), calm: true}
	if m.running && !m.brokenPackage && c.percent(25) {
		a.text = "default CA package: broken"
		a.model = func(m *state) { m.brokenPackage = true }
		a.do = func(w *world) error { return w.putPackage([]byte(`{"name": "walk"`)) }
		return a
	}
	version, certificates := c.unique("version"), c.numbers()
	a.text = fmt.Sprintf("default CA package: %s, %v", version, certificates)
	a.model = func(m *state) { m.DefaultCAs, m.brokenPackage = blocks(certificates), false }
	a.do = func(w *world) error {
		encoded, err := capackage.Encode(capackage.Package{Name: "walk", Version: version, Bundle: pemOf(certificates)})
		if err != nil {
			return err
		}
		return w.putPackage(encoded)
	}
	return a
}

func (w *world) packagePath() string { return filepath.Join(w.folder, "package.json") }

// putPackage installs a file atomically.
func (w *world) putPackage(content []byte) error {
	fresh := w.packagePath() + ".new"
	if err := os.WriteFile(fresh, content, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, w.packagePath())
}
