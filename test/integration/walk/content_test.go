package walk

import (
	"maps"
	"slices"
	"strings"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/model"
)

// sourceNames are all sources that can exist.
var sourceNames = []model.Source{
	{Kind: model.ConfigMap, Name: "feed-1"}, {Kind: model.ConfigMap, Name: "feed-2"},
	{Kind: model.ConfigMap, Name: "feed-3"}, {Kind: model.ConfigMap, Name: "feed-4"},
	{Kind: model.Secret, Name: "feed-5"}, {Kind: model.Secret, Name: "feed-6"}, {Kind: model.Secret, Name: "feed-7"},
	tlsSource,
}

// tlsSource is a Secret of the type kubernetes.io/tls.
var tlsSource = model.Source{Kind: model.Secret, Name: "feed-8"}

// content returns what a source may contain.
func (c *chance) content(at model.Source) *model.Content {
	content := &model.Content{Labels: map[string]string{}, Texts: map[string]string{}, TLS: at == tlsSource}
	// A selector that matches the Secret with a private key is usually an error, which
	// would block all its readers.
	if group := pick(c, "", "a", "b"); group != "" && (!content.TLS || c.percent(10)) {
		content.Labels[feed] = group
	}
	content.Texts[mainKey] = c.text()
	if c.percent(60) {
		content.Texts[moreKey] = c.text()
	}
	if at.Kind == model.ConfigMap && c.percent(40) {
		content.Texts[binaryKey] = c.text()
	}
	return content
}

// text returns some certificates in one of the styles in which users write them.
func (c *chance) text() string {
	numbers := c.numbers()
	return pick(c, pemOf, pemOf, pemOf, commented, windows, doubled)(numbers)
}

func commented(numbers []int) string {
	return "# CAs\n\n" + strings.Join(blocks(numbers), "\n# next\n") + "\n# end\n"
}

func windows(numbers []int) string { return strings.ReplaceAll(pemOf(numbers), "\n", "\r\n") }

func doubled(numbers []int) string { return pemOf(numbers) + pemOf(numbers) }

// isSpoilt reports whether a source has a text without certificates, or lacks the main key.
func isSpoilt(content *model.Content) bool {
	for _, text := range content.Texts {
		if len(numbersIn(text)) == 0 {
			return true
		}
	}
	return content.Texts[mainKey] == ""
}

// readers returns the Bundles that read a source, or would if it existed.
func (m *state) readers(at model.Source, before, after *model.Content) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(m.Bundles)) {
		for _, one := range m.Bundles[name].Spec.Sources {
			if from := objectOf(one, at.Kind); from != nil &&
				(from.Name == at.Name || before.IsSelected(from) || after.IsSelected(from)) {
				names = append(names, name)
				break
			}
		}
	}
	return names
}

// objectOf returns the objects of a kind that a source reads, or nil.
func objectOf(from v1alpha1.BundleSource, kind string) *v1alpha1.SourceObject {
	if kind == model.Secret {
		return from.Secret
	}
	return from.ConfigMap
}
