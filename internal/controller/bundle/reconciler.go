package bundle

import (
	"context"
	"errors"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	ctrlsource "sigs.k8s.io/controller-runtime/pkg/source"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/metrics"
	"trust-manager.io/internal/revision"
	"trust-manager.io/internal/source"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
)

const (
	// workers is how many bundles are built at the same time. Building needs a core and
	// nothing else, so more of them would only take cores from writes.
	workers = 2
	// maxRequeue bounds the time until a bundle is rebuilt that time alone changes.
	// Rebuilding what has not changed costs microseconds.
	maxRequeue = 10 * time.Minute
	// cacheLagRetry is how long it usually takes until a cache has what was just written.
	cacheLagRetry = 50 * time.Millisecond
)

// Enqueuer enqueues targets.
type Enqueuer interface {
	Enqueue(priority int, keys ...target.Key)
}

// Config has what a Reconciler needs.
type Config struct {
	// Objects reads Bundles, Namespaces and rotation states from the cache, and Targets
	// the metadata of targets.
	Objects, Targets client.Reader
	// Client writes rotation states, in the trust namespace.
	Client         client.Client
	TrustNamespace string
	Sources        *source.Gatherer
	// Filter is what is filtered unless a Bundle says otherwise.
	Filter    bundle.Filter
	Scope     target.Scope
	Revisions *revision.Store
	Ledger    *ledger.Ledger
	// Queue has the names of Bundles to build, Statuses of those whose status may have
	// changed, and TargetQueue takes targets.
	Queue, Statuses *workqueue.Queue[string]
	TargetQueue     *workqueue.Queue[target.Key]
	TargetPool      Enqueuer
	Clock           clock.PassiveClock
	Metrics         *metrics.Metrics
}

// Reconciler builds bundles.
type Reconciler struct {
	objects, targets client.Reader
	client           client.Client
	trustNamespace   string
	sources          *source.Gatherer
	filter           bundle.Filter
	scope            target.Scope
	revisions        *revision.Store
	ledger           *ledger.Ledger
	queue, statuses  *workqueue.Queue[string]
	targetQueue      *workqueue.Queue[target.Key]
	targetPool       Enqueuer
	clock            clock.PassiveClock
	metrics          *metrics.Metrics
	sessions         sessions
}

