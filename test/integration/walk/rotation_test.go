package walk

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/rotation"
	"trust-manager.io/test/framework/kinds"
	"trust-manager.io/test/framework/model"
	"trust-manager.io/test/framework/rig"
)

// isWalks reports whether an object has a name of the walk and is not a Bundle's
// rotation state, whose content is visible in the targets.
func isWalks(at model.Target) bool {
	_, state := rotation.BundleOf(at.Bundle)
	return strings.Contains(at.Bundle, "walk-") && (!state || at.Namespace != rig.TrustNamespace)
}

// rotation returns a rotation that retains all removed CAs until the walk ends.
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

// exclude returns exclusions of up to two CAs, usually none.
func (c *chance) exclude() []v1alpha1.Exclusion {
	var list []v1alpha1.Exclusion
	for range c.weighted(7, 2, 1) {
		number := c.IntN(len(authorities))
		list = append(list, pick(c, v1alpha1.Exclusion{SHA256: model.Fingerprint(authorities[number])},
			v1alpha1.Exclusion{Subject: fmt.Sprintf("CN=CA %d", number)}))
	}
	return list
}

// endRetention deletes the key of a retained CA.
func endRetention(c *chance, m *state) *action {
	var names []string
	for _, name := range m.existingBundles() {
		if len(m.Bundles[name].Memory.Retained) > 0 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	name := pick(c, names...)
	certificate := pick(c, m.Bundles[name].Memory.Retained...)
	return &action{
		text:    fmt.Sprintf("Bundle %s: the retention of CA %v is ended", name, numbersIn(certificate)),
		changes: []string{contentOf(name)},
		model:   func(m *state) { m.Bundles[name].EndRetention(certificate) },
		do: func(w *world) error {
			return w.retry(func() error {
				var object corev1.ConfigMap
				if err := w.api.Get(w.ctx, client.ObjectKey{Namespace: rig.TrustNamespace, Name: rotation.Name(kinds.IDOf(name))}, &object); err != nil {
					return err
				}
				delete(object.Data, fmt.Sprintf("retained-%s.pem", model.Fingerprint(certificate)))
				return w.api.Update(w.ctx, &object)
			})
		},
	}
}
