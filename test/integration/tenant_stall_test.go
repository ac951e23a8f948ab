package integration

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/poll"
)

const (
	// contestedBundles is how many targets a tenant contests concurrently.
	contestedBundles = 8
	// labelledObjects is how many objects of a tenant have the operator's label, and
	// relabellers how many of them it keeps changing concurrently.
	labelledObjects = 2000
	relabellers     = 16
	// stallLimit is much longer than the rollout to 8 namespaces takes on an idle machine,
	// and much shorter than a stall: the operator times out a write after 10 s, and pauses a
	// contest for 10 s at a time.
	stallLimit = 5 * time.Second
)

// T7, T8: a tenant that reverts and deletes all targets in its namespace as fast as it
// can, has thousands of objects with the operator's label, and keeps changing them, does
// not block a rollout to other namespaces; and in the end its own targets are in sync.
func TestTenantDelaysNoOthers(t *testing.T) {
	operator(t)
	s := newScene(t)
	namespaces := s.namespaces(9)
	others := namespaces[1:]
	ca, next, last := newAuthority("CA"), newAuthority("Next"), newAuthority("Last")
	source := s.source(ca)
	bundle := s.bundle(from(source))
	contested := []*v1alpha1.Bundle{bundle}
	for range contestedBundles - 1 {
		contested = append(contested, s.bundle(from(source)))
	}
	for _, one := range contested {
		awaitTargets(t, one, namespaces, ca)
	}
	usual := s.rollOut(source, contested, others, next)

	one := newTenant(t, namespaces[0])
	one.label(bundle.Name)
	ctx, end := context.WithCancel(t.Context())
	defer end()
	var attack sync.WaitGroup
	var writes [contestedBundles]int
	for i, bundle := range contested {
		attack.Go(func() { writes[i] = one.fight(ctx, bundle.Name) })
	}
	for worker := range relabellers {
		attack.Go(func() { one.relabel(ctx, worker) })
	}
	time.Sleep(2 * time.Second) // until each contest is at its peak
	attacked := s.rollOut(source, contested, others, last)
	end()
	attack.Wait()
	t.Logf("a change of %d Bundles took %s, and %s under attack, with %d writes by the tenant to its targets", contestedBundles, usual, attacked, writes)
	if attacked > stallLimit {
		t.Errorf("the change took %s under attack, want at most %s", attacked, stallLimit)
	}
	for _, bundle := range contested {
		poll.Eventually(t, "the tenant's own target", func() error {
			object, err := inConfigMaps.get(t.Context(), namespaces[0], bundle.Name)
			if err != nil {
				return err
			}
			return comparePEM(object.Data[targetKey], []authority{last})
		})
	}
}

// rollOut returns the time of a rollout to all targets in some namespaces.
func (s *scene) rollOut(source *corev1.ConfigMap, bundles []*v1alpha1.Bundle, namespaces []string, content authority) time.Duration {
	s.t.Helper()
	began := time.Now()
	fill(s.t, source, content)
	for _, bundle := range bundles {
		awaitTargets(s.t, bundle, namespaces, content)
	}
	return time.Since(began)
}

// label creates the objects with the operator's label: some of an existing Bundle,
// others of missing ones, each under the name in its label.
func (one *tenant) label(bundle string) {
	one.t.Helper()
	const parallel = 8
	var group sync.WaitGroup
	for worker := range parallel {
		group.Go(func() {
			for i := worker; i < labelledObjects; i += parallel {
				object := configMap(one.namespace, fmt.Sprintf("labelled-%d", i))
				object.Data = map[string]string{"mine": "data"} // or the operator would remove it
				object.Labels = map[string]string{v1alpha1.BundleLabelKey: object.Name}
				object.Annotations = map[string]string{v1alpha1.SharedAnnotationKey: strings.Repeat("true", i%2)}
				if i%4 == 0 {
					object.Labels[v1alpha1.BundleLabelKey] = bundle
				}
				if err := one.Create(one.t.Context(), object); err != nil {
					one.t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}

// fight deletes and modifies a target in turn, as fast as possible, and returns how
// often.
func (one *tenant) fight(ctx context.Context, name string) (writes int) {
	for ctx.Err() == nil {
		object := configMap(one.namespace, name)
		var err error
		if writes%4 == 3 {
			err = one.Delete(ctx, object)
		} else {
			object.Data = map[string]string{targetKey: "evil"}
			err = one.Update(ctx, object) // whatever is there now
		}
		if err == nil {
			writes++
		} else {
			time.Sleep(5 * time.Millisecond) // it does not exist
		}
	}
	return writes
}

// relabel keeps changing some of the labelled objects, so that each looks like a
// leftover of a Bundle.
func (one *tenant) relabel(ctx context.Context, worker int) {
	for i := worker; ctx.Err() == nil; i = (i + relabellers) % labelledObjects {
		object := configMap(one.namespace, fmt.Sprintf("labelled-%d", i))
		object.Data = map[string]string{"mine": "data"}
		object.Labels = map[string]string{v1alpha1.BundleLabelKey: object.Name}
		object.Annotations = map[string]string{v1alpha1.SharedAnnotationKey: "true"} // which the operator removes again
		_ = one.Update(ctx, object)                                                  // whatever is there now
	}
}
