package status

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/test/framework/fake"
)

// C6: a condition that is over is removed, even if another manager owns it, too.
func TestStatusClearsConditions(t *testing.T) {
	t.Parallel()
	for conditionType, cleared := range map[string]bool{"Stalled": true, "Reconciling": true, "Theirs": false} {
		s, _, c := statusesOf()
		c.leftCondition = conditionType
		s.tell(t)
		if (len(c.patched) == 1) != cleared {
			t.Fatalf("%s: patches %q", conditionType, c.patched)
		}
		if cleared && (strings.Contains(c.patched[0], conditionType) || !strings.Contains(c.patched[0], `"type":"Ready"`) ||
			!strings.Contains(c.patched[0], `"metadata":{"resourceVersion":"5","uid":"roots-uid"}`)) {
			t.Errorf("%s: patch %s", conditionType, c.patched[0])
		}
	}
}

// A15: the digest of the PEM file, and the time of its last change. That is unknown if an
// operator that did not record it made the change.
func TestStatusHasTheDigest(t *testing.T) {
	t.Parallel()
	earlier := metav1.NewTime(fake.Start.Add(-time.Hour))
	synced := []metav1.Condition{{Type: "Synced", Status: "True"}}
	for name, tc := range map[string]struct {
		before v1alpha1.BundleStatus
		digest string
		wrote  bool
		want   *metav1.Time
	}{
		"the first one":              {v1alpha1.BundleStatus{}, "a", false, new(metav1.NewTime(fake.Start))},
		"unchanged":                  {v1alpha1.BundleStatus{ObservedGeneration: 1, Conditions: synced, Digest: "a", LastChanged: &earlier}, "a", true, &earlier},
		"changed":                    {v1alpha1.BundleStatus{ObservedGeneration: 1, Conditions: synced, Digest: "b", LastChanged: &earlier}, "a", false, new(metav1.NewTime(fake.Start))},
		"after a problem":            {v1alpha1.BundleStatus{ObservedGeneration: 1, Conditions: synced}, "a", false, new(metav1.NewTime(fake.Start))},
		"an upgrade":                 {v1alpha1.BundleStatus{Conditions: synced}, "a", false, nil},
		"an upgrade of the CRD":      {v1alpha1.BundleStatus{ObservedGeneration: -1, Conditions: synced}, "a", false, nil},
		"an upgrade, then a problem": {v1alpha1.BundleStatus{ObservedGeneration: 1, Conditions: synced, Inventory: &v1alpha1.BundleInventory{}}, "a", false, nil},
		"an upgrade, and a rollout":  {v1alpha1.BundleStatus{Conditions: synced}, "a", true, new(metav1.NewTime(fake.Start))},
		"without a target":           {v1alpha1.BundleStatus{}, "", false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, w, c := statusesOf(inA())
			w.cache.Bundles[0].Status = tc.before
			w.ledger.RecordBuild(fake.ID("roots"), ledger.Attempt{UID: "roots-uid", Generation: 1, Content: ledger.Content{Certificates: 2, Digest: tc.digest}})
			if tc.wrote {
				w.ledger.MarkWriting(fake.ID("roots"), 1, inA())
			}
			w.ledger.Synced(fake.ID("roots"), 1, inA())
			s.tell(t)
			var written v1alpha1.Bundle
			if err := json.Unmarshal([]byte(c.applied[0]), &written); err != nil {
				t.Fatal(err)
			}
			if got := written.Status; got.Digest != tc.digest || !got.LastChanged.Equal(tc.want) {
				t.Errorf("digest %q, changed %s; want %q and %s", got.Digest, got.LastChanged, tc.digest, tc.want)
			}
		})
	}
}

