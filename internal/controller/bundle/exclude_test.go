package bundle

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue/queuetest"
	"trust-manager.io/test/framework/fake"
)

// missing adds a source that does not exist to the Bundle roots.
func (w *world) missing() {
	w.edit(func(from *v1alpha1.Bundle) {
		from.Spec.Sources = append(from.Spec.Sources, fake.FromConfigMap("nothing"))
	})
}

// exclude sets the exclusions of the Bundle roots to subjects.
func (w *world) exclude(subjects ...string) {
	w.edit(func(from *v1alpha1.Bundle) {
		from.Spec.Exclude = nil
		for _, subject := range subjects {
			from.Spec.Exclude = append(from.Spec.Exclude, v1alpha1.Exclusion{Subject: subject})
		}
	})
}

// wantAttempt checks the ledger's record of the latest attempt.
func (w *world) wantAttempt(t *testing.T, when, reason string, certificates int, parts ...string) {
	t.Helper()
	summary, _ := w.ledger.Summary(fake.ID("roots"))
	if summary.Attempt.Reason != reason || summary.Certificates != certificates {
		t.Errorf("%s: reason %q, %d certificates", when, summary.Attempt.Reason, summary.Certificates)
	}
	for _, part := range parts {
		if !strings.Contains(summary.Attempt.Message, part) {
			t.Errorf("%s: no %q in %q", when, part, summary.Attempt.Message)
		}
	}
}

// K3, S11: while a source is missing, an exclusion takes effect on the last good
// revision: at once, with the shape of that revision, and only once.
func TestExcludeWhileASourceIsMissing(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	w.edit(func(from *v1alpha1.Bundle) {
		from.Spec.Sources[0].InLine = new(root(1) + root(2) + root(3))
	})
	b.rebuilt(t, w)
	w.missing()
	w.edit(func(from *v1alpha1.Bundle) { from.Spec.Target.ConfigMap.Key = "other.pem" })
	w.exclude("CN=2")
	if diff := cmp.Diff(inBulk("a", "b"), b.rebuilt(t, w)); diff != "" {
		t.Errorf("queued (-want +got):\n%s", diff)
	}
	revision, _ := w.revisions.Get(fake.ID("roots"))
	if got, want := revision.Shapes[bundle.ConfigMap].Text, map[string]string{"ca.pem": root(1) + root(3)}; !cmp.Equal(got, want) {
		t.Errorf("the targets are to hold %v", got)
	}
	w.wantAttempt(t, "excluded", "SourceNotFound", 2, "ConfigMap cert-manager/nothing", "1 certificate was removed")
	if queued := b.rebuilt(t, w); len(queued) > 0 {
		t.Errorf("again: %v", queued)
	}
	w.wantAttempt(t, "again", "SourceNotFound", 2, "1 certificate was removed")
	w.exclude("CN=2", "CN=1")
	b.rebuilt(t, w)
	w.wantAttempt(t, "two", "SourceNotFound", 1, "2 certificates were removed")
	w.exclude("CN=2", "CN=1", "CN=3")
	if queued := b.rebuilt(t, w); len(queued) > 0 {
		t.Errorf("nothing left: %v", queued)
	}
	w.wantAttempt(t, "nothing left", "SourceNotFound", 1, "WARNING", "still in the targets")
	w.exclude("CN=none")
	if queued := b.rebuilt(t, w); len(queued) > 0 {
		t.Errorf("lifted: %v; what was taken out comes back with the next good bundle", queued)
	}
}

// K3: an exclusion that cannot reach the targets is a warning in the status, but only if
// there may be targets.
func TestExcludeWithoutARevision(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	w.missing()
	b.rebuilt(t, w)
	if summary, _ := w.ledger.Summary(fake.ID("roots")); strings.Contains(summary.Attempt.Message, "exclude") {
		t.Errorf("nothing is excluded, and yet: %s", summary.Attempt.Message)
	}
	w.exclude("CN=2")
	b.rebuilt(t, w)
	w.wantAttempt(t, "restarted", "SourceNotFound", 0, "WARNING: spec.exclude has not reached the targets", "since the operator started", "ConfigMap cert-manager/nothing")
	w.edit(func(from *v1alpha1.Bundle) { from.Spec.Target = nil })
	b.rebuilt(t, w)
	if summary, _ := w.ledger.Summary(fake.ID("roots")); strings.Contains(summary.Attempt.Message, "WARNING") {
		t.Errorf("there is no target, and yet: %s", summary.Attempt.Message)
	}
}

// K3: a successful build applies exclusions itself, and a source that is missing
// afterwards causes no further removal.
func TestExclusionInAGoodBundle(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	w.edit(func(from *v1alpha1.Bundle) { from.Spec.Sources[0].InLine = new(root(1) + root(2)) })
	w.exclude("CN=2")
	b.rebuilt(t, w)
	w.wantAttempt(t, "good", "", 1)
	w.missing()
	if queued := b.rebuilt(t, w); !cmp.Equal(queued, []queuetest.Added[target.Key](nil)) {
		t.Errorf("queued %v", queued)
	}
	w.wantAttempt(t, "missing", "SourceNotFound", 1, "names nothing that is in the last good bundle")
}
