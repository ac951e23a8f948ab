package controller

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
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
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
)

// maxSteps bounds how often one target is decided about in one go. A read, a
// forced apply, a read and a write are four; conflicts with a writer who never
// rests must not hold a worker for ever.
const maxSteps = 8

// maxReading is how many objects are held whole at a time: enough to read thousands a
// second. With labels and managedFields, an object of 1.5 MiB takes tens of MiB.
const maxReading = 4

// byNameFor is how long Secrets are created by their names before the cheaper way is
// tried again: a quota may have refused it, or RBAC have changed.
const byNameFor = 10 * time.Minute

// targets is the queue of targets: it brings single objects in line.
type targets struct {
	*environment
	observed client.Reader
	writer   *target.Writer
	memory   *memory
	contests *contests
	// terminations are the targets that active namespaces refuse as if they ended.
	terminations *terminations
	// reading has an entry for each object that is held whole.
	reading chan struct{}
	// byName is until when, in seconds since 1970, Secrets are created by their
	// names without trying otherwise: RBAC may refuse a POST, which has none.
	byName atomic.Int64
	// alwaysByName says that this is known beforehand.
	alwaysByName bool
}

func addTargets(mgr manager.Manager, env *environment, observed cache.Cache, options Options) error {
	writer, err := target.NewWriter(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return err
	}
	t := &targets{
		environment:  env,
		observed:     observed,
		writer:       writer,
		memory:       newMemory(),
		contests:     newContests(),
		terminations: newTerminations(),
		reading:      make(chan struct{}, maxReading),
		alwaysByName: options.SecretsByName,
	}
	settings := env.targets.Options(options.Concurrency)
	settings.Reconciler = t
	c, err := controller.NewTyped(env.targets.Name(), mgr, settings)
	if err != nil {
		return err
	}
	for _, kind := range env.kinds {
		if err := c.Watch(ctrlsource.TypedKind(observed, metadataOf(targetKind(kind)), targetEvents(env, t.memory, kind))); err != nil {
			return err
		}
	}
	return errors.Join(
		c.Watch(ctrlsource.TypedKind(mgr.GetCache(), metadataOf(namespaceKind), namespaceEvents(env))),
		mgr.Add(manager.RunnableFunc(t.pool.Drain)),
	)
}

// Reconcile brings one target in line. What takes long goes on in a lane of
// its own, so that the worker is free for others.
func (t *targets) Reconcile(ctx context.Context, key target.Key) (reconcile.Result, error) {
	t.pool.Run(ctx, key, func(ctx context.Context) error { return t.converge(ctx, key) })
	return reconcile.Result{}, nil
}

// converge decides and acts until the target is in order or released, or
// nothing more can be done for now, and enters the outcome into the ledger. An
// error says why the target should be tried again.
func (t *targets) converge(ctx context.Context, key target.Key) error {
	var last *target.Seen // what a step has learned, better than the cache
	for tried := 1; ; tried++ {
		aim, err := t.aim(ctx, key)
		if err != nil || aim == nil {
			return err
		}
		var next *target.Seen
		err = workqueue.Guard(ctx, func(ctx context.Context) (err error) {
			next, err = t.step(ctx, key, aim, last)
			return err
		})
		if err == nil && next != nil && tried == maxSteps {
			err = fmt.Errorf("others keep changing the object: after %d tries it is still not in order", maxSteps)
		}
		if err != nil || next == nil {
			if err != nil && aim.want.Gone && !errors.Is(err, errUnconfirmed) {
				// There is no Bundle any more whose status could tell.
				log.FromContext(ctx).Info("The part of a Bundle that is gone cannot be taken out of an object that it shared with others, and is tried again",
					"target", key.String(), "cause", explain(err))
			}
			return t.account(ctx, key, aim, err)
		}
		last = next
	}
}

// errUnconfirmed says that the Bundle is not there to stay. Nothing is done and
// nothing accounted for: the Bundle's own events tell.
var errUnconfirmed = errors.New("the Bundle is being deleted, or was made anew")

// step sees, decides and acts once. next is what has to be decided about then,
// nil where the target is done with.
func (t *targets) step(ctx context.Context, key target.Key, aim *aim, last *target.Seen) (next *target.Seen, err error) {
	action, seen, err := t.decide(ctx, key, aim, last)
	if err != nil {
		return nil, err
	}
	if action.Confirm {
		if err := t.confirm(ctx, key, aim.want); err != nil {
			return nil, err
		}
	}
	if action.Verb == target.Keep && seen == target.Whole && t.memory.prove(key, action.UID, action.ResourceVersion) {
		t.targets.AddAfter(workqueue.LowPriority, unseen, key) // the watch may not have shown it yet
	}
	return t.act(ctx, action, aim)
}

// decide returns what to do about a target, and how much was known of it. An object is
// held no longer than that, and only so many at a time: others may have made it as large
// as the API server takes it.
func (t *targets) decide(ctx context.Context, key target.Key, aim *aim, last *target.Seen) (target.Action, target.State, error) {
	if last != nil && last.State == target.Unread {
		select {
		case t.reading <- struct{}{}:
			defer func() { <-t.reading }()
		case <-ctx.Done():
			return target.Action{}, target.Unread, ctx.Err()
		}
	}
	seen, err := t.see(ctx, key, last)
	if err != nil {
		return target.Action{}, target.Unread, err
	}
	return target.Decide(key, aim.want, seen), seen.State, nil
}

