package model

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"trust-manager.io/api/trust/v1alpha1"
)

// Memory is what rotation remembers of a Bundle (K5). It is never changed.
type Memory struct {
	// Retained are the certificates that have left the sources, oldest first.
	Retained []string
	// Outlives reports that the state stays when the Bundle is deleted (T15).
	Outlives bool

	present []string
	// known are the sources that were read, and missing those of them that are missing.
	known, missing map[string]bool
}

// EndRetention makes rotation forget a retained certificate.
func (b *Bundle) EndRetention(certificate string) {
	b.Memory.Retained = slices.DeleteFunc(slices.Clone(b.Memory.Retained), func(c string) bool { return c == certificate })
}

// rotates reports whether certificates that leave the sources are retained.
func (b *Bundle) rotates() bool { return b.Spec.Rotation != nil && b.Spec.Target != nil }

func (b *Bundle) excludes(certificate string) bool { return Excludes(b.Spec.Exclude, certificate) }

// identity returns an identifier of a source that names an object, and "" for any other.
func identity(from v1alpha1.BundleSource) string {
	for kind, object := range map[string]*v1alpha1.SourceObject{ConfigMap: from.ConfigMap, Secret: from.Secret} {
		if object != nil && object.Name != "" {
			return fmt.Sprintf("%s %s %s %t", kind, object.Name, object.Key, object.IncludeAllKeys)
		}
	}
	return ""
}

// forgives reports whether the certificates of a missing source count as having left.
func (b *Bundle) forgives(from v1alpha1.BundleSource, problems []string) bool {
	return b.rotates() && len(problems) > 0 && b.Memory.known[identity(from)] && identity(from) != "" &&
		!slices.ContainsFunc(problems, func(reason string) bool { return reason != v1alpha1.BundleReasonSourceNotFound })
}

// retain sets which certificates are present and which are retained, given those of the
// sources. It reports whether more had to be retained than the Bundle allows.
func (b *Bundle) retain(sourced []string, next *Memory) (tooMany bool) {
	next.present = slices.DeleteFunc(slices.Clone(sourced), b.excludes)
	if !b.rotates() {
		return false
	}
	over := func(certificate string) bool { return slices.Contains(sourced, certificate) || b.excludes(certificate) }
	left := slices.DeleteFunc(slices.Clone(b.Memory.present), over)
	slices.SortFunc(left, func(a, b string) int { return cmp.Compare(Fingerprint(a), Fingerprint(b)) })
	next.Retained = slices.DeleteFunc(slices.Concat(b.Memory.Retained, left), over)
	most := v1alpha1.DefaultMaxRetained
	if b.Spec.Rotation.MaxRetained != nil {
		most = int(*b.Spec.Rotation.MaxRetained)
	}
	tooMany = len(next.Retained) > most
	next.Retained = next.Retained[max(0, len(next.Retained)-most):]
	return tooMany
}

// distrust removes from the last revision the excluded certificates and those whose
// retention has ended, unless no certificate would be left.
func (b *Bundle) distrust() {
	last := b.Revision
	if last == nil || b.Spec.Target == nil {
		return
	}
	over := func(certificate string) bool {
		return b.excludes(certificate) || slices.Contains(last.Retained, certificate) &&
			(!b.rotates() || !slices.Contains(b.Memory.Retained, certificate) && !slices.Contains(b.Memory.present, certificate))
	}
	rest := slices.DeleteFunc(slices.Clone(last.Certificates), over)
	if len(rest) == 0 {
		over = b.excludes // an exclusion has precedence
		rest = slices.DeleteFunc(slices.Clone(last.Certificates), over)
	}
	if len(rest) == 0 || len(rest) == len(last.Certificates) {
		return
	}
	next := *last
	next.Retained = slices.DeleteFunc(slices.Clone(last.Retained), over)
	next.shape(rest)
	b.Revision = &next
}

func join(certificates []string) string { return strings.Join(certificates, "") }
