package controller

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/source"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/workqueue"
)

const (
	// statusWorkers is how many statuses are written at the same time.
	statusWorkers = 2
	// statusPause is the least time between two writes of one status (C3).
	statusPause = time.Second
	// statusDelay is how long what became of targets waits to be told: a namespace
	// that is new gets those of many Bundles at once, and they come first.
	statusDelay = 100 * time.Millisecond
)

// statuses is the queue of statuses: the one place that tells users how far a
// bundle has come.
type statuses struct {
	*environment
	client client.Client
	events events.EventRecorder

	mu sync.Mutex
	// written has the status last written of each Bundle.
	written map[string]writtenStatus
	// lean is set where the API server has an older definition of Bundles, which knows
	// no inventory.
	lean atomic.Bool
}

type writtenStatus struct {
	status          v1alpha1.BundleStatus
	uid             types.UID
	resourceVersion string
	at              time.Time
}

func addStatuses(mgr manager.Manager, env *environment) error {
	settings := env.statuses.Options(statusWorkers)
	settings.Reconciler = &statuses{
		environment: env,
		client:      mgr.GetClient(),
		events:      mgr.GetEventRecorder(target.FieldManager),
		written:     map[string]writtenStatus{},
	}
	_, err := controller.NewTyped(env.statuses.Name(), mgr, settings)
	return err
}

// Reconcile writes the status of one Bundle where it differs from what the
// ledger says, and looks again when it is too early for that.
func (s *statuses) Reconcile(ctx context.Context, name string) (reconcile.Result, error) {
	from := &v1alpha1.Bundle{}
	if err := s.objects.Get(ctx, types.NamespacedName{Name: name}, from); err != nil || from.DeletionTimestamp != nil {
		s.forget(name)
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	summary, ok := s.ledger.Summary(name)
	if !ok || summary.Attempt.UID != string(from.UID) {
		return reconcile.Result{}, nil
	}
	now := s.clock.Now()
	condition, wait, keep := summary.Condition(now)
	last, current := s.current(from)
	if pause := statusPause - now.Sub(last.at); !keep && wait < pause {
		wait = pause
	}
	if keep || wait > 0 {
		return reconcile.Result{RequeueAfter: wait}, nil
	}
	wanted := v1alpha1.BundleStatus{
		DefaultCAVersion: summary.Attempt.DefaultCAVersion, Inventory: current.Inventory, Targets: current.Targets,
	}
	if summary.Built { // otherwise what the status says still holds
		wanted.Inventory, wanted.Targets = summary.Inventory, summary.Targets()
	}
	if s.lean.Load() {
		wanted.Inventory, wanted.Targets = nil, nil
	}
	wanted.Conditions = []metav1.Condition{settled(condition, current, now)}
	if expiring := summary.Expiring(meta.FindStatusCondition(current.Conditions, v1alpha1.BundleConditionExpiringSoon), now); expiring != nil {
		wanted.Conditions = append(wanted.Conditions, settled(*expiring, current, now))
	}
	if condition.Reason == v1alpha1.BundleReasonSyncing {
		// Progress is worth telling, though no single target is.
		s.statuses.AddAfter(workqueue.DefaultPriority, statusPause, name)
	}
	result := reconcile.Result{RequeueAfter: min(longestWait, summary.Expiry.Next(now))}
	if same(current, wanted) {
		return result, nil
	}
	if written, err := s.write(ctx, from, current, wanted); err != nil || written.RequeueAfter > 0 {
		return written, err
	}
	return result, nil
}

// maxNote is the largest note that an event may have, in bytes.
const maxNote = 1024

// announce tells of a transition by an event (C4). That a roll-out is under way
// is for the status alone: its end is the transition.
func (s *statuses) announce(from *v1alpha1.Bundle, before *metav1.Condition, now metav1.Condition) {
	if now.Type == v1alpha1.BundleConditionExpiringSoon && now.Status != metav1.ConditionTrue {
		return // its end is no trouble
	}
	if now.Reason == v1alpha1.BundleReasonSyncing || before != nil && before.Reason == now.Reason {
		return
	}
	kind := corev1.EventTypeWarning
	if now.Status == metav1.ConditionTrue && now.Type == v1alpha1.BundleConditionSynced {
		kind = corev1.EventTypeNormal
	}
	s.events.Eventf(from, nil, kind, now.Reason, "Sync", "%s", noteOf(now.Message))
}

// noteOf gives a message as an event may have it.
func noteOf(message string) string {
	if len(message) > maxNote {
		return strings.ToValidUTF8(message[:maxNote-len("…")], "") + "…"
	}
	return message
}

// missing counts the sources that are missing though the bundle is good.
func missing(status v1alpha1.BundleStatus) int32 {
	if status.Inventory == nil {
		return 0
	}
	return status.Inventory.MissingSources
}

// current gives the last status written by this process, and the newer of it
// and the cached one.
func (s *statuses) current(from *v1alpha1.Bundle) (writtenStatus, v1alpha1.BundleStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, ok := s.written[from.Name]
	if !ok || last.uid != from.UID {
		return writtenStatus{}, from.Status
	}
	if newer(last.resourceVersion, from.ResourceVersion) {
		return last, last.status
	}
	return last, from.Status
}

// settled gives the condition its time of transition, which moves only with
// the status value.
func settled(condition metav1.Condition, current v1alpha1.BundleStatus, now time.Time) metav1.Condition {
	condition.LastTransitionTime = metav1.NewTime(now).Rfc3339Copy()
	if before := meta.FindStatusCondition(current.Conditions, condition.Type); before != nil && before.Status == condition.Status {
		condition.LastTransitionTime = before.LastTransitionTime
	}
	return condition
}

// same says whether a status already has what is wanted; conditions of others
// do not count.
func same(current, wanted v1alpha1.BundleStatus) bool {
	for _, condition := range wanted.Conditions {
		before := meta.FindStatusCondition(current.Conditions, condition.Type)
		if before == nil || before.Status != condition.Status || before.Reason != condition.Reason ||
			before.Message != condition.Message || before.ObservedGeneration != condition.ObservedGeneration {
			return false
		}
	}
	return current.DefaultCAVersion == wanted.DefaultCAVersion &&
		equality.Semantic.DeepEqual(current.Inventory, wanted.Inventory) && equality.Semantic.DeepEqual(current.Targets, wanted.Targets)
}

// write applies the status, so that conditions of others stay, and tells of a
// transition. The UID is a precondition: the status of a Bundle says nothing about one made after it
// under its name.
func (s *statuses) write(ctx context.Context, from *v1alpha1.Bundle, current, wanted v1alpha1.BundleStatus) (reconcile.Result, error) {
	status, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&wanted)
	if err != nil {
		return reconcile.Result{}, err
	}
	applied := &unstructured.Unstructured{Object: map[string]any{"status": status}}
	applied.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.BundleKind))
	applied.SetName(from.Name)
	applied.SetUID(from.UID)
	err = s.client.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(applied),
		client.FieldOwner(target.FieldManager), client.ForceOwnership)
	if err == nil && wanted.DefaultCAVersion == "" {
		err = s.clearDefaultCAVersion(ctx, applied)
	}
	switch {
	case undeclared(err) && s.lean.CompareAndSwap(false, true):
		log.FromContext(ctx).Error(err, "The CustomResourceDefinition of Bundles is older than the operator: upgrade it and restart the operator, so that statuses have an inventory")
		return reconcile.Result{RequeueAfter: time.Millisecond}, nil
	case apierrors.IsNotFound(err):
		return reconcile.Result{}, nil // its own event tells
	case apierrors.IsConflict(err):
		// Another Bundle of this name, of which the cache will tell; or others were
		// faster each time that the API server tried.
		return reconcile.Result{RequeueAfter: statusPause}, nil
	case err != nil:
		return reconcile.Result{}, err
	}
	s.remember(from.Name, writtenStatus{wanted, from.UID, applied.GetResourceVersion(), s.clock.Now()})
	log.FromContext(ctx).Info("The status of the bundle changed", "bundle", from.Name,
		"reason", wanted.Conditions[0].Reason, "message", wanted.Conditions[0].Message)
	for _, condition := range wanted.Conditions {
		s.announce(from, meta.FindStatusCondition(current.Conditions, condition.Type), condition)
	}
	if missing(wanted) > missing(current) { // with rotation it holds nothing up, but somebody has to see to it
		s.events.Eventf(from, nil, corev1.EventTypeWarning, v1alpha1.BundleReasonSourceNotFound, "Sync", "%s", noteOf(wanted.Conditions[0].Message))
	}
	return reconcile.Result{}, nil
}

