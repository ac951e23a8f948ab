package integration

import (
	"slices"
	"testing"
	"time"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/rig"
)

// writeDeadline is the deadline of a write.
const writeDeadline = 10 * time.Second

// T8: while 32 of 200 namespaces refuse writes, or let them hang, the other 168 get a change
// before the first hanging write ends, and the status has the cause (C2). How fast they get it is
// measured by `make bench`, rows refuse and hang.
func TestFailingNamespacesDelayNoOthers(t *testing.T) {
	operator(t)
	s := newScene(t)
	healthy, faulty := s.namespaces(168), s.faultyNamespaces(32)
	everywhere := slices.Concat(healthy, faulty)
	bundle := s.bundle(inLine(newAuthority("A")))
	awaitSynced(t, bundle, len(everywhere))
	for name, fault := range map[string]struct {
		set   func(namespaces ...string)
		cause string
	}{
		"refuse": {env.Admission.Refuse, rig.Refusal},
		"hang":   {env.Admission.Hang, "no answer within 10s"},
	} {
		t.Run(name, func(t *testing.T) {
			fault.set(faulty...)
			ca, began := newAuthority(name), time.Now()
			change(t, bundle, func(b *v1alpha1.Bundle) { b.Spec.Sources = inLine(ca) })
			awaitTargets(t, bundle, healthy, ca)
			if took := time.Since(began); took >= writeDeadline {
				t.Errorf("the sound namespaces have the change after %s", took)
			}
			awaitCondition(t, bundle, v1alpha1.BundleReasonSyncConfigMapTargetFailed,
				"32 of 200 targets failed", "ConfigMap in namespace "+slices.Min(faulty), fault.cause, "and 29 more")
			env.Admission.Admit(faulty...)
			awaitTargets(t, bundle, everywhere, ca)
			awaitSynced(t, bundle, len(everywhere))
		})
	}
}