// C1: what an older CustomResourceDefinition does not serve is not written, and not wanted
// either: there is one write. A refusal causes another check of the definition.
func TestStatusUnderAnOlderDefinition(t *testing.T) {
	t.Parallel()
	s, w, c := statusesOf()
	content := ledger.Content{Certificates: 2, Digest: "d", Inventory: &ledger.Inventory{Certificates: 2}}
	w.ledger.RecordBuild(fake.ID("roots"), ledger.Attempt{UID: "roots-uid", Generation: 1, Content: content})
	w.missing = []string{"spec.exclude", "status.digest", "status.lastChanged", "status.observedGeneration"}
	c.err = errors.New("failed to create typed patch object: .status.digest: field not declared in schema")
	if _, err := s.Reconcile(fake.Quiet(t), fake.ID("roots")); err == nil || w.rechecks != 1 {
		t.Errorf("a refusal: error %v, %d checks", err, w.rechecks)
	}
	c.applied, c.err = nil, nil
	missing := w.missing
	w.missing = nil // it cannot be found out
	c.err = errors.New("field not declared in schema")
	if _, err := s.Reconcile(fake.Quiet(t), fake.ID("roots")); err == nil {
		t.Error("a refusal is no error")
	}
	c.applied, c.err = nil, nil
	s.tell(t)
	if strings.Contains(c.applied[0], `"inventory"`) || !strings.Contains(c.applied[0], `"Ready"`) {
		t.Errorf("with unknown fields it writes %s", c.applied[0])
	}
	c.applied, w.missing = nil, missing
	w.time.Time = fake.Start.Add(2 * minInterval)
	s.tell(t)
	for field, want := range map[string]bool{`"digest"`: false, `"lastChanged"`: false, `"status":{"observedGeneration"`: false, `"inventory"`: true, `"Ready"`: true} {
		if got := strings.Contains(c.applied[0], field); got != want {
			t.Errorf("%s is written: %t", field, got)
		}
	}
	stored := w.cache.Bundles[0].DeepCopy()
	stored.ResourceVersion, stored.Status = "5", statusOf(t, s.written[fake.ID("roots")].report)
	w.cache.Bundles[0] = stored
	w.time.Time = fake.Start.Add(4 * minInterval)
	if s.tell(t); len(c.applied) != 1 {
		t.Errorf("written again: %q", c.applied[1:])
	}
}

// K4: the inventory and the counts of targets are written when they change, and repaired
// when another client has changed them; until this process has built a bundle, they stay
// unchanged.
func TestStatusHasTheInventory(t *testing.T) {
	t.Parallel()
	s, w, c := statusesOf()
	inventory := &ledger.Inventory{Certificates: 2, Sources: []ledger.SourceCount{{Field: "f", Certificates: 2}}}
	attempt := ledger.Attempt{UID: "roots-uid", Generation: 1, Content: ledger.Content{Certificates: 2, Inventory: inventory}}
	w.ledger.RecordBuild(fake.ID("roots"), attempt)
	s.tell(t)
	if len(c.applied) != 1 || !strings.Contains(c.applied[0], `"inventory":{"certificates":2,`) {
		t.Fatalf("written: %q", c.applied)
	}
	stored := w.cache.Bundles[0].DeepCopy()
	stored.ResourceVersion, stored.Status = "5", statusOf(t, s.written[fake.ID("roots")].report)
	w.cache.Bundles[0] = stored
	w.time.Time = fake.Start.Add(2 * minInterval)
	if s.tell(t); len(c.applied) != 1 {
		t.Errorf("written again: %q", c.applied[1:])
	}
	stored = stored.DeepCopy()
	stored.ResourceVersion, stored.Status.Inventory.Excluded = "6", 7
	w.cache.Bundles[0] = stored
	if s.tell(t); len(c.applied) != 2 {
		t.Error("another's change is not repaired")
	}

	restarted, w, c := statusesOf()
	w.ledger.Drop(fake.ID("roots"))
	w.ledger.RecordBuild(fake.ID("roots"), ledger.Attempt{UID: "roots-uid", Generation: 1, Reason: "SourceNotFound", Message: "it is missing"})
	w.cache.Bundles[0] = stored
	if restarted.tell(t); len(c.applied) != 1 || !strings.Contains(c.applied[0], `"excluded":7`) {
		t.Errorf("after a restart: %q", c.applied)
	}
}
