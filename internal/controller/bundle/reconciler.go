package bundle

import (
	"context"
	"errors"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	ctrlsource "sigs.k8s.io/controller-runtime/pkg/source"

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/build"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/controller/metadata"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/metrics"
	"trust-manager.io/internal/revision"
	"trust-manager.io/internal/rotation/store"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
)

const (
	// workers is the number of bundles that are built concurrently. Builds are CPU-bound, so
	// more workers would only compete with writes for cores.
	workers = 2
	// maxRequeue is the maximum delay of a rebuild that is due at a certain time, such as the
	// expiry of a certificate. Rebuilding an unchanged bundle takes microseconds.
	maxRequeue = 10 * time.Minute
	// cacheLagRetry is the delay after which the cache usually reflects the last write.
	cacheLagRetry = 50 * time.Millisecond
)

// Enqueuer enqueues targets.
type Enqueuer interface {
	Enqueue(priority int, keys ...target.Key)
}

// Config holds the dependencies and settings of a [Reconciler].
type Config struct {
	// APIs are the API kinds that define bundles.
	APIs apis.Adapters
	// Objects reads Bundles and Namespaces from the cache, and Targets the metadata of
	// targets.
	Objects client.Reader
	Targets metadata.Targets
	Builds  build.Config
	// States loads and saves rotation states.
	States    *store.Store
	Scope     target.Scope
	Revisions *revision.Store
	Ledger    *ledger.Ledger
	// Queue holds the bundles to build, Statuses those whose status may have changed, and
	// TargetQueue the targets to reconcile.
	Queue, Statuses *workqueue.Queue[bundle.ID]
	TargetQueue     *workqueue.Queue[target.Key]
	TargetPool      Enqueuer
	Clock           clock.PassiveClock
	Metrics         *metrics.Metrics
}

// Reconciler builds bundles.
type Reconciler struct {
	apis            apis.Adapters
	objects         client.Reader
	targets         metadata.Targets
	builds          build.Config
	states          *store.Store
	scope           target.Scope
	revisions       *revision.Store
	ledger          *ledger.Ledger
	queue, statuses *workqueue.Queue[bundle.ID]
	targetQueue     *workqueue.Queue[target.Key]
	targetPool      Enqueuer
	clock           clock.PassiveClock
	metrics         *metrics.Metrics
	sessions        sessions
}

// New returns a Reconciler.
func New(config Config) *Reconciler {
	return &Reconciler{
		apis:        config.APIs,
		objects:     config.Objects,
		targets:     config.Targets,
		builds:      config.Builds,
		states:      config.States,
		scope:       config.Scope,
		revisions:   config.Revisions,
		ledger:      config.Ledger,
		queue:       config.Queue,
		statuses:    config.Statuses,
		targetQueue: config.TargetQueue,
		targetPool:  config.TargetPool,
		clock:       config.Clock,
		metrics:     config.Metrics,
	}
}

// Register adds the controller to a manager, with its watches of Bundles and sources.
func (r *Reconciler) Register(mgr manager.Manager) error {
	options := r.queue.Options(workers)
	options.Reconciler = r
	c, err := controller.NewTyped(r.queue.Name(), mgr, options)
	if err != nil {
		return err
	}
	for _, adapter := range r.apis {
		events := r.bundleEvents(adapter.Marks().Kind)
		if err := c.Watch(ctrlsource.TypedKind(mgr.GetCache(), adapter.New(), events)); err != nil {
			return err
		}
	}
	return errors.Join(
		c.Watch(ctrlsource.TypedKind(mgr.GetCache(), &corev1.ConfigMap{}, sourceEvents[*corev1.ConfigMap](r, bundle.ConfigMap))),
		c.Watch(ctrlsource.TypedKind(mgr.GetCache(), &corev1.Secret{}, sourceEvents[*corev1.Secret](r, bundle.Secret))),
	)
}

// Reconcile brings the revision of one bundle up to date:
//
//  1. a Bundle that is gone or being deleted is dropped, and one that another API kind
//     supersedes is inert;
//  2. its sources are gathered, the bundle is built, and its rotation state is saved;
//  3. if that fails, the last revision stays active, without certificates that the Bundle
//     excludes or whose retention has ended;
//  4. a changed revision is activated, and every desired or existing target is enqueued;
//  5. the outcome is recorded for the status;
//  6. if the bundle changes at a known time, such as the expiry of a certificate, the Bundle
//     is requeued for that time.
func (r *Reconciler) Reconcile(ctx context.Context, id bundle.ID) (reconcile.Result, error) {
	adapter := r.apis.Of(id.Kind)
	if adapter == nil {
		return reconcile.Result{}, nil // the rotation state of a kind that is not served was changed
	}
	obj := adapter.New()
	err := r.objects.Get(ctx, id.NamespacedName(), obj)
	switch {
	case apierrors.IsNotFound(err):
		return reconcile.Result{}, r.onDeleted(ctx, id)
	case err != nil:
		return reconcile.Result{}, err
	case obj.GetDeletionTimestamp() != nil:
		r.drop(id)
		r.enqueueInferior(ctx, id)
		return reconcile.Result{}, nil
	}
	if isInert, err := r.yield(ctx, id, obj); isInert || err != nil {
		return reconcile.Result{}, err
	}
	defer r.enqueueInferior(ctx, id)
	spec, invalid := adapter.Spec(obj)
	s := r.session(id, obj.GetUID())
	outcome, err := r.build(ctx, s, spec, invalid)
	switch {
	case errors.Is(err, store.ErrStale):
		return reconcile.Result{RequeueAfter: cacheLagRetry}, nil
	case err != nil && outcome.attempt.Reason == "":
		return reconcile.Result{}, err
	}
	if active, _ := r.revisions.Get(id); outcome.revision != nil && !outcome.revision.Equal(active) {
		if err := r.startRollout(ctx, id, outcome.revision, outcome.attempt); err != nil {
			return reconcile.Result{}, err
		}
	} else {
		r.ledger.RecordBuild(id, outcome.attempt)
	}
	if outcome.active != nil {
		s.last = outcome.active
	}
	r.statuses.Add(workqueue.DefaultPriority, id)
	for _, last := range outcome.validUntil {
		r.requeueAt(id, last)
	}
	return reconcile.Result{}, err
}