// New returns a Reconciler.
func New(config Config) *Reconciler {
	return &Reconciler{
		objects:        config.Objects,
		targets:        config.Targets,
		client:         config.Client,
		trustNamespace: config.TrustNamespace,
		sources:        config.Sources,
		filter:         config.Filter,
		scope:          config.Scope,
		revisions:      config.Revisions,
		ledger:         config.Ledger,
		queue:          config.Queue,
		statuses:       config.Statuses,
		targetQueue:    config.TargetQueue,
		targetPool:     config.TargetPool,
		clock:          config.Clock,
		metrics:        config.Metrics,
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
	return errors.Join(
		c.Watch(ctrlsource.TypedKind(mgr.GetCache(), &v1alpha1.Bundle{}, r.bundleEvents())),
		c.Watch(ctrlsource.TypedKind(mgr.GetCache(), &corev1.ConfigMap{}, sourceEvents[*corev1.ConfigMap](r, bundle.ConfigMap))),
		c.Watch(ctrlsource.TypedKind(mgr.GetCache(), &corev1.Secret{}, sourceEvents[*corev1.Secret](r, bundle.Secret))),
	)
}

// Reconcile brings the revision of one bundle up to date:
//
//  1. a Bundle that is gone or being deleted is dropped;
//  2. its sources are gathered, the bundle is built, and its rotation state is saved;
//  3. if that fails, the last revision stays, without what the Bundle excludes and what
//     is no longer retained;
//  4. a revision that has changed is activated, and every target that is wanted or exists
//     is enqueued;
//  5. the outcome is recorded, for the status;
//  6. if time alone will change the bundle, for example when a certificate expires, the
//     Bundle is requeued for that moment.
func (r *Reconciler) Reconcile(ctx context.Context, name string) (reconcile.Result, error) {
	obj := &v1alpha1.Bundle{}
	err := r.objects.Get(ctx, types.NamespacedName{Name: name}, obj)
	switch {
	case apierrors.IsNotFound(err):
		return reconcile.Result{}, r.onDeleted(ctx, name)
	case err != nil:
		return reconcile.Result{}, err
	case obj.DeletionTimestamp != nil:
		r.drop(name)
		return reconcile.Result{}, nil
	}
	s := r.session(obj)
	outcome, err := r.build(ctx, s, obj)
	switch {
	case errors.Is(err, errStaleCache):
		return reconcile.Result{RequeueAfter: cacheLagRetry}, nil
	case err != nil && outcome.attempt.Reason == "":
		return reconcile.Result{}, err
	}
	if active, _ := r.revisions.Get(name); outcome.revision != nil && !outcome.revision.Equal(active) {
		if err := r.startRollout(ctx, name, outcome.revision); err != nil {
			return reconcile.Result{}, err
		}
	}
	if outcome.build != nil {
		s.last = outcome.build
	}
	// After the start of the rollout: the targets of the revision before would count as
	// those of this one otherwise.
	r.ledger.Tried(name, outcome.attempt)
	r.statuses.Add(workqueue.DefaultPriority, name)
	for _, last := range outcome.validUntil {
		r.requeueAt(name, last)
	}
	return reconcile.Result{}, err
}

// requeueAt requeues a bundle just after the last moment at which it is valid, if there
// is one. A timer does not follow a clock that is set forward, so it never runs for
// longer than maxRequeue.
func (r *Reconciler) requeueAt(name string, last time.Time) {
	if !last.IsZero() {
		r.queue.AddAfter(workqueue.HighPriority, min(maxRequeue, last.Sub(r.clock.Now())+time.Millisecond), name)
	}
}

// outcome is the result of building a bundle.
type outcome struct {
	// attempt is what the ledger records.
	attempt ledger.Attempt
	// build is what revision was made of. Both are nil if nothing changes.
	build    *build
	revision *target.Revision
	// validUntil has the moments after which the bundle has to be rebuilt.
	validUntil []time.Time
}

// build builds a bundle and saves its rotation state. If the bundle is refused, the state,
// or both, the attempt has every reason, and the outcome is the last bundle without what
// must not stay in it, if that differs. An error is retried; it is errStaleCache if that
// should be in a moment.
func (r *Reconciler) build(ctx context.Context, s *session, obj *v1alpha1.Bundle) (outcome, error) {
	start := r.clock.Now()
	out, err := r.buildRevision(ctx, s, obj)
	var problems bundle.Problems
	refused := errors.As(err, &problems)
	r.metrics.ObserveBuild(r.clock.Since(start), buildResult(err, refused))
	if err != nil && !refused {
		return out, err
	}
	var unsaved bundle.Problems
	if out.build != nil {
		if err := r.saveState(ctx, s, out.build); err != nil && !errors.As(err, &unsaved) {
			return outcome{}, err
		}
	}
	if problems = append(problems, unsaved...); len(problems) == 0 {
		return out, nil
	}
	out.attempt.Reason, out.attempt.Message = problems.Reason(), problems.Error()
	out.build, out.revision = nil, nil
	err = r.withoutExcluded(ctx, s, obj, &out)
	log.FromContext(ctx).Info("The bundle cannot be built", "bundle", obj.Name, "reason", out.attempt.Reason, "message", out.attempt.Message)
	if len(unsaved) > 0 {
		err = errors.Join(unsaved, err)
	}
	return out, err
}

func buildResult(err error, refused bool) string {
	switch {
	case err == nil:
		return metrics.BuildSuccess
	case refused:
		return metrics.BuildInvalid
	}
	return metrics.BuildError
}

// secretTargetsDisabled is why a Bundle with a Secret target is not built (T13).
var secretTargetsDisabled = &certs.Problem{
	Origin: certs.Origin{Field: "spec.target.secret"},
	Reason: v1alpha1.BundleReasonSecretTargetsDisabled,
	Detail: "the operator runs without Secret targets; start it with --secret-targets-enabled, or enable secretTargets in the Helm values",
}

// buildRevision builds the bundle and its revision. The error is bundle.Problems if a
// user has to act; the outcome then has a build only if its rotation state has to be saved
// all the same.
func (r *Reconciler) buildRevision(ctx context.Context, s *session, obj *v1alpha1.Bundle) (outcome, error) {
	out := outcome{attempt: ledger.Attempt{UID: string(obj.UID), Generation: obj.Generation}}
	spec, err := bundle.FromV1alpha1(obj)
	if err != nil {
		return out, err
	}
	if spec.HasTarget(bundle.Secret) && !r.scope.HasKind(bundle.Secret) {
		return out, bundle.Problems{secretTargetsDisabled}
	}
	gathered, err := r.sources.Gather(ctx, spec)
	if err != nil {
		return out, err
	}
	out.attempt.DefaultCAVersion = gathered.DefaultCAVersion
	record, err := r.loadState(ctx, s, obj)
	if err != nil {
		return out, err
	}
	content, state, err := s.builder.BuildRetaining(gathered.Inputs, spec.Filter.Or(r.filter), spec.Rotation, record.state, r.clock.Now())
	if err != nil {
		return out, err
	}
	out.attempt.Notes = slices.Concat(record.faults, content.Notes)
	out.attempt.Content = ledger.NewContent(spec, content)
	out.validUntil = []time.Time{content.Changes}
	made := &build{spec: spec, content: content, record: record, state: state}
	if len(content.Unavailable) > 0 {
		out.build = made
		return out, unavailable(content.Unavailable, spec.Rotation)
	}
	active, _ := r.revisions.Get(obj.Name)
	revision, err := target.NewRevision(spec, content, active)
	switch {
	case err == nil:
		out.build, out.revision = made, revision
	case len(content.Retained) > 0:
		// The state is saved all the same: otherwise the retention would begin only once
		// there is room for it.
		out.build, err = made, noteRetained(err, len(content.Retained))
	}
	return out, err
}
