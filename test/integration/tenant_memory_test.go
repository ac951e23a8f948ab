package integration

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
)

const (
	// heavyObjects is how many ConfigMaps a tenant creates whose cached fields have the
	// maximum size of the API server.
	heavyObjects = 1000
	// heaviestObjects is how many of them have the maximum size in every field, and make
	// the operator read the whole object.
	heaviestObjects = 24
	// tenantMemory is by how much a tenant may increase the operator's memory, in bytes.
	tenantMemory = 30 << 20
	// maxAnnotations is the maximum size of an object's annotations, in bytes.
	maxAnnotations = 256 << 10
)

// SECURITY.md 1.10: objects of a tenant, with values of the maximum size in every field
// that the operator reads, do not exhaust its memory: neither those in a cache, nor those
// that it reads as a whole, nor across a restart, nor with API servers that do not stream
// lists.
func TestTenantCannotFillMemory(t *testing.T) {
	noOperator(t)
	s := newScene(t)
	namespaces := s.namespaces(2)
	ca := newAuthority("CA")
	bundle := s.bundle(inLine(ca))
	o := startOperator(t)
	awaitTargets(t, bundle, namespaces, ca)
	before := settledMemory(t, o)
	one := newTenant(t, namespaces[0])
	one.makeHeavy(heavyObjects, (*tenant).heavy)
	one.makeHeavy(heaviestObjects, (*tenant).heaviest)
	poll.Eventually(t, "the objects that look like leftovers to be released", func() error {
		for i := range heaviestObjects {
			now := configMap(one.namespace, heaviestName(i))
			err := api.Get(t.Context(), client.ObjectKeyFromObject(now), now) // garbage collection may have taken it
			if client.IgnoreNotFound(err) != nil || now.Labels[v1alpha1.BundleLabelKey] != "" {
				return fmt.Errorf("%s still has the label: %w", now.Name, err)
			}
		}
		return nil
	})
	after, peak := boundedMemory(t, o, before), memoryOf(t, o, "VmHWM:")
	stop(t, o)
	o = startOperator(t)
	fresh := newAuthority("Fresh")
	change(t, bundle, func(b *v1alpha1.Bundle) { b.Spec.Sources = inLine(fresh) })
	awaitTargets(t, bundle, namespaces, fresh)
	restarted := boundedMemory(t, o, before)
	stop(t, o)
	o = startListingOperator(t)
	change(t, bundle, func(b *v1alpha1.Bundle) { b.Spec.Sources = inLine(ca) })
	awaitTargets(t, bundle, namespaces, ca)
	listed := boundedMemory(t, o, before)
	t.Logf("resident memory %d MiB, with the tenant's objects %d MiB (peak %d), after a restart %d MiB, after one with lists %d MiB (peak %d)",
		before>>20, after>>20, peak>>20, restarted>>20, listed>>20, memoryOf(t, o, "VmHWM:")>>20)
}

// settledMemory returns the resident memory once it has not fallen by more than 1 MiB for
// two seconds, in bytes.
func settledMemory(t *testing.T, o *rig.Operator) int {
	t.Helper()
	lowest := residentMemory(t, o)
	for quiet := 1; quiet <= 4; quiet++ {
		time.Sleep(500 * time.Millisecond)
		if now := residentMemory(t, o); now < lowest-(1<<20) {
			lowest, quiet = now, 0
		}
	}
	return lowest
}

// boundedMemory returns the resident memory once it is within the bound. The runtime
// collects garbage at least every two minutes, and may return memory no sooner.
func boundedMemory(t *testing.T, o *rig.Operator, before int) (now int) {
	t.Helper()
	for end := time.Now().Add(150 * time.Second); time.Now().Before(end); {
		if now = settledMemory(t, o); now-before <= tenantMemory {
			return now
		}
	}
	t.Errorf("memory has grown from %d to %d MiB, want at most %d more", before>>20, now>>20, tenantMemory>>20)
	return now
}

// makeHeavy creates objects of the tenant, several at a time.
func (one *tenant) makeHeavy(count int, object func(*tenant, int) *corev1.ConfigMap) {
	one.t.Helper()
	const parallel = 8
	var group sync.WaitGroup
	for worker := range parallel {
		group.Go(func() {
			for i := worker; i < count; i += parallel {
				if err := one.Create(one.t.Context(), object(one, i)); err != nil {
					one.t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}

// heavy returns an object whose cached fields have the maximum size. Every other one
// looks like a target of a Bundle.
func (one *tenant) heavy(i int) *corev1.ConfigMap {
	label := fmt.Sprintf("%0*d", 63, i)
	object := configMap(one.namespace, label)
	if i%2 == 0 {
		object.Name += "." + strings.Repeat(strings.Repeat("n", 62)+".", 3)[:189]
		object.Name = strings.TrimSuffix(object.Name, ".")
	}
	object.Labels = map[string]string{v1alpha1.BundleLabelKey: label}
	object.Annotations = map[string]string{
		v1alpha1.SharedAnnotationKey: strings.Repeat("x", maxAnnotations-len(v1alpha1.SharedAnnotationKey)),
	}
	return object
}

func heaviestName(i int) string { return fmt.Sprintf("heaviest-%d", i) }

// heaviest returns an object that looks like a shared target of a deleted Bundle, with
// the maximum of labels, owners, finalizers and data.
func (one *tenant) heaviest(i int) *corev1.ConfigMap {
	object := configMap(one.namespace, heaviestName(i))
	object.Labels = map[string]string{v1alpha1.BundleLabelKey: object.Name}
	object.Annotations = map[string]string{v1alpha1.SharedAnnotationKey: "true", "theirs": strings.Repeat("x", maxAnnotations-100)}
	object.Data = map[string]string{"mine": "data"}
	switch i % 3 {
	case 0:
		for n := range 15_000 {
			object.Labels[fmt.Sprintf("l%d", n)] = ""
		}
	case 1:
		for n := range 5_000 {
			object.OwnerReferences = append(object.OwnerReferences, metav1.OwnerReference{
				APIVersion: "v1", Kind: "ConfigMap", Name: fmt.Sprint("nobody-", n), UID: types.UID(fmt.Sprint("uid-", n)),
			})
		}
	default:
		for n := range 40_000 {
			object.Data[fmt.Sprintf("k%d", n)] = ""
		}
	}
	return object
}
