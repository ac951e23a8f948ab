package bundle

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/controller/metadata"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
	"trust-manager.io/internal/workqueue/queuetest"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/fake"
)

// root returns a CA certificate whose subject is its number, valid for 20 years from
// fake.Start.
func root(number int64) string {
	return ca.Fixed(number, ca.Named(strconv.FormatInt(number, 10)), ca.Valid(fake.Start, fake.Start.AddDate(20, 0, 0))).Certificate
}

// bundlesOf returns the Reconciler in a world with two namespaces and the Bundle roots,
// which selects those of a team.
func bundlesOf(t *testing.T) (*Reconciler, *world) {
	t.Helper()
	b, w := newWorld()
	w.cache.Namespaces = []*metav1.PartialObjectMetadata{
		fake.Namespace("a", map[string]string{"team": "x"}), fake.Namespace("b", map[string]string{"team": "x"}), fake.Namespace("c", nil),
		fake.Changed(fake.Namespace("d", map[string]string{"team": "x"}), fake.Terminating),
	}
	from := fake.Bundle("roots", v1alpha1.BundleSource{InLine: new(root(1))})
	from.Spec.Target = &v1alpha1.BundleTarget{
		ConfigMap:         &v1alpha1.TargetObject{Key: "ca.pem"},
		NamespaceSelector: &v1alpha1.LabelSelector{MatchLabels: map[string]string{"team": "x"}},
	}
	w.cache.Bundles = []*v1alpha1.Bundle{from}
	return b, w
}

// rebuilt reconciles the Bundle roots, and returns what was added to the target queue.
func (b *Reconciler) rebuilt(t *testing.T, w *world) []queuetest.Added[target.Key] {
	t.Helper()
	result, err := b.Reconcile(fake.Quiet(t), fake.ID("roots"))
	if err != nil || result.RequeueAfter != 0 {
		t.Fatalf("result %v, error %v", result, err)
	}
	return sorted(w.targetNotes.Take())
}

// inBulk returns keys of the Bundle roots with the priority of a rollout.
func inBulk(namespaces ...string) []queuetest.Added[target.Key] {
	var list []queuetest.Added[target.Key]
	for _, name := range namespaces {
		list = append(list, queuetest.Added[target.Key]{Priority: workqueue.DefaultPriority, After: 0, Key: fake.Key("roots", name)})
	}
	return list
}

// edit changes the spec of the Bundle roots.
func (w *world) edit(change func(*v1alpha1.Bundle)) {
	w.cache.Bundles[0] = w.cache.Bundles[0].DeepCopy()
	w.cache.Bundles[0].Generation++
	change(w.cache.Bundles[0])
}

// S13: a new revision enqueues every target that is desired or exists; an equal one
// enqueues none.
func TestReconcileRollsOut(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	w.cache.Targets = []*metav1.PartialObjectMetadata{fake.Observed("roots", "c", "7"), fake.Observed("other", "b", "7")}
	want := append(inBulk("a", "b"), queuetest.Added[target.Key]{Priority: workqueue.LowPriority, After: 0, Key: fake.Key("roots", "c")})
	if diff := cmp.Diff(want, b.rebuilt(t, w)); diff != "" {
		t.Errorf("at first, what is there is looked at last (-want +got):\n%s", diff)
	}
	if got := w.account(t); got != (account{2, 0, 0}) {
		t.Errorf("account %+v", got)
	}
	if diff := cmp.Diff([]queuetest.Added[bundle.ID]{{Priority: workqueue.DefaultPriority, After: 0, Key: fake.ID("roots")}}, w.statusNotes.Take()); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if queued := b.rebuilt(t, w); len(queued) > 0 {
		t.Errorf("again: %v", queued)
	}
	w.edit(func(from *v1alpha1.Bundle) { from.Spec.Sources[0].InLine = new(root(2)) })
	if diff := cmp.Diff(inBulk("a", "b", "c"), b.rebuilt(t, w)); diff != "" {
		t.Errorf("with another source (-want +got):\n%s", diff)
	}
	w.edit(func(from *v1alpha1.Bundle) { from.Spec.Target.NamespaceSelector = nil })
	if diff := cmp.Diff(inBulk("a", "b", "c"), b.rebuilt(t, w)); diff != "" {
		t.Errorf("for all namespaces (-want +got):\n%s", diff)
	}
	summary, _ := w.ledger.Summary(fake.ID("roots"))
	if summary.Attempt.Generation != 3 || summary.Attempt.UID != "roots-uid" || summary.Attempt.Certificates != 1 {
		t.Errorf("attempt %+v", summary.Attempt)
	}
}

// S11: a failed build replaces nothing, and the ledger records the reason.
func TestReconcileKeepsTheLastGoodRevision(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	b.rebuilt(t, w)
	before, number := w.revisions.Get(fake.ID("roots"))
	w.edit(func(from *v1alpha1.Bundle) {
		from.Spec.Sources = append(from.Spec.Sources, fake.FromConfigMap("nothing"))
		from.Spec.Target.ConfigMap.Key = "other.pem"
	})
	if queued := b.rebuilt(t, w); len(queued) > 0 {
		t.Errorf("queued %v", queued)
	}
	if after, now := w.revisions.Get(fake.ID("roots")); after != before || now != number {
		t.Error("another revision is active")
	}
	summary, _ := w.ledger.Summary(fake.ID("roots"))
	if summary.Attempt.Reason != "SourceNotFound" || !strings.Contains(summary.Attempt.Message, "ConfigMap cert-manager/nothing") || summary.Attempt.Generation != 2 {
		t.Errorf("attempt %+v", summary.Attempt)
	}
	w.edit(func(from *v1alpha1.Bundle) { from.Spec.Sources = from.Spec.Sources[:1] })
	if diff := cmp.Diff(inBulk("a", "b"), b.rebuilt(t, w)); diff != "" {
		t.Errorf("when it is good again (-want +got):\n%s", diff)
	}
	if summary, _ := w.ledger.Summary(fake.ID("roots")); summary.Attempt.Reason != "" {
		t.Errorf("attempt %+v", summary.Attempt)
	}
}

