package target

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/controller/metadata"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/metrics"
	"trust-manager.io/internal/request"
	"trust-manager.io/internal/revision"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/target/writer"
	"trust-manager.io/internal/workqueue"
)

const (
	// maxSteps limits the decisions in one reconciliation of a target. A read, a forced
	// apply, a read and a write are four; another writer that keeps changing the object
	// must not occupy a worker forever.
	maxSteps = 8
	// createByApplyFor is how long Secrets are created by apply before the cheaper POST
	// is tried again: the refusal may have been that of a quota, or RBAC may have changed.
	createByApplyFor = 10 * time.Minute
	// obstacleRetry is the longest delay until it is checked again whether an obstacle to a
	// target is gone, which takes one read (T8).
	obstacleRetry = 10 * time.Second
	// statusDelay delays the status of a bundle after an outcome: a new namespace gets the
	// targets of many Bundles at once, and they go first.
	statusDelay = 100 * time.Millisecond
)

// Pool reconciles targets. The targets of one namespace are a group, since they tend to be
// slow together, and so is each target without a namespace.
type Pool = workqueue.Pool[target.Key, string]

// NewPool returns a pool for a queue of targets.
func NewPool(workers int, queue *workqueue.Queue[target.Key], clock clock.PassiveClock) *Pool {
	return workqueue.NewPool(queue, workqueue.Options[target.Key, string]{
		Workers: workers, Group: groupOf, Deadline: request.Deadline, Clock: clock,
	})
}

// groupOf returns the group of a target.
func groupOf(key target.Key) string {
	if key.Namespace == "" {
		return "/" + key.Name
	}
	return key.Namespace
}

// Config has what a Reconciler needs.
type Config struct {
	// APIs are the API kinds that define bundles.
	APIs apis.Adapters
	// Objects reads Bundles and Namespaces from the cache, and Live reads Bundles from the
	// API server.
	Objects, Live client.Reader
	// Targets reads the metadata of targets from the caches.
	Targets metadata.Targets
	// Hidden reports whether the operator may not list the bundles of an API kind.
	Hidden func(bundle.APIKind) bool
	// Writer reads and writes target objects.
	Writer *writer.Writer
	// Available returns an error while the API server does not serve a kind of targets.
	Available func(bundle.Kind) error
	// CreateByApply reports that Secrets may be created by their names only (RBAC).
	CreateByApply bool
	Scope         target.Scope
	Revisions     *revision.Store
	Ledger        *ledger.Ledger
	// Queue has the targets, Pool works on them, and Statuses is the queue of statuses.
	Queue    *workqueue.Queue[target.Key]
	Pool     *Pool
	Statuses *workqueue.Queue[bundle.ID]
	Clock    clock.PassiveClock
	Metrics  *metrics.Metrics
}

// Reconciler brings targets in sync.
type Reconciler struct {
	apis          apis.Adapters
	objects, live client.Reader
	targets       metadata.Targets
	hidden        func(bundle.APIKind) bool
	writer        *writer.Writer
	available     func(bundle.Kind) error
	scope         target.Scope
	revisions     *revision.Store
	ledger        *ledger.Ledger
	queue         *workqueue.Queue[target.Key]
	pool          *Pool
	statuses      *workqueue.Queue[bundle.ID]
	clock         clock.PassiveClock
	metrics       *metrics.Metrics

	observations *target.Observations
	conflicts    *conflictLimiter
	priorities   *namespaceLimiter
	terminations *terminations
	// obstacles has the targets whose last attempt ended at an object that must not be
	// written, by [target.Key].
	obstacles sync.Map
	// alwaysByApply reports that Secrets are always created by apply. Otherwise
	// byApplyUntil is the time until which they are, in seconds since 1970: RBAC may refuse
	// a POST, which is authorized without a name.
	alwaysByApply bool
	byApplyUntil  atomic.Int64
}

// New returns a Reconciler.
func New(config Config) *Reconciler {
	return &Reconciler{
		apis:          config.APIs,
		objects:       config.Objects,
		targets:       config.Targets,
		live:          config.Live,
		hidden:        config.Hidden,
		writer:        config.Writer,
		available:     config.Available,
		scope:         config.Scope,
		revisions:     config.Revisions,
		ledger:        config.Ledger,
		queue:         config.Queue,
		pool:          config.Pool,
		statuses:      config.Statuses,
		clock:         config.Clock,
		metrics:       config.Metrics,
		observations:  target.NewObservations(),
		conflicts:     newConflictLimiter(),
		priorities:    newNamespaceLimiter(config.Clock),
		terminations:  newTerminations(),
		alwaysByApply: config.CreateByApply,
	}
}

