package walk

import (
	"maps"
	"slices"

	"trust-manager.io/api/trust/v1alpha1"
)

// sourceNames are all sources that there can be.
var sourceNames = []source{
	{configMap, "feed-1"}, {configMap, "feed-2"}, {configMap, "feed-3"}, {configMap, "feed-4"},
	{secret, "feed-5"}, {secret, "feed-6"}, {secret, "feed-7"}, tlsSource,
}

// tlsSource is a Secret of the type kubernetes.io/tls.
var tlsSource = source{secret, "feed-8"}

// content gives what a source may hold.
func (c *chance) content(at source) *content {
	one := &content{labels: map[string]string{}, texts: map[string]text{}, tls: at == tlsSource}
	// A selector that matches the Secret with a private key is an error most
	// times, and so would keep all its readers from anything else.
	if group := pick(c, "", "a", "b"); group != "" && (!one.tls || c.percent(10)) {
		one.labels[feed] = group
	}
	one.texts[mainKey] = c.text()
	if c.percent(60) {
		one.texts[moreKey] = c.text()
	}
	if at.kind == configMap && c.percent(40) {
		binary := c.text()
		binary.binary = true
		one.texts[binaryKey] = binary
	}
	return one
}

func (c *chance) text() text {
	return text{certificates: c.numbers(), style: pick(c, plain, plain, plain, commented, windows, doubled)}
}

// readers gives the Bundles that read a source, or would if it were there.
func (m *model) readers(at source, before, after *content) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(m.bundles)) {
		for _, one := range m.bundles[name].spec.Sources {
			if from := objectOf(one, at.kind); from != nil && (from.Name == at.name ||
				from.Selector != nil && (before.isSelected(from) || after.isSelected(from))) {
				names = append(names, name)
				break
			}
		}
	}
	return names
}

// objectOf gives the objects of a kind that a source reads, or nil.
func objectOf(from v1alpha1.BundleSource, kind string) *v1alpha1.SourceObject {
	if kind == secret {
		return from.Secret
	}
	return from.ConfigMap
}

func (c *content) isSelected(from *v1alpha1.SourceObject) bool {
	return c != nil && selects(from.Selector, c.labels)
}
