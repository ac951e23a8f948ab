package model

import (
	"cmp"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"trust-manager.io/api/trust/v1alpha1"
)

// Source identifies an object in the trust namespace.
type Source struct{ Kind, Name string }

func (s Source) String() string { return s.Kind + " " + s.Name }

func compareSources(a, b Source) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
}

// Content is the content of a source object.
type Content struct {
	Labels map[string]string
	// Texts are the values by key, of data and of binaryData.
	Texts map[string]string
	// TLS reports that the object is a Secret of type kubernetes.io/tls. Its own two keys
	// are not in Texts.
	TLS bool
}

// IsSelected reports whether a source selects the object by its labels.
func (c *Content) IsSelected(from *v1alpha1.SourceObject) bool {
	return c != nil && from.Selector != nil && selects(from.Selector, c.Labels)
}

// selects reports whether a selector matches labels. An unset one matches all (A11).
func selects(selector *v1alpha1.LabelSelector, has map[string]string) bool {
	if selector == nil {
		return true
	}
	parsed, err := metav1.LabelSelectorAsSelector(selector.ToMetaV1())
	return err == nil && parsed.Matches(labels.Set(has))
}

// read returns the certificates of a source, or the reasons why it cannot be used.
func (w *World) read(from v1alpha1.BundleSource) (certificates, problems []string) {
	switch {
	case from.InLine != nil:
		return readText(*from.InLine)
	case from.ConfigMap != nil:
		return w.readObjects(ConfigMap, from.ConfigMap)
	case from.Secret != nil:
		return w.readObjects(Secret, from.Secret)
	}
	return w.DefaultCAs, nil
}

func (w *World) readObjects(kind string, from *v1alpha1.SourceObject) (certificates, problems []string) {
	var contents []*Content
	if from.Name != "" {
		contents = append(contents, w.Sources[Source{kind, from.Name}])
	} else {
		for _, at := range slices.SortedFunc(maps.Keys(w.Sources), compareSources) {
			if at.Kind == kind && w.Sources[at].IsSelected(from) {
				contents = append(contents, w.Sources[at])
			}
		}
	}
	for _, content := range contents {
		found, problem := content.read(from)
		certificates = append(certificates, found...)
		problems = append(problems, problem...)
	}
	return certificates, problems
}

// read returns the certificates of an object, which is nil if it does not exist.
func (c *Content) read(from *v1alpha1.SourceObject) (certificates, problems []string) {
	missing := []string{v1alpha1.BundleReasonSourceNotFound} // S7
	if from.Optional {
		missing = nil // K1
	}
	switch {
	case c == nil:
		return nil, missing
	case from.IncludeAllKeys && c.TLS:
		return nil, []string{v1alpha1.BundleReasonSourceBuildError} // S10
	}
	keys := []string{from.Key}
	if from.IncludeAllKeys {
		keys = slices.Sorted(maps.Keys(c.Texts))
	}
	all := ""
	for _, key := range keys {
		text, ok := c.Texts[key]
		if !ok {
			return nil, missing
		}
		all += text + "\n"
	}
	return readText(all)
}

// readText returns the certificates of a text, or the reason why it has none (S8).
func readText(text string) (certificates, problems []string) {
	certificates, err := Certificates(text)
	if err != nil || len(certificates) == 0 {
		return nil, []string{v1alpha1.BundleReasonSourceBuildError}
	}
	return certificates, nil
}