// aim is what should become of a target, and by which revision.
type aim struct {
	want   target.Want
	number uint64
}

// aim finds what should become of a target; nil means that it is not to be
// touched, and no longer counts.
func (t *targets) aim(ctx context.Context, key target.Key) (*aim, error) {
	from := &v1alpha1.Bundle{}
	err := t.objects.Get(ctx, types.NamespacedName{Name: key.Bundle}, from)
	switch {
	case apierrors.IsNotFound(err):
		return t.aimWithoutBundle(ctx, key)
	case err != nil:
		return nil, err
	case from.DeletionTimestamp != nil:
		return nil, nil
	}
	revision, number := t.registry.current(key.Bundle)
	if revision == nil || revision.Owner.UID != from.UID {
		return nil, nil
	}
	namespace, err := t.namespace(ctx, key.Namespace)
	if err != nil {
		return nil, err
	}
	if namespace == nil || namespace.DeletionTimestamp != nil {
		t.leave(key)
		return nil, nil
	}
	want := target.Want{
		Owner:    revision.Owner,
		Shape:    revision.Shapes[key.Kind],
		Selected: revision.Namespaces.Matches(labels.Set(namespace.Labels)),
	}
	if want.Selected && want.Shape != nil {
		t.ledger.Want(key.Bundle, number, place(key), t.clock.Now())
	}
	return &aim{want, number}, nil
}

// aimWithoutBundle releases an object that a Bundle shared with others before
// it was deleted. All else is for garbage collection.
func (t *targets) aimWithoutBundle(ctx context.Context, key target.Key) (*aim, error) {
	cached, err := t.cached(ctx, key)
	if err != nil || cached == nil || cached.Annotations[v1alpha1.SharedAnnotationKey] != "true" {
		t.terminations.forget(key)
		t.contests.forget(key)
		t.memory.forget(key)
		return nil, err
	}
	return &aim{want: target.Want{
		Owner:    metav1.OwnerReference{Name: key.Bundle},
		Gone:     true,
		Orphaned: t.registry.isOrphaned(key.Bundle),
	}}, nil
}

// leave forgets a target whose namespace is gone or going: what is in it goes
// with it.
func (t *targets) leave(key target.Key) {
	t.terminations.forget(key)
	t.contests.forget(key)
	t.memory.forget(key)
	if t.ledger.Forget(key.Bundle, place(key)) {
		t.statuses.Add(workqueue.DefaultPriority, key.Bundle)
	}
}

// see gives what is known of a target's object.
func (t *targets) see(ctx context.Context, key target.Key, last *target.Seen) (target.Seen, error) {
	if last != nil && last.State != target.Unread {
		return *last, nil
	}
	if last != nil {
		object, err := t.writer.Read(ctx, key)
		switch {
		case err != nil:
			return target.Seen{}, err
		case object == nil:
			return target.Seen{State: target.Absent, Vanished: true, ByName: last.ByName || t.mustName(key)}, nil
		}
		return target.Seen{State: target.Whole, Object: object}, nil
	}
	cached, err := t.cached(ctx, key)
	if err != nil {
		return target.Seen{}, err
	}
	seen, recheck := t.memory.see(key, cached, t.clock.Now())
	if seen.State == target.Absent && t.mustName(key) {
		// The cache has labelled objects alone, and an apply writes over whatever
		// there is, where a POST would be refused.
		seen = target.Seen{State: target.Unread}
	}
	if recheck > 0 {
		t.targets.AddAfter(workqueue.LowPriority, recheck, key)
	}
	return seen, nil
}

// mustName says whether a target can be created by its name only.
func (t *targets) mustName(key target.Key) bool {
	return key.Kind == bundle.Secret && (t.alwaysByName || t.clock.Now().Unix() < t.byName.Load())
}

// confirm reads the Bundle from the API server: what was seen of its target may
// be the work of its own deletion. The error is errUnconfirmed if that is so.
func (t *targets) confirm(ctx context.Context, key target.Key, want target.Want) error {
	var from metav1.PartialObjectMetadata
	from.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.BundleKind))
	err := t.live.Get(ctx, types.NamespacedName{Name: key.Bundle}, &from)
	gone := apierrors.IsNotFound(err)
	switch {
	case err != nil && !gone:
		return err
	case gone && want.Gone:
		return nil
	case gone || want.Gone || from.UID != want.Owner.UID || from.DeletionTimestamp != nil:
		return errUnconfirmed
	}
	return nil
}

// act carries out an action.
func (t *targets) act(ctx context.Context, action target.Action, aim *aim) (next *target.Seen, err error) {
	switch action.Verb {
	case target.Keep:
		t.memory.learn(action.Key, action.UID, action.ResourceVersion, action.Holding, t.clock.Now())
		return nil, nil
	case target.Leave:
		t.contests.forget(action.Key)
		t.memory.forget(action.Key)
		return nil, nil
	case target.Wait, target.Refuse:
		return nil, errors.New(action.Reason)
	case target.Read:
		return &target.Seen{State: target.Unread}, nil
	default:
		return t.write(ctx, action, aim)
	}
}

