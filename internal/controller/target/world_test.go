package target

import (
	"cmp"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/metrics"
	"trust-manager.io/internal/revision"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/target/writer"
	"trust-manager.io/internal/workqueue"
	"trust-manager.io/internal/workqueue/queuetest"
	"trust-manager.io/test/framework/fake"
)

// world is the environment of a Reconciler in a test: caches that are lists, and queues
// that are recorded.
type world struct {
	reconciler  *Reconciler
	cache       *fake.Cache
	time        *fake.Clock
	revisions   *revision.Store
	ledger      *ledger.Ledger
	targetNotes *queuetest.Recorder[target.Key]
	statusNotes *queuetest.Recorder[bundle.ID]
}

// newWorld returns a world without objects and its Reconciler, which uses a writer.
func newWorld(writer *writer.Writer) (*Reconciler, *world) {
	w := &world{
		cache: &fake.Cache{}, time: fake.NewClock(), revisions: revision.New(), ledger: ledger.New(),
		targetNotes: &queuetest.Recorder[target.Key]{}, statusNotes: &queuetest.Recorder[bundle.ID]{},
	}
	measured, _ := metrics.New(prometheus.NewRegistry(), w.ledger, w.time) // an empty registry takes all
	queue := workqueue.From("test", w.targetNotes)
	w.reconciler = New(Config{
		APIs: apis.All(), Objects: w.cache, Targets: fake.Targets(w.cache), Live: w.cache, Writer: writer, Available: func(bundle.Kind) error { return nil }, Hidden: func(bundle.APIKind) bool { return false },
		Scope: target.NewScope([]bundle.Kind{bundle.ConfigMap}, nil), Revisions: w.revisions, Ledger: w.ledger,
		Queue: queue, Pool: NewPool(1, queue, clock.RealClock{}), Statuses: workqueue.From("test", w.statusNotes),
		Clock: w.time, Metrics: measured,
	})
	return w.reconciler, w
}

// account has the counts of the ledger.
type account struct{ Wanted, Synced, Failed int }

func (w *world) account(t *testing.T) account {
	t.Helper()
	s, _ := w.ledger.Summary(fake.ID("roots"))
	return account{s.Wanted, s.Synced, s.Failed}
}

// enforce activates a revision like a build.
func (w *world) enforce(name string, uid types.UID, selector string) {
	w.revisions.Set(fake.ID(name), fake.Revision(uid, selector))
}

// sorted sorts the added keys, so that their order does not depend on that of maps.
func sorted(list []queuetest.Added[target.Key]) []queuetest.Added[target.Key] {
	slices.SortFunc(list, func(a, b queuetest.Added[target.Key]) int {
		return cmp.Or(cmp.Compare(a.Key.Namespace, b.Key.Namespace), cmp.Compare(a.Key.Name, b.Key.Name))
	})
	return list
}
