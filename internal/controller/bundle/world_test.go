package bundle

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/build"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/metrics"
	"trust-manager.io/internal/revision"
	"trust-manager.io/internal/rotation/store"
	"trust-manager.io/internal/source"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
	"trust-manager.io/internal/workqueue/queuetest"
	"trust-manager.io/test/framework/fake"
)

// world is the environment of a Reconciler in a test: caches that are lists, and queues
// that are recorded.
type world struct {
	reconciler               *Reconciler
	cache                    *fake.Cache
	api                      *stateClient
	time                     *fake.Clock
	revisions                *revision.Store
	ledger                   *ledger.Ledger
	bundleNotes, statusNotes *queuetest.Recorder[bundle.ID]
	targetNotes              *queuetest.Recorder[target.Key]
}

// newWorld returns a world without objects, and its Reconciler.
func newWorld() (*Reconciler, *world) {
	w := &world{
		cache: &fake.Cache{Index: IndexSources(apis.Bundle{}), ConfigMaps: map[string]*corev1.ConfigMap{}}, time: fake.NewClock(),
		bundleNotes: &queuetest.Recorder[bundle.ID]{}, statusNotes: &queuetest.Recorder[bundle.ID]{}, targetNotes: &queuetest.Recorder[target.Key]{},
	}
	w.api = &stateClient{cache: w.cache}
	return w.start(), w
}

// start returns a Reconciler of a new process.
func (w *world) start() *Reconciler {
	w.revisions, w.ledger = revision.New(), ledger.New()
	none, _ := source.LoadDefaultCAs("")                                   // no package is not an error
	measured, _ := metrics.New(prometheus.NewRegistry(), w.ledger, w.time) // an empty registry takes all
	targets := workqueue.From("test", w.targetNotes)
	scope := target.NewScope([]bundle.Kind{bundle.ConfigMap}, nil)
	w.reconciler = New(Config{
		APIs: apis.All(), Objects: w.cache, Targets: fake.Targets(w.cache),
		Builds: build.Config{Sources: source.NewGatherer(source.Config{Objects: w.cache, TrustNamespace: "cert-manager", DefaultCAs: none}), Scope: scope, Clock: w.time},
		States: store.New(w.cache, w.api, "cert-manager", w.time), Scope: scope,
		Revisions: w.revisions, Ledger: w.ledger,
		Queue: workqueue.From("test", w.bundleNotes), Statuses: workqueue.From("test", w.statusNotes), TargetQueue: targets,
		TargetPool: enqueuer{targets}, Clock: w.time, Metrics: measured,
	})
	return w.reconciler
}

// enqueuer is a pool in which no target has failed.
type enqueuer struct{ queue *workqueue.Queue[target.Key] }

func (e enqueuer) Enqueue(priority int, keys ...target.Key) { e.queue.Add(priority, keys...) }

// account has the counts of the ledger.
type account struct{ Wanted, Synced, Failed int }

func (w *world) account(t *testing.T) account {
	t.Helper()
	s, _ := w.ledger.Summary(fake.ID("roots"))
	return account{s.Wanted, s.Synced, s.Failed}
}