// undeclared says whether the API server does not know a field of what was applied. It
// has no reason of its own for that.
func undeclared(err error) bool {
	return err != nil && strings.Contains(err.Error(), "field not declared in schema")
}

// clearDefaultCAVersion takes the field out of a status that was just applied
// without it: an apply takes away only what nobody else has written too.
func (s *statuses) clearDefaultCAVersion(ctx context.Context, applied *unstructured.Unstructured) error {
	if _, left, _ := unstructured.NestedString(applied.Object, "status", "defaultCAVersion"); !left {
		return nil
	}
	patch := fmt.Appendf(nil, `{"metadata":{"uid":%q,"resourceVersion":%q},"status":{"defaultCAVersion":null}}`,
		applied.GetUID(), applied.GetResourceVersion())
	return s.client.Status().Patch(ctx, applied, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(target.FieldManager))
}

func (s *statuses) remember(name string, written writtenStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written[name] = written
}

func (s *statuses) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.written, name)
}

// everyReplica is run by every replica, leader or not.
type everyReplica func(ctx context.Context) error

// Start implements manager.Runnable.
func (f everyReplica) Start(ctx context.Context) error { return f(ctx) }

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (f everyReplica) NeedLeaderElection() bool { return false }

// watchDefaultCAs has the Bundles built that use the default CA package, when
// its file changes. A replica that does not lead follows the file too: it would
// begin with an old package otherwise.
func watchDefaultCAs(env *environment, defaultCAs *source.DefaultCAs, log logr.Logger) everyReplica {
	return func(ctx context.Context) error {
		return defaultCAs.Watch(ctx, func(err error) {
			if err != nil {
				log.Error(err, "The new version of the default CA package cannot be used; the one before stays")
			} else {
				log.Info("The default CA package has changed", "version", defaultCAs.ID())
			}
			env.enqueueReaders(ctx, defaultCAsKey, nil)
		})
	}
}
