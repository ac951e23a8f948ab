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
	"trust-manager.io/test/framework/rig"
)

// changeSource makes, changes, spoils, mends or deletes a source.
func changeSource(c *chance, m *model) *action {
	at := pick(c, sourceNames...)
	before := m.sources[at]
	after, what := c.changed(at, before)
	readers := m.readers(at, before, after)
	return &action{
		text:    fmt.Sprintf("source %s %s: %s", at.kind, at.name, what),
		changes: append(each(readers, contentOf), sourceAt(at)),
		model: func(m *model) {
			if after == nil {
				delete(m.sources, at)
			} else {
				m.sources[at] = after
			}
		},
		do: func(w *world) error { return w.putSource(at, before != nil, after) },
	}
}

// changed gives what a source holds next, nil if it goes. One that is missing or
// broken is put right most times, since its readers stand still.
func (c *chance) changed(at source, before *content) (after *content, what string) {
	fresh := c.content(at)
	if before == nil {
		return fresh, "made, " + fresh.String()
	}
	after = &content{labels: before.labels, texts: maps.Clone(before.texts), tls: before.tls}
	keys := slices.Sorted(maps.Keys(after.texts))
	key := pick(c, keys...)
	one := after.texts[key]
	choice := c.weighted(10, 3, 2, 2, 2, 2)
	if after.isSpoilt() {
		choice = c.weighted(10, 2)
	}
	switch choice {
	case 0:
		return fresh, "now " + fresh.String()
	case 1:
		after.labels = fresh.labels
		return after, "labels now " + fmt.Sprint(after.labels)
	case 2:
		one.style = broken
	case 3:
		one.style = empty
	case 4:
		if len(keys) == 1 {
			return nil, "deleted"
		}
		delete(after.texts, key)
		return after, "key " + key + " deleted"
	default:
		return nil, "deleted"
	}
	after.texts[key] = one
	return after, fmt.Sprintf("key %s now %s", key, one.style)
}

func (c *content) isSpoilt() bool {
	for _, one := range c.texts {
		if one.style == broken || one.style == empty {
			return true
		}
	}
	return c.texts[mainKey].style == ""
}

func (c *content) String() string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(c.texts)) {
		parts = append(parts, fmt.Sprintf("%s: %v %s", key, c.texts[key].certificates, c.texts[key].style))
	}
	return fmt.Sprintf("%s, labels %v", strings.Join(parts, ", "), c.labels)
}

// String gives the text as it stands in the object.
func (t text) String() string {
	content := pemOf(t.certificates)
	switch t.style {
	case commented:
		return "# CAs\n\n" + strings.Join(blocks(t.certificates), "\n# next\n") + "\n# end\n"
	case windows:
		return strings.ReplaceAll(content, "\n", "\r\n")
	case doubled:
		return content + content
	case broken:
		return content[:len(content)-40]
	case empty:
		return "# nothing\n"
	}
	return content
}

// putSource makes, replaces or deletes a source.
func (w *world) putSource(at source, exists bool, to *content) error {
	meta := metav1.ObjectMeta{Namespace: rig.TrustNamespace, Name: at.name}
	var object client.Object = &corev1.ConfigMap{ObjectMeta: meta}
	if at.kind == secret {
		object = &corev1.Secret{ObjectMeta: meta}
	}
	if to == nil {
		return w.api.Delete(w.ctx, object)
	}
	object.SetLabels(to.labels)
	switch object := object.(type) {
	case *corev1.ConfigMap:
		object.Data, object.BinaryData = map[string]string{}, map[string][]byte{}
		for key, text := range to.texts {
			if text.binary {
				object.BinaryData[key] = []byte(text.String())
			} else {
				object.Data[key] = text.String()
			}
		}
	case *corev1.Secret:
		object.Data = map[string][]byte{}
		for key, text := range to.texts {
			object.Data[key] = []byte(text.String())
		}
		if to.tls {
			object.Type = corev1.SecretTypeTLS
			object.Data[corev1.TLSCertKey], object.Data[corev1.TLSPrivateKeyKey] = []byte(authorities[0]), []byte("key")
		}
	}
	if exists {
		return w.api.Update(w.ctx, object)
	}
	return w.api.Create(w.ctx, object)
}

// changePackage puts another version of the default CA package in place, or one
// that is no package, which must change nothing (D1).
func changePackage(c *chance, m *model) *action {
	if !m.running && m.brokenPackage {
		return nil // the operator is to start with a valid file
	}
	var readers []string
	for _, name := range m.existingBundles() {
		for _, one := range m.bundles[name].spec.Sources {
			if one.UseDefaultCAs != nil {
				readers = append(readers, name)
			}
		}
	}
	a := &action{changes: append(each(readers, contentOf), defaultPackage), calm: true}
	if m.running && !m.brokenPackage && c.percent(25) {
		a.text = "default CA package: broken"
		a.model = func(m *model) { m.brokenPackage = true }
		a.do = func(w *world) error { return w.putPackage([]byte(`{"name": "walk"`)) }
		return a
	}
	version, certificates := c.unique("version"), c.numbers()
	a.text = fmt.Sprintf("default CA package: %s, %v", version, certificates)
	a.model = func(m *model) { m.defaultCAs, m.brokenPackage = certificates, false }
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

// putPackage puts a file in place in one step.
func (w *world) putPackage(content []byte) error {
	fresh := w.packagePath() + ".new"
	if err := os.WriteFile(fresh, content, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, w.packagePath())
}