// Register adds the controller to a manager, with its watches of Namespaces, and of the targets
// of each API kind in their cache. [Reconciler.OnDiscoveredChange] is for the others.
func (r *Reconciler) Register(mgr manager.Manager, workers int, targets map[bundle.APIKind]cache.Cache) error {
	options := r.queue.Options(workers)
	options.Reconciler = r
	c, err := controller.NewTyped(r.queue.Name(), mgr, options)
	if err != nil {
		return err
	}
	for _, adapter := range r.apis {
		marks := adapter.Marks()
		for _, kind := range r.scope.Kinds {
			if target.TypeOf(kind).IsDiscovered() {
				continue
			}
			if err := c.Watch(source.TypedKind(targets[marks.Kind], metadata.New(target.TypeOf(kind).GVK), r.targetEvents(marks, kind))); err != nil {
				return err
			}
		}
	}
	return errors.Join(
		c.Watch(source.TypedKind(mgr.GetCache(), metadata.New(metadata.Namespace), r.namespaceEvents())),
		mgr.Add(manager.RunnableFunc(r.pool.Drain)),
	)
}

// Reconcile brings one target in sync. Work that takes long continues in the pool, so
// that the worker is free for other targets.
func (r *Reconciler) Reconcile(ctx context.Context, key target.Key) (reconcile.Result, error) {
	r.pool.Run(ctx, key, func(ctx context.Context) error { return r.converge(ctx, key) })
	return reconcile.Result{}, nil
}

// converge observes the target, decides and acts, until the target is in sync or
// released, or until nothing more can be done for now. Then it records the outcome in the
// ledger. A non-nil error requeues the target.
func (r *Reconciler) converge(ctx context.Context, key target.Key) error {
	// The obstacle to an earlier attempt can be in no cache: only a read shows that it is gone.
	_, hadObstacle := r.obstacles.LoadAndDelete(key)
	next := step{live: hadObstacle}
	for tries := 1; ; tries++ {
		desired, err := r.desired(ctx, key)
		if err != nil || desired == nil {
			return err
		}
		if err := r.available(key.Kind); err != nil {
			return r.recordUnavailable(key, desired, err)
		}
		err = workqueue.Guard(ctx, func(ctx context.Context) (err error) {
			next, err = r.reconcileOnce(ctx, key, desired, next)
			return err
		})
		if err == nil && !next.done && tries == maxSteps {
			err = fmt.Errorf("other writers keep changing the object: after %d tries it is still out of sync", maxSteps)
		}
		if err != nil || next.done {
			r.logFailedRelease(ctx, key, desired, err)
			return r.recordOutcome(ctx, key, desired, err)
		}
	}
}

// step is what to do next about a target.
type step struct {
	// done reports that nothing is left to do.
	done bool
	// live reports that the object has to be read from the API server, since its content
	// is not known from the cache and the observations.
	live bool
	// byApply reports that an object that does not exist has to be created by apply.
	byApply bool
}

// reconcileOnce observes, decides and acts once.
func (r *Reconciler) reconcileOnce(ctx context.Context, key target.Key, desired *desiredState, current step) (next step, err error) {
	action, state, err := r.decide(ctx, key, desired, current)
	if err != nil {
		return step{}, err
	}
	if action.RequireLiveBundle {
		if err := r.confirm(ctx, key, desired.Desired); err != nil {
			return step{}, err
		}
	}
	if action.Verb == target.NoOp && state == target.Full && r.observations.MarkVerified(key, action.UID, action.ResourceVersion) {
		r.queue.AddAfter(workqueue.LowPriority, target.WatchLag, key) // the watch may not have shown it yet
	}
	return r.execute(ctx, action, desired)
}

// decide returns what to do about a target, and how much is known of it.
func (r *Reconciler) decide(ctx context.Context, key target.Key, desired *desiredState, current step) (action target.Action, state target.State, err error) {
	decide := func(observed target.Observed) {
		action, state = target.Decide(key, desired.Desired, observed), observed.State
	}
	if current.live {
		err = r.writer.Read(ctx, key, func(object *target.Object) { decide(r.observeLive(key, object, current.byApply)) })
		return action, state, err
	}
	observed, err := r.observeCached(ctx, key)
	if err == nil {
		decide(observed)
	}
	return action, state, err
}

// observeLive returns the state of an object that was read from the API server, or of one
// that does not exist there.
func (r *Reconciler) observeLive(key target.Key, object *target.Object, byApply bool) target.Observed {
	if object == nil {
		return target.Observed{State: target.Absent, DeletedInSync: true, ByName: byApply || r.createsByApply(key)}
	}
	holding, known := r.observations.Recall(key, string(object.Meta.UID))
	return target.Observed{State: target.Full, Object: object, Known: known, Holding: holding}
}

