package controller

import (
	"context"
	"errors"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/cache"
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
	"trust-manager.io/internal/source"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
)

// bundleWorkers is how many bundles are built at the same time. Building needs
// a core and nothing else, so more of them would only take cores from writes.
const bundleWorkers = 2

// longestWait bounds the time until a bundle is built again that time alone will
// change. Building what has not changed costs microseconds.
const longestWait = 10 * time.Minute

// outdatedPause is how long it takes until a cache has what was written just now, most
// times.
const outdatedPause = 50 * time.Millisecond

// bundles is the queue of bundles: it makes the revision of each.
type bundles struct {
	*environment
	observed client.Reader
	gatherer *source.Gatherer
	filter   bundle.Filter
	// client writes what is remembered, in the trust namespace.
	client         client.Client
	trustNamespace string
}

func addBundles(mgr manager.Manager, env *environment, observed cache.Cache, options Options) error {
	b := &bundles{
		environment:    env,
		observed:       observed,
		gatherer:       source.NewGatherer(env.objects, options.TrustNamespace, options.DefaultCAs),
		filter:         options.Filter,
		client:         mgr.GetClient(),
		trustNamespace: options.TrustNamespace,
	}
	settings := env.bundles.Options(bundleWorkers)
	settings.Reconciler = b
	c, err := controller.NewTyped(env.bundles.Name(), mgr, settings)
	if err != nil {
		return err
	}
	return errors.Join(
		c.Watch(ctrlsource.TypedKind(mgr.GetCache(), &v1alpha1.Bundle{}, bundleEvents(env))),
		c.Watch(ctrlsource.TypedKind(mgr.GetCache(), &corev1.ConfigMap{}, sourceEvents[*corev1.ConfigMap](env, bundle.ConfigMap))),
		c.Watch(ctrlsource.TypedKind(mgr.GetCache(), &corev1.Secret{}, sourceEvents[*corev1.Secret](env, bundle.Secret))),
	)
}

// Reconcile brings the revision of one bundle up to date:
//
//  1. a Bundle that is gone or going is dropped;
//  2. its sources are gathered and the bundle is built;
//  3. if that fails, the ledger learns why, and the last revision stays, but for
//     what the Bundle excludes, and what is retained no longer;
//  4. what has to be remembered of the bundle is kept, before anything else;
//  5. if the revision is a new one, it comes into force, and every target that
//     is wanted or exists goes into the target queue;
//  6. where time alone will change the bundle, as when expired certificates are
//     left out, it is built again at that moment.
func (b *bundles) Reconcile(ctx context.Context, name string) (reconcile.Result, error) {
	from := &v1alpha1.Bundle{}
	err := b.objects.Get(ctx, types.NamespacedName{Name: name}, from)
	switch {
	case apierrors.IsNotFound(err):
		return reconcile.Result{}, b.gone(ctx, name)
	case err != nil:
		return reconcile.Result{}, err
	case from.DeletionTimestamp != nil:
		b.drop(name)
		return reconcile.Result{}, nil
	}
	attempt := ledger.Attempt{UID: string(from.UID), Generation: from.Generation}
	made, revision, failure := b.prepare(ctx, from, &attempt)
	switch {
	case errors.Is(failure, errOutdated):
		return reconcile.Result{RequeueAfter: outdatedPause}, nil
	case failure != nil && attempt.Reason == "":
		return reconcile.Result{}, failure
	}
	if before, _ := b.registry.current(name); revision != nil && !revision.Same(before) {
		if err := b.rollOut(ctx, name, revision); err != nil {
			return reconcile.Result{}, err
		}
	}
	if made != nil {
		b.registry.keep(name, made)
	}
	// After the roll-out has begun: otherwise the targets of the revision before
	// would pass for those of this one.
	b.ledger.Tried(name, attempt)
	b.statuses.Add(workqueue.DefaultPriority, name)
	return reconcile.Result{}, failure
}

