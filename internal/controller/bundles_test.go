package controller

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/source"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
	"trust-manager.io/internal/workqueue/queuetest"
)

// root gives a self-signed CA certificate as PEM text.
func root(t *testing.T, number int64) string {
	t.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	template := &x509.Certificate{SerialNumber: big.NewInt(number), NotBefore: start, NotAfter: start.AddDate(20, 0, 0), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// named is a root whose subject is its number.
func named(t *testing.T, number int64) string {
	t.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(number), Subject: pkix.Name{CommonName: strconv.FormatInt(number, 10)},
		NotBefore: start, NotAfter: start.AddDate(20, 0, 0), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// bundlesOf gives the queue of bundles in a world with two namespaces and the
// Bundle roots, which is to go into those of a team.
func bundlesOf(t *testing.T) (*bundles, *world) {
	t.Helper()
	none, err := source.LoadDefaultCAs("")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	w.cache.namespaces = []*metav1.PartialObjectMetadata{
		namespace("a", map[string]string{"team": "x"}), namespace("b", map[string]string{"team": "x"}), namespace("c", nil),
		changed(namespace("d", map[string]string{"team": "x"}), terminating),
	}
	from := made("roots", v1alpha1.BundleSource{InLine: new(root(t, 1))})
	from.Spec.Target = &v1alpha1.BundleTarget{
		ConfigMap:         &v1alpha1.TargetObject{Key: "ca.pem"},
		NamespaceSelector: &v1alpha1.LabelSelector{MatchLabels: map[string]string{"team": "x"}},
	}
	w.cache.bundles = []*v1alpha1.Bundle{from}
	w.cache.configMaps = map[string]*corev1.ConfigMap{}
	return &bundles{
		environment: w.environment, observed: w.cache, gatherer: source.NewGatherer(w.cache, "cert-manager", none),
		client: &stateClient{cache: w.cache}, trustNamespace: "cert-manager",
	}, w
}

// rebuilt has the Bundle roots built, and gives what went into the target queue.
func (b *bundles) rebuilt(t *testing.T, w *world) []queuetest.Added[target.Key] {
	t.Helper()
	result, err := b.Reconcile(quiet(t), "roots")
	if err != nil || result.RequeueAfter != 0 {
		t.Fatalf("result %v, error %v", result, err)
	}
	return sorted(w.targetNotes.Take())
}

// inBulk are keys of the Bundle roots with the priority of a roll-out.
func inBulk(namespaces ...string) []queuetest.Added[target.Key] {
	var list []queuetest.Added[target.Key]
	for _, name := range namespaces {
		list = append(list, queuetest.Added[target.Key]{Priority: workqueue.DefaultPriority, After: 0, Key: key("roots", name)})
	}
	return list
}

// edit changes the spec of the Bundle roots.
func (w *world) edit(change func(*v1alpha1.Bundle)) {
	w.cache.bundles[0] = w.cache.bundles[0].DeepCopy()
	w.cache.bundles[0].Generation++
	change(w.cache.bundles[0])
}

// S13: a new revision has every target looked at that is wanted or exists; the
// same again costs nothing.
func TestReconcileRollsOut(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	w.cache.targets = []*metav1.PartialObjectMetadata{observed("roots", "c", "7"), observed("other", "b", "7")}
	want := append(inBulk("a", "b"), queuetest.Added[target.Key]{Priority: workqueue.LowPriority, After: 0, Key: key("roots", "c")})
	if diff := cmp.Diff(want, b.rebuilt(t, w)); diff != "" {
		t.Errorf("at first, what is there is looked at last (-want +got):\n%s", diff)
	}
	if got := w.account(t); got != (account{2, 0, 0}) {
		t.Errorf("account %+v", got)
	}
	if diff := cmp.Diff([]queuetest.Added[string]{{Priority: workqueue.DefaultPriority, After: 0, Key: "roots"}}, w.statusNotes.Take()); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	if queued := b.rebuilt(t, w); len(queued) > 0 {
		t.Errorf("again: %v", queued)
	}
	w.edit(func(from *v1alpha1.Bundle) { from.Spec.Sources[0].InLine = new(root(t, 2)) })
	if diff := cmp.Diff(inBulk("a", "b", "c"), b.rebuilt(t, w)); diff != "" {
		t.Errorf("with another source (-want +got):\n%s", diff)
	}
	w.edit(func(from *v1alpha1.Bundle) { from.Spec.Target.NamespaceSelector = nil })
	if diff := cmp.Diff(inBulk("a", "b", "c"), b.rebuilt(t, w)); diff != "" {
		t.Errorf("for all namespaces (-want +got):\n%s", diff)
	}
	summary, _ := w.ledger.Summary("roots")
	if summary.Attempt.Generation != 3 || summary.Attempt.UID != "roots-uid" || summary.Attempt.Certificates != 1 {
		t.Errorf("attempt %+v", summary.Attempt)
	}
}

// S11: what cannot be built replaces nothing, and the ledger learns why.
func TestReconcileKeepsTheLastGoodRevision(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	b.rebuilt(t, w)
	before, number := w.registry.current("roots")
	w.edit(func(from *v1alpha1.Bundle) {
		from.Spec.Sources = append(from.Spec.Sources, fromConfigMap("nothing"))
		from.Spec.Target.ConfigMap.Key = "other.pem"
	})
	if queued := b.rebuilt(t, w); len(queued) > 0 {
		t.Errorf("queued %v", queued)
	}
	if after, now := w.registry.current("roots"); after != before || now != number {
		t.Error("another revision is in force")
	}
	summary, _ := w.ledger.Summary("roots")
	if summary.Attempt.Reason != "SourceNotFound" || !strings.Contains(summary.Attempt.Message, "ConfigMap cert-manager/nothing") || summary.Attempt.Generation != 2 {
		t.Errorf("attempt %+v", summary.Attempt)
	}
	w.edit(func(from *v1alpha1.Bundle) { from.Spec.Sources = from.Spec.Sources[:1] })
	if diff := cmp.Diff(inBulk("a", "b"), b.rebuilt(t, w)); diff != "" {
		t.Errorf("when it is good again (-want +got):\n%s", diff)
	}
	if summary, _ := w.ledger.Summary("roots"); summary.Attempt.Reason != "" {
		t.Errorf("attempt %+v", summary.Attempt)
	}
}

// T12: a Bundle that is being deleted is inert, and one that is gone has its
// targets looked at, of which those are cleaned that were shared.
func TestReconcileDeletion(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	b.rebuilt(t, w)
	w.statusNotes.Take()
	w.cache.targets = []*metav1.PartialObjectMetadata{observed("roots", "a", "7")}
	w.edit(func(from *v1alpha1.Bundle) { from.DeletionTimestamp = new(metav1.NewTime(start)) })
	if queued := b.rebuilt(t, w); len(queued) > 0 {
		t.Errorf("while it is being deleted: %v", queued)
	}
	if revision, _ := w.registry.current("roots"); revision != nil {
		t.Error("a revision is still in force")
	}
	w.cache.bundles = nil
	if diff := cmp.Diff(inBulk("a"), b.rebuilt(t, w)); diff != "" {
		t.Errorf("when it is gone (-want +got):\n%s", diff)
	}
	if _, ok := w.ledger.Summary("roots"); ok || len(w.statusNotes.Take()) > 0 {
		t.Error("there is still something to tell")
	}
	if w.registry.isOrphaned("roots") {
		t.Error("it counts as orphaned")
	}
}

// T12: an orphaning deletion is remembered, since its targets are to stay, also
// where it is over before the queue comes to it.
func TestReconcileOrphaningDeletion(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	b.rebuilt(t, w)
	before := w.cache.bundles[0]
	w.edit(func(from *v1alpha1.Bundle) {
		from.DeletionTimestamp = new(metav1.NewTime(start))
		from.Finalizers = []string{metav1.FinalizerOrphanDependents}
	})
	update(bundleEvents(w.environment), before, w.cache.bundles[0])
	w.cache.bundles = nil
	b.rebuilt(t, w)
	if !w.registry.isOrphaned("roots") {
		t.Error("it does not count as orphaned")
	}
}

// T12: a Bundle that is made anew starts a new account, though its sources do
// not give a bundle.
func TestReconcileBundleMadeAnew(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	b.rebuilt(t, w)
	w.edit(func(from *v1alpha1.Bundle) {
		from.UID = "newer"
		from.Spec.Sources = []v1alpha1.BundleSource{fromConfigMap("nothing")}
	})
	b.rebuilt(t, w)
	if revision, _ := w.registry.current("roots"); revision != nil {
		t.Error("a revision of the one before is in force")
	}
	if summary, _ := w.ledger.Summary("roots"); summary.Built || summary.Wanted != 0 || summary.Attempt.UID != "newer" {
		t.Errorf("summary %+v", summary)
	}
}

// S13: a namespace that appears while a roll-out begins is in it.
func TestReconcileMissesNoNamespace(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	handler := namespaceEvents(w.environment)
	late := namespace("late", map[string]string{"team": "x"})
	w.cache.listed = func() {
		w.cache.listed = nil
		w.cache.namespaces = append(w.cache.namespaces, late)
		create(handler, late)
	}
	for _, one := range b.rebuilt(t, w) {
		if one.Key == key("roots", "late") {
			return
		}
	}
	t.Error("the new namespace is in neither the list nor an event")
}

// A cache that cannot be read is an error, after which the same is tried again,
// whole.
func TestReconcileWithoutCache(t *testing.T) {
	t.Parallel()
	b, w := bundlesOf(t)
	w.cache.err = errDenied
	if _, err := b.Reconcile(quiet(t), "roots"); !errors.Is(err, errDenied) {
		t.Errorf("error %v", err)
	}
	w.cache.err = nil
	failing := &failingLists{memoryReader: w.cache, fail: true}
	b.objects, b.observed = failing, failing
	w.environment.objects = failing
	if _, err := b.Reconcile(quiet(t), "roots"); !errors.Is(err, errDenied) {
		t.Errorf("error %v", err)
	}
	if summary, ok := w.ledger.Summary("roots"); ok && summary.Built {
		t.Errorf("summary %+v", summary)
	}
	failing.fail = false
	if diff := cmp.Diff(inBulk("a", "b"), b.rebuilt(t, w)); diff != "" {
		t.Errorf("at last (-want +got):\n%s", diff)
	}
}

// failingLists is a cache of which no lists can be had.
type failingLists struct {
	*memoryReader
	fail bool
}

func (f *failingLists) List(ctx context.Context, into client.ObjectList, options ...client.ListOption) error {
	if f.fail {
		return errDenied
	}
	return f.memoryReader.List(ctx, into, options...)
}

// Wants of no namespace, and namespaces in their order.
func TestNamespaces(t *testing.T) {
	t.Parallel()
	_, w := bundlesOf(t)
	for selector, want := range map[string][]string{"": {"a", "b", "c"}, "team": {"a", "b"}, "!team": {"c"}, "team=y": nil} {
		parsed, err := labels.Parse(selector)
		if err != nil {
			t.Fatal(err)
		}
		got, err := w.environment.namespaces(quiet(t), &target.Revision{Namespaces: parsed})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", selector, diff)
		}
	}
	if got := place(key("roots", "a")); got != (ledger.Place{Kind: bundle.ConfigMap, Namespace: "a"}) {
		t.Errorf("place %v", got)
	}
}