// observeCached returns the state of the object in the cache and earlier observations.
func (r *Reconciler) observeCached(ctx context.Context, key target.Key) (target.Observed, error) {
	cached, err := r.cached(ctx, key.Ref)
	if err != nil {
		return target.Observed{}, err
	}
	observed, recheck := r.observations.Lookup(key, cached, r.clock.Now())
	if observed.State == target.Absent && r.createsByApply(key) {
		// The cache has only objects with the label. An apply overwrites an existing object
		// without it, which a POST would not.
		observed = target.Observed{State: target.Unknown}
	}
	if recheck > 0 {
		r.queue.AddAfter(workqueue.LowPriority, recheck, key)
	}
	return observed, nil
}

// createsByApply reports whether a target is created by apply rather than by POST.
func (r *Reconciler) createsByApply(key target.Key) bool {
	typ := target.TypeOf(key.Kind)
	return typ.AlwaysByName || typ.RestrictedByName && (r.alwaysByApply || r.clock.Now().Unix() < r.byApplyUntil.Load())
}

// execute carries out an action.
func (r *Reconciler) execute(ctx context.Context, action target.Action, desired *desiredState) (step, error) {
	switch action.Verb {
	case target.NoOp:
		r.observations.RecordRead(action.Key, action.UID, action.ResourceVersion, action.Holding, r.clock.Now())
		return step{done: true}, nil
	case target.Skip:
		r.forget(action.Key)
		return step{done: true}, nil
	case target.Wait, target.Refuse:
		r.obstacles.Store(action.Key, struct{}{})
		return step{}, workqueue.RetryWithin(obstacleRetry, errors.New(action.Reason))
	case target.Read:
		return step{live: true}, nil
	default:
		return r.write(ctx, action, desired)
	}
}

// write sends the request of an action, and records the result as an observation.
func (r *Reconciler) write(ctx context.Context, action target.Action, desired *desiredState) (step, error) {
	if r.observations.IsDrift(action) {
		if err := r.conflicts.allow(action.Key, r.clock.Now()); err != nil {
			return step{}, err
		}
	}
	if r.ledger.MarkWriting(action.Key.Bundle, desired.revision, action.Key.Ref) {
		r.statuses.Add(workqueue.DefaultPriority, action.Key.Bundle)
	}
	start := r.clock.Now()
	written, err := r.writer.Write(ctx, action)
	r.metrics.ObserveWrite(action.Verb, r.clock.Since(start), err)
	log.FromContext(ctx).V(2).Info("Wrote a target", "verb", action.Verb, "target", action.Key.String(), "reason", action.Reason, "error", err)
	if err != nil {
		return afterError(action, err)
	}
	return r.afterWrite(action, desired, written), nil
}

// afterError returns the next step after a write that failed.
func afterError(action target.Action, err error) (step, error) {
	switch {
	case apierrors.IsNotFound(err) && action.CreatesByApply() && target.TypeOf(action.Key.Kind).IsDiscovered():
		return step{}, fmt.Errorf("%w: %w", errGone, err)
	case apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) && action.Verb != target.Create && !isNamespaceEnd(err):
		return step{live: true}, nil
	case action.Verb == target.Create && target.TypeOf(action.Key.Kind).RestrictedByName && apierrors.IsForbidden(err) && !isNamespaceEnd(err):
		// A Role may be limited to the names of authorized Secrets.
		return step{live: true, byApply: true}, nil
	}
	return step{}, err
}

// afterWrite records a write that succeeded, and returns the next step.
func (r *Reconciler) afterWrite(action target.Action, desired *desiredState, written writer.Written) step {
	switch {
	case action.Verb == target.Apply && action.UID == "":
		if !target.TypeOf(action.Key.Kind).AlwaysByName {
			r.byApplyUntil.Store(r.clock.Now().Add(createByApplyFor).Unix())
		}
		return step{live: true}
	case action.Verb == target.Apply || written.Mutated:
		return step{live: true}
	case action.Verb == target.Delete || !desired.isWanted():
		r.forget(action.Key)
		return step{done: true}
	}
	again := target.WatchLag
	if r.observations.RecordWrite(action.Key, written.UID, written.ResourceVersion, action.Holding, r.clock.Now()) {
		again = target.VerifyDelay
	}
	r.queue.AddAfter(workqueue.LowPriority, again, action.Key)
	return step{done: true}
}
