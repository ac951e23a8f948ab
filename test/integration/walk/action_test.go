package walk

import (
	"maps"
	"slices"
)

// action is one thing that happens to the cluster, and to the model of it.
type action struct {
	// text is the line that describes it.
	text string
	// kind is its name in actionKinds.
	kind string
	// changes and needs make the result depend on which of two actions the
	// operator observes first. Such two are not done in one step while it runs.
	changes, needs []string
	// calm reports whether the operator must not be killed in the middle of it.
	calm  bool
	model func(*state)
	do    func(*world) error
}

// What actions change and need, besides single objects. The content of a Bundle
// is the input of its build; its shape is its set of targets and their formats.
func contentOf(bundle string) string { return "content of " + bundle }
func shapeOf(bundle string) string   { return "shape of " + bundle }
func namespaceAt(name string) string { return "namespace " + name }

// defaultPackage is the default CA package.
const defaultPackage = "package"

func each(list []string, of func(string) string) []string {
	var all []string
	for _, one := range list {
		all = append(all, of(one))
	}
	return all
}

// collides reports whether the order of two actions would make a difference.
func (a *action) collides(b *action) bool {
	overlap := func(a, b []string) bool {
		return slices.ContainsFunc(a, func(one string) bool { return slices.Contains(b, one) })
	}
	return overlap(a.changes, b.changes) || overlap(a.changes, b.needs) || overlap(a.needs, b.changes)
}

// maker returns an action that fits the current model, or nil.
type maker func(*chance, *state) *action

// actionKinds are all kinds of actions, and how often each is tried.
var actionKinds = []struct {
	weight int
	name   string
	make   maker
}{
	{40, "object edited", editObject},
	{8, "object deleted", deleteObject},
	{5, "object made", createObject},
	{4, "object copied", copyObject},
	{16, "source changed", changeSource},
	{4, "package changed", changePackage},
	{5, "Bundle made", createBundle},
	{14, "Bundle changed", changeBundle},
	{8, "retention ended", endRetention},
	{4, "Bundle deleted", deleteBundle},
	{4, "Bundle made again", remakeBundle},
	{9, "namespace labelled", labelNamespace},
	{5, "namespace made", createNamespace},
	{3, "namespace deleted", deleteNamespace},
}

// next returns an action that collides with none of the others.
func (c *chance) next(m *state, others []*action) *action {
	weights := make([]int, len(actionKinds))
	for i, kind := range actionKinds {
		weights[i] = kind.weight
	}
	for {
		kind := actionKinds[c.weighted(weights...)]
		made := kind.make(c, m)
		if made == nil || m.running && slices.ContainsFunc(others, made.collides) {
			continue
		}
		made.kind = kind.name
		return made
	}
}

// existingBundles returns the sorted names of the existing Bundles.
func (m *state) existingBundles() []string { return slices.Sorted(maps.Keys(m.Bundles)) }

// missing returns the names that a map does not contain.
func missing[thing any](names []string, from map[string]thing) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, there := from[name]
		return there
	})
}
