package walk

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/rotation"
	"trust-manager.io/test/framework/rig"
)

// memory is what rotation remembers of a Bundle (K5). It is never changed.
type memory struct {
	present, retained []int
	// known are the sources that were read, and missing those of them that are missing.
	known, missing map[string]bool
}

// fingerprintOf gives the SHA-256 of a CA's certificate.
func fingerprintOf(number int) []byte {
	block, _ := pem.Decode([]byte(authorities[number]))
	sum := sha256.Sum256(block.Bytes)
	return sum[:]
}

// isWalks says whether an object has a name of the walk and is not what the operator
// remembers of a Bundle: what is in that shows in the targets.
func isWalks(at target) bool {
	_, state := rotation.BundleOf(at.bundle)
	return strings.HasPrefix(at.bundle, "walk-") && (!state || at.namespace != rig.TrustNamespace)
}

// rotates says whether what leaves the sources is to be retained.
func (b *bundle) rotates() bool { return b.spec.Rotation != nil && b.spec.Target != nil }

// excludes says whether a Bundle excludes a CA (K3).
func (b *bundle) excludes(number int) bool {
	return slices.ContainsFunc(b.spec.Exclude, func(one v1alpha1.Exclusion) bool {
		return one.SHA256 == hex.EncodeToString(fingerprintOf(number)) || one.Subject == fmt.Sprintf("CN=CA %d", number)
	})
}

// identity names a source that the Bundle itself names, or gives "".
func identity(from v1alpha1.BundleSource) string {
	for kind, object := range map[string]*v1alpha1.SourceObject{configMap: from.ConfigMap, secret: from.Secret} {
		if object != nil && object.Name != "" {
			return fmt.Sprintf("%s %s %s %t", kind, object.Name, object.Key, object.IncludeAllKeys)
		}
	}
	return ""
}

// forgives says whether a source that is missing counts as its CAs leaving.
func (b *bundle) forgives(from v1alpha1.BundleSource, problems []string) bool {
	return b.rotates() && len(problems) > 0 && b.memory.known[identity(from)] && identity(from) != "" &&
		!slices.ContainsFunc(problems, func(reason string) bool { return reason != v1alpha1.BundleReasonSourceNotFound })
}

// retain gives what is present and what is retained, of all that the sources have, and
// whether more would have to be retained than can be.
func (b *bundle) retain(all []int) (next memory, tooMany bool) {
	next = memory{present: slices.DeleteFunc(slices.Clone(all), b.excludes)}
	if !b.rotates() {
		return next, false
	}
	gone := func(number int) bool { return slices.Contains(all, number) || b.excludes(number) }
	left := slices.DeleteFunc(slices.Clone(b.memory.present), gone)
	slices.SortFunc(left, func(a, b int) int { return bytes.Compare(fingerprintOf(a), fingerprintOf(b)) })
	next.retained = slices.DeleteFunc(slices.Concat(b.memory.retained, left), gone)
	limit := v1alpha1.DefaultMaxRetained
	if most := b.spec.Rotation.MaxRetained; most != nil {
		limit = int(*most)
	}
	tooMany = len(next.retained) > limit
	next.retained = next.retained[max(0, len(next.retained)-limit):]
	return next, tooMany
}

// distrust takes out of the last revision what is excluded, and what is retained no
// longer, unless nothing would be left.
func (b *bundle) distrust(name string) {
	if b.revision == nil || b.spec.Target == nil {
		return
	}
	over := func(number int) bool {
		return b.excludes(number) || slices.Contains(b.revision.retained, number) &&
			(!b.rotates() || !slices.Contains(b.memory.retained, number) && !slices.Contains(b.memory.present, number))
	}
	rest := slices.DeleteFunc(slices.Clone(b.revision.numbers), over)
	if len(rest) == 0 {
		over = b.excludes // it goes before all else
		rest = slices.DeleteFunc(slices.Clone(b.revision.numbers), over)
	}
	if len(rest) == 0 || len(rest) == len(b.revision.numbers) {
		return
	}
	retained := slices.DeleteFunc(slices.Clone(b.revision.retained), over)
	b.revision = newRevision(name, b.revision.to, rest)
	b.revision.retained = retained
}

// rotation is long enough for all that leaves to be retained until the walk ends.
func (c *chance) rotation() *v1alpha1.BundleRotation {
	if c.percent(60) {
		return nil
	}
	rotation := &v1alpha1.BundleRotation{Retain: metav1.Duration{Duration: 1000 * time.Hour}}
	if c.percent(40) {
		few := int32(2)
		rotation.MaxRetained = &few
	}
	return rotation
}

// exclude excludes a CA or two, most times none.
func (c *chance) exclude() []v1alpha1.Exclusion {
	var list []v1alpha1.Exclusion
	for range c.weighted(7, 2, 1) {
		number := c.IntN(len(authorities))
		list = append(list, pick(c, v1alpha1.Exclusion{SHA256: hex.EncodeToString(fingerprintOf(number))},
			v1alpha1.Exclusion{Subject: fmt.Sprintf("CN=CA %d", number)}))
	}
	return list
}

// endRetention deletes the key of a CA that is retained.
func endRetention(c *chance, m *model) *action {
	var names []string
	for _, name := range m.existingBundles() {
		if len(m.bundles[name].memory.retained) > 0 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	name := pick(c, names...)
	number := pick(c, m.bundles[name].memory.retained...)
	return &action{
		text:    fmt.Sprintf("Bundle %s: the retention of CA %d is ended", name, number),
		changes: []string{contentOf(name)},
		model: func(m *model) {
			b := m.bundles[name]
			b.memory.retained = slices.DeleteFunc(slices.Clone(b.memory.retained), func(one int) bool { return one == number })
		},
		do: func(w *world) error {
			return w.retry(func() error {
				var object corev1.ConfigMap
				if err := w.api.Get(w.ctx, client.ObjectKey{Namespace: rig.TrustNamespace, Name: rotation.Name(name)}, &object); err != nil {
					return err
				}
				delete(object.Data, fmt.Sprintf("retained-%x.pem", fingerprintOf(number)))
				return w.api.Update(w.ctx, &object)
			})
		},
	}
}

// describeTrust tells what a spec has for rotation and exclusion.
func describeTrust(spec v1alpha1.BundleSpec) string {
	text := ""
	if spec.Rotation != nil {
		text += ", retaining"
		if spec.Rotation.MaxRetained != nil {
			text += fmt.Sprint(" ", *spec.Rotation.MaxRetained)
		}
	}
	for _, one := range spec.Exclude {
		for number := range authorities {
			if (&bundle{spec: v1alpha1.BundleSpec{Exclude: []v1alpha1.Exclusion{one}}}).excludes(number) {
				text += fmt.Sprintf(", without %d", number)
			}
		}
	}
	return text
}
