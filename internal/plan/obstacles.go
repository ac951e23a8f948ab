package plan

import (
	"fmt"
	"slices"
	"strings"

	"trust-manager.io/internal/text"
)

// maxNamed is how many namespaces or servers an obstacle names.
const maxNamed = 5

// obstacles returns why the old CA must not be removed yet, the first step first.
func (r Rotation) obstacles(serving []string) (list []string) {
	for _, b := range r.Bundles {
		switch {
		case !b.HasNew:
			list = append(list, fmt.Sprintf("%s has the old CA and not the new one; apply the manifest", b.ID))
		case len(b.Lacking) > 0:
			list = append(list, fmt.Sprintf("%s: %s without the new content yet: %s", b.ID, text.Count(len(b.Lacking), "namespace"), firstOf(b.Lacking)))
		}
	}
	if r.Now.After(r.To.NotAfter) {
		list = append(list, "the new CA has expired")
	}
	if r.StalePods > 0 {
		list = append(list, text.Count(r.StalePods, "pod")+" started before the bundle last changed; restart their workloads, unless they read the file again")
	}
	if len(serving) > 0 {
		list = append(list, fmt.Sprintf("%s with a certificate of the old CA: %s; have it issued by the new one", text.Count(len(serving), "server"), firstOf(serving)))
	}
	return append(list, r.Unknown...)
}

// firstOf joins the first few names.
func firstOf(names []string) string {
	names = slices.Clone(names)
	if more := len(names) - maxNamed; more > 0 {
		names = append(names[:maxNamed], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