// write sends the request of an action, and takes what it has become into
// memory.
func (t *targets) write(ctx context.Context, action target.Action, aim *aim) (next *target.Seen, err error) {
	if t.memory.isRepair(action) {
		if err := t.contests.allow(action.Key, t.clock.Now()); err != nil {
			return nil, err
		}
	}
	if t.ledger.Writing(action.Key.Bundle, aim.number, place(action.Key)) {
		t.statuses.Add(workqueue.DefaultPriority, action.Key.Bundle)
	}
	began := t.clock.Now()
	written, err := t.writer.Write(ctx, action)
	t.metrics.wrote(action.Verb, t.clock.Since(began), err)
	log.FromContext(ctx).V(2).Info("Wrote a target", "verb", action.Verb, "target", action.Key.String(), "reason", action.Reason, "error", err)
	switch {
	case apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) && action.Verb != target.Create:
		return &target.Seen{State: target.Unread}, nil
	case action.Verb == target.Create && action.Key.Kind == bundle.Secret && apierrors.IsForbidden(err) && !isNamespaceEnd(err):
		// A Role may be limited to the names of authorized Secrets.
		return &target.Seen{State: target.Unread, ByName: true}, nil
	case err != nil:
		return nil, err
	case action.Verb == target.Apply && action.UID == "":
		t.byName.Store(t.clock.Now().Add(byNameFor).Unix())
		return &target.Seen{State: target.Unread}, nil
	case action.Verb == target.Apply || written.Altered:
		return &target.Seen{State: target.Unread}, nil
	case action.Verb == target.Delete || !aim.want.Selected || aim.want.Shape == nil:
		t.contests.forget(action.Key)
		t.memory.forget(action.Key)
		return nil, nil
	}
	again := unseen
	if t.memory.wrote(action.Key, written.UID, written.ResourceVersion, action.Holding, t.clock.Now()) {
		again = proofDelay
	}
	t.targets.AddAfter(workqueue.LowPriority, again, action.Key)
	return nil, nil
}

// account enters into the ledger what has become of a target. It gives the
// error back where the target should be tried again.
func (t *targets) account(ctx context.Context, key target.Key, aim *aim, err error) error {
	if isNamespaceEnd(err) {
		return t.refused(ctx, key, aim, err)
	}
	t.terminations.forget(key)
	var tell bool
	switch {
	case errors.Is(err, errUnconfirmed):
		return nil
	case err != nil:
		tell = t.ledger.Failed(key.Bundle, aim.number, place(key), explain(err))
	case aim.want.Selected && aim.want.Shape != nil:
		if wait := t.contests.wait(key, t.clock.Now()); wait > 0 {
			t.targets.AddAfter(workqueue.LowPriority, wait, key)
			return nil
		}
		tell = t.ledger.Synced(key.Bundle, aim.number, place(key))
	default:
		tell = t.ledger.Forget(key.Bundle, place(key))
	}
	if tell {
		t.statuses.AddAfter(workqueue.DefaultPriority, statusDelay, key.Bundle)
	}
	return err
}

// refused handles a write that the API server refused because the namespace is
// terminating or does not exist (T9). Only the operator's own cache ends the work on
// the target: until it shows the same, the write is retried, and the target counts as
// pending first and as failed after terminatingGrace.
func (t *targets) refused(ctx context.Context, key target.Key, aim *aim, refusal error) error {
	namespace, err := t.namespace(ctx, key.Namespace)
	if err != nil {
		return err
	}
	if namespace == nil || namespace.DeletionTimestamp != nil {
		t.leave(key)
		return nil
	}
	if now := t.clock.Now(); now.Sub(t.terminations.first(key, now)) >= terminatingGrace &&
		t.ledger.Failed(key.Bundle, aim.number, place(key), explain(refusal)) {
		t.statuses.AddAfter(workqueue.DefaultPriority, statusDelay, key.Bundle)
	}
	return workqueue.RetrySoon(fmt.Errorf("%w: %w", errActiveNamespace, refusal))
}

// cached gives a target's object from the cache, or nil.
func (t *targets) cached(ctx context.Context, key target.Key) (*metav1.PartialObjectMetadata, error) {
	return get(ctx, t.observed, metadataOf(targetKind(key.Kind)), types.NamespacedName{Namespace: key.Namespace, Name: key.Bundle})
}

// namespace gives a Namespace from the cache, or nil.
func (t *targets) namespace(ctx context.Context, name string) (*metav1.PartialObjectMetadata, error) {
	return get(ctx, t.objects, metadataOf(namespaceKind), types.NamespacedName{Name: name})
}

func get(ctx context.Context, reader client.Reader, into *metav1.PartialObjectMetadata, name types.NamespacedName) (*metav1.PartialObjectMetadata, error) {
	err := reader.Get(ctx, name, into)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return into, err
}