// requeueAt requeues a bundle just after last, the end of its validity, unless last is zero.
// The delay is at most maxRequeue, because a timer does not follow a clock that is set
// forward. The end may be farther away than the longest [time.Duration], 292 years.
func (r *Reconciler) requeueAt(id bundle.ID, last time.Time) {
	if !last.IsZero() {
		r.queue.AddAfter(workqueue.HighPriority, min(maxRequeue-time.Millisecond, last.Sub(r.clock.Now()))+time.Millisecond, id)
	}
}

// outcome is the result of an attempt to build a bundle.
type outcome struct {
	// attempt is what the ledger records.
	attempt ledger.Attempt
	// active is the build that revision was made from. Both are nil if nothing changes.
	active   *activeBuild
	revision *target.Revision
	// validUntil lists the times after which the bundle has to be rebuilt.
	validUntil []time.Time
}

// build builds a bundle and saves its rotation state. If the bundle is invalid or the state
// cannot be saved, the attempt lists all problems, and the outcome is the last bundle without
// the certificates that must not stay in it, if there are any. Errors are retried, after
// cacheLagRetry if the error is [store.ErrStale].
func (r *Reconciler) build(ctx context.Context, s *session, spec bundle.Spec, invalid bundle.Problems) (outcome, error) {
	out := outcome{attempt: ledger.Attempt{UID: string(s.uid), Generation: spec.Generation}}
	result, loaded, err := r.runBuild(ctx, s, spec, invalid)
	if err != nil {
		return out, err
	}
	out.record(result, loaded)
	var unsaved bundle.Problems
	if result.SaveState {
		if err := s.rotation.Save(ctx, spec, loaded, result.State); err != nil && !errors.As(err, &unsaved) {
			return outcome{}, err
		}
	}
	problems := slices.Concat(result.Problems, unsaved)
	if len(problems) == 0 {
		return out, nil
	}
	out.attempt.Reason, out.attempt.Message = problems.Reason(), problems.Error()
	out.active, out.revision = nil, nil
	err = r.reduce(ctx, s, spec, &out)
	log.FromContext(ctx).Info("The bundle cannot be built", "bundle", spec.ID.Name, "reason", out.attempt.Reason, "message", out.attempt.Message)
	if len(unsaved) > 0 {
		err = errors.Join(unsaved, err)
	}
	return out, err
}

// runBuild loads the rotation state and builds a bundle, unless the Bundle is invalid, and
// records the duration and result in the metrics.
func (r *Reconciler) runBuild(ctx context.Context, s *session, spec bundle.Spec, invalid bundle.Problems) (result build.Result, loaded *store.Record, err error) {
	start := r.clock.Now()
	if len(invalid) > 0 {
		result = build.Result{Spec: spec, Problems: invalid}
	} else if loaded, err = s.rotation.Load(ctx, s.lastState()); err == nil {
		active, _ := r.revisions.Get(spec.ID)
		result, err = s.builder.Build(ctx, spec, loaded.State, active)
	}
	class := metrics.BuildSuccess
	switch {
	case err != nil:
		class = metrics.BuildError
	case len(result.Problems) > 0:
		class = metrics.BuildInvalid
	}
	r.metrics.ObserveBuild(r.clock.Since(start), class)
	return result, loaded, err
}

// record adds the result of a build to the outcome, and what could not be read of the
// rotation state.
func (o *outcome) record(result build.Result, loaded *store.Record) {
	o.attempt.DefaultCAVersion = result.DefaultCAVersion
	if len(result.Content.Certificates) == 0 {
		return // no bundle was built
	}
	o.attempt.Notes = slices.Concat(loaded.Faults, result.Content.Notes)
	o.attempt.Content = ledger.NewContent(result.Spec, result.Content, result.Revision.PEMDigest())
	o.validUntil = []time.Time{result.Content.ValidUntil}
	o.active, o.revision = &activeBuild{Result: result}, result.Revision
}