// prepare builds a bundle and saves its rotation state. The bundle may be refused, the
// state, or both: the attempt then has every reason, and what is returned is the last
// good bundle without what must not stay in it, if that differs. An error is retried;
// it is errOutdated if that should be in a moment.
func (b *bundles) prepare(ctx context.Context, from *v1alpha1.Bundle, attempt *ledger.Attempt) (*good, *target.Revision, error) {
	began := b.clock.Now()
	made, revision, err := b.build(ctx, from, attempt)
	var problems bundle.Problems
	refused := errors.As(err, &problems)
	b.metrics.built(b.clock.Since(began), buildResult(err, refused))
	if err != nil && !refused {
		return nil, nil, err
	}
	var unsaved bundle.Problems
	if made != nil {
		if err := b.remember(ctx, made); err != nil && !errors.As(err, &unsaved) {
			return nil, nil, err
		}
		b.awaitChange(from.Name, attempt.Changes) // the attempt may describe the last good bundle later
	}
	if problems = append(problems, unsaved...); len(problems) == 0 {
		return made, revision, nil
	}
	attempt.Reason, attempt.Message = problems.Reason(), problems.Error()
	made, revision, err = b.distrust(ctx, from, attempt)
	log.FromContext(ctx).Info("The bundle cannot be built", "bundle", from.Name, "reason", attempt.Reason, "message", attempt.Message)
	if len(unsaved) > 0 {
		err = errors.Join(unsaved, err)
	}
	return made, revision, err
}

func buildResult(err error, invalid bool) string {
	switch {
	case err == nil:
		return "success"
	case invalid:
		return "invalid"
	}
	return "error"
}

// awaitChange has a bundle built again just after the last moment at which it
// holds, if there is one. A timer does not see a clock that is put forward, so it is
// no longer than longestWait.
func (b *bundles) awaitChange(name string, last time.Time) {
	if !last.IsZero() {
		b.bundles.AddAfter(workqueue.HighPriority, min(longestWait, last.Sub(b.clock.Now())+time.Millisecond), name)
	}
}

// secretTargetsDisabled is why a Bundle with a Secret target is not built (T13).
var secretTargetsDisabled = &certs.Problem{
	Origin: certs.Origin{Field: "spec.target.secret"},
	Reason: v1alpha1.BundleReasonSecretTargetsDisabled,
	Detail: "the operator runs without Secret targets; start it with --secret-targets-enabled, or enable secretTargets in the Helm values",
}

// build makes the revision that a Bundle asks for. The error is bundle.Problems if a
// user has to act; with an error, what was built is returned if its rotation state has
// to be saved all the same.
func (b *bundles) build(ctx context.Context, from *v1alpha1.Bundle, attempt *ledger.Attempt) (*good, *target.Revision, error) {
	builder, afresh := b.registry.builder(from.Name, from.UID)
	if afresh {
		b.ledger.Drop(from.Name)
	}
	spec, err := bundle.FromV1alpha1(from)
	if err != nil {
		return nil, nil, err
	}
	if spec.HasTarget(bundle.Secret) && !slices.Contains(b.kinds, bundle.Secret) {
		return nil, nil, bundle.Problems{secretTargetsDisabled}
	}
	gathered, err := b.gatherer.Gather(ctx, spec)
	if err != nil {
		return nil, nil, err
	}
	attempt.DefaultCAVersion = gathered.DefaultCAVersion
	found, err := b.recall(ctx, from.Name, from.UID)
	if err != nil {
		return nil, nil, err
	}
	content, state, err := builder.BuildRetaining(gathered.Inputs, spec.Filter.Or(b.filter), spec.Rotation, found.state, b.clock.Now())
	if err != nil {
		return nil, nil, err
	}
	attempt.Notes = slices.Concat(found.faults, content.Notes)
	attempt.Content = ledger.NewContent(spec, content)
	before, _ := b.registry.current(from.Name)
	made := &good{spec: spec, content: content, recalled: found, state: state}
	if len(content.Unavailable) > 0 {
		return made, nil, unavailable(content.Unavailable, spec.Rotation)
	}
	revision, err := target.NewRevision(spec, content, before)
	if err != nil && len(content.Retained) > 0 {
		// The state is saved all the same: else the retention would begin only when
		// there is room for it.
		return made, nil, blameRetained(err, len(content.Retained))
	}
	if err != nil {
		return nil, nil, err
	}
	return made, revision, nil
}