// T12: a Bundle that is being deleted is inert. Once it is gone, its targets are
// enqueued, since shared ones have to be released.
func TestReconcileDeletion(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	b.rebuilt(t, w)
	w.statusNotes.Take()
	w.cache.Targets = []*metav1.PartialObjectMetadata{fake.Observed("roots", "a", "7")}
	w.edit(func(from *v1alpha1.Bundle) { from.DeletionTimestamp = new(metav1.NewTime(fake.Start)) })
	if queued := b.rebuilt(t, w); len(queued) > 0 {
		t.Errorf("while it is being deleted: %v", queued)
	}
	if revision, _ := w.revisions.Get(fake.ID("roots")); revision != nil {
		t.Error("a revision is still active")
	}
	w.cache.Bundles = nil
	if diff := cmp.Diff(inBulk("a"), b.rebuilt(t, w)); diff != "" {
		t.Errorf("when it is gone (-want +got):\n%s", diff)
	}
	if _, ok := w.ledger.Summary(fake.ID("roots")); ok || len(w.statusNotes.Take()) > 0 {
		t.Error("there is still something to tell")
	}
	if w.revisions.IsOrphaned(fake.ID("roots")) {
		t.Error("it counts as orphaned")
	}
}

// T12: an orphaning deletion is recorded, since its targets have to stay, even if the
// Bundle is gone before it is reconciled.
func TestReconcileOrphaningDeletion(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	b.rebuilt(t, w)
	before := w.cache.Bundles[0]
	w.edit(func(from *v1alpha1.Bundle) {
		from.DeletionTimestamp = new(metav1.NewTime(fake.Start))
		from.Finalizers = []string{metav1.FinalizerOrphanDependents}
	})
	fake.Update[client.Object](b.bundleEvents(bundle.APIBundle), before, w.cache.Bundles[0])
	w.cache.Bundles = nil
	b.rebuilt(t, w)
	if !w.revisions.IsOrphaned(fake.ID("roots")) {
		t.Error("it does not count as orphaned")
	}
}

// T12: a re-created Bundle starts with an empty account, even if its build fails.
func TestReconcileRecreatedBundle(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	b.rebuilt(t, w)
	w.edit(func(from *v1alpha1.Bundle) {
		from.UID = "newer"
		from.Spec.Sources = []v1alpha1.BundleSource{fake.FromConfigMap("nothing")}
	})
	b.rebuilt(t, w)
	if revision, _ := w.revisions.Get(fake.ID("roots")); revision != nil {
		t.Error("a revision of the previous Bundle is active")
	}
	if summary, _ := w.ledger.Summary(fake.ID("roots")); summary.Built || summary.Wanted != 0 || summary.Attempt.UID != "newer" {
		t.Errorf("summary %+v", summary)
	}
}

// S13: a namespace that is created while a rollout starts is in it: the revision is active
// before the namespaces are listed, so that the event of the namespace finds it.
func TestReconcileMissesNoNamespace(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	listed := 0
	w.cache.Listed = func() {
		listed++
		if revision, _ := w.revisions.Get(fake.ID("roots")); revision == nil {
			t.Error("namespaces are listed before the revision is active")
		}
	}
	if b.rebuilt(t, w); listed == 0 {
		t.Error("nothing is listed")
	}
}

// A cache that cannot be read is an error, and the retry repeats the whole work.
func TestReconcileWithoutCache(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	w.cache.Err = fake.ErrDenied
	if _, err := b.Reconcile(fake.Quiet(t), fake.ID("roots")); !errors.Is(err, fake.ErrDenied) {
		t.Errorf("error %v", err)
	}
	w.cache.Err = nil
	failing := &failingLists{Cache: w.cache, fail: true}
	b.objects, b.targets = failing, metadata.Targets{bundle.APIBundle: failing}
	if _, err := b.Reconcile(fake.Quiet(t), fake.ID("roots")); !errors.Is(err, fake.ErrDenied) {
		t.Errorf("error %v", err)
	}
	if summary, ok := w.ledger.Summary(fake.ID("roots")); ok && summary.Built {
		t.Errorf("summary %+v", summary)
	}
	failing.fail = false
	if diff := cmp.Diff(inBulk("a", "b"), b.rebuilt(t, w)); diff != "" {
		t.Errorf("at last (-want +got):\n%s", diff)
	}
}

// failingLists is a cache whose lists fail.
type failingLists struct {
	*fake.Cache
	fail bool
}

func (f *failingLists) List(ctx context.Context, into client.ObjectList, options ...client.ListOption) error {
	if f.fail {
		return fake.ErrDenied
	}
	return f.Cache.List(ctx, into, options...)
}

// Namespaces are sorted, and a Bundle may select none.
func TestNamespaces(t *testing.T) {
	t.Parallel()
	b, _ := bundlesOf(t)
	for selector, want := range map[string][]string{"": {"a", "b", "c"}, "team": {"a", "b"}, "!team": {"c"}, "team=y": nil} {
		parsed, err := labels.Parse(selector)
		if err != nil {
			t.Fatal(err)
		}
		got, err := b.namespaces(fake.Quiet(t), &target.Revision{Namespaces: parsed, Shapes: map[bundle.Kind]*target.Shape{bundle.ConfigMap: {}}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", selector, diff)
		}
	}
}
