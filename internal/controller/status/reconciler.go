// Package status writes the status of each Bundle, and emits its events: the one place
// that reports to users how far a bundle has come.
//
// What always holds: a status is written when it changes, at most about once a second for
// a Bundle; it is written for the Bundle with the UID that it describes, or not at all.
//
// What a status contains is decided in package ledger.
package status

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/text"
	"trust-manager.io/internal/workqueue"
)

const (
	// workers is how many statuses are written at the same time.
	workers = 2
	// minInterval is the least time between two writes of one status (C3).
	minInterval = time.Second
	// maxRequeue bounds the time until a status is looked at again that time alone
	// changes.
	maxRequeue = 10 * time.Minute
)

// Config has what a Reconciler needs.
type Config struct {
	// Bundles reads Bundles from the cache.
	Bundles client.Reader
	// Client writes statuses, and Events records events.
	Client client.Client
	Events events.EventRecorder
	Ledger *ledger.Ledger
	// Queue has the names of the Bundles whose status may have changed.
	Queue *workqueue.Queue[string]
	Clock clock.PassiveClock
}

// Reconciler writes the statuses of Bundles.
type Reconciler struct {
	bundles client.Reader
	client  client.Client
	events  events.EventRecorder
	ledger  *ledger.Ledger
	queue   *workqueue.Queue[string]
	clock   clock.PassiveClock

	mu sync.Mutex
	// written has the status last written of each Bundle.
	written map[string]writtenStatus
	// noInventory is set if the API server has an older definition of Bundles, which
	// has no inventory.
	noInventory atomic.Bool
}

type writtenStatus struct {
	status          v1alpha1.BundleStatus
	uid             types.UID
	resourceVersion string
	at              time.Time
}

// New returns a Reconciler.
func New(config Config) *Reconciler {
	return &Reconciler{
		bundles: config.Bundles,
		client:  config.Client,
		events:  config.Events,
		ledger:  config.Ledger,
		queue:   config.Queue,
		clock:   config.Clock,
		written: map[string]writtenStatus{},
	}
}

// Register adds the controller to a manager.
func (s *Reconciler) Register(mgr manager.Manager) error {
	options := s.queue.Options(workers)
	options.Reconciler = s
	_, err := controller.NewTyped(s.queue.Name(), mgr, options)
	return err
}

// Reconcile writes the status of one Bundle if it differs from the ledger, and requeues
// the Bundle if it is too early for that.
func (s *Reconciler) Reconcile(ctx context.Context, name string) (reconcile.Result, error) {
	obj := &v1alpha1.Bundle{}
	if err := s.bundles.Get(ctx, types.NamespacedName{Name: name}, obj); err != nil || obj.DeletionTimestamp != nil {
		s.forget(name)
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	summary, ok := s.ledger.Summary(name)
	if !ok || summary.Attempt.UID != string(obj.UID) {
		return reconcile.Result{}, nil
	}
	now := s.clock.Now()
	condition, wait, keep := summary.Condition(now)
	last, current := s.current(obj)
	if pause := minInterval - now.Sub(last.at); !keep && wait < pause {
		wait = pause
	}
	if keep || wait > 0 {
		return reconcile.Result{RequeueAfter: wait}, nil
	}
	wanted := v1alpha1.BundleStatus{
		DefaultCAVersion: summary.Attempt.DefaultCAVersion, Inventory: current.Inventory, Targets: current.Targets,
	}
	if summary.Built { // otherwise the present status still holds
		wanted.Inventory, wanted.Targets = summary.Inventory, summary.Targets()
	}
	if s.noInventory.Load() {
		wanted.Inventory, wanted.Targets = nil, nil
	}
	wanted.Conditions = []metav1.Condition{withTransition(condition, current, now)}
	if expiring := summary.Expiring(meta.FindStatusCondition(current.Conditions, v1alpha1.BundleConditionExpiringSoon), now); expiring != nil {
		wanted.Conditions = append(wanted.Conditions, withTransition(*expiring, current, now))
	}
	if condition.Reason == v1alpha1.BundleReasonSyncing {
		// Progress is reported, though no single target is.
		s.queue.AddAfter(workqueue.DefaultPriority, minInterval, name)
	}
	result := reconcile.Result{RequeueAfter: min(maxRequeue, summary.Expiry.Next(now))}
	if isEqual(current, wanted) {
		return result, nil
	}
	if written, err := s.write(ctx, obj, current, wanted); err != nil || written.RequeueAfter > 0 {
		return written, err
	}
	return result, nil
}

// maxNote bounds the note of an event, in bytes: the API takes 1,024, with the "…" that
// marks a cut.
const maxNote = 1024 - len("…")

// emit records an event for a transition (C4). A rollout in progress is for the status
// alone: its end is the transition.
func (s *Reconciler) emit(obj *v1alpha1.Bundle, before *metav1.Condition, now metav1.Condition) {
	if now.Type == v1alpha1.BundleConditionExpiringSoon && now.Status != metav1.ConditionTrue {
		return // its end needs no attention
	}
	if now.Reason == v1alpha1.BundleReasonSyncing || before != nil && before.Reason == now.Reason {
		return
	}
	kind := corev1.EventTypeWarning
	if now.Status == metav1.ConditionTrue && now.Type == v1alpha1.BundleConditionSynced {
		kind = corev1.EventTypeNormal
	}
	s.events.Eventf(obj, nil, kind, now.Reason, "Sync", "%s", text.Truncate(now.Message, maxNote))
}

// missing returns how many sources are missing although the bundle was built.
func missing(status v1alpha1.BundleStatus) int32 {
	if status.Inventory == nil {
		return 0
	}
	return status.Inventory.MissingSources
}

// current returns the last status written by this process, and the newer of it and the
// cached one.
func (s *Reconciler) current(obj *v1alpha1.Bundle) (writtenStatus, v1alpha1.BundleStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, ok := s.written[obj.Name]
	if !ok || last.uid != obj.UID {
		return writtenStatus{}, obj.Status
	}
	if target.IsNewer(last.resourceVersion, obj.ResourceVersion) {
		return last, last.status
	}
	return last, obj.Status
}

// withTransition returns the condition with its time of transition, which moves only with
// its status.
func withTransition(condition metav1.Condition, current v1alpha1.BundleStatus, now time.Time) metav1.Condition {
	condition.LastTransitionTime = metav1.NewTime(now).Rfc3339Copy()
	if before := meta.FindStatusCondition(current.Conditions, condition.Type); before != nil && before.Status == condition.Status {
		condition.LastTransitionTime = before.LastTransitionTime
	}
	return condition
}

// isEqual reports whether a status already has what is wanted. Conditions of other types
// do not count.
func isEqual(current, wanted v1alpha1.BundleStatus) bool {
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

// write applies the status, so that foreign conditions stay, and emits events. The UID is
// a precondition: a status does not describe a Bundle that was re-created since.
func (s *Reconciler) write(ctx context.Context, obj *v1alpha1.Bundle, current, wanted v1alpha1.BundleStatus) (reconcile.Result, error) {
	status, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&wanted)
	if err != nil {
		return reconcile.Result{}, err
	}
	applied := &unstructured.Unstructured{Object: map[string]any{"status": status}}
	applied.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.BundleKind))
	applied.SetName(obj.Name)
	applied.SetUID(obj.UID)
	err = s.client.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(applied),
		client.FieldOwner(target.FieldManager), client.ForceOwnership)
	if err == nil && wanted.DefaultCAVersion == "" {
		err = s.clearDefaultCAVersion(ctx, applied)
	}
	switch {
	case isUnknownField(err) && s.noInventory.CompareAndSwap(false, true):
		log.FromContext(ctx).Error(err, "The CustomResourceDefinition of Bundles is older than the operator: upgrade it and restart the operator, so that statuses have an inventory")
		return reconcile.Result{RequeueAfter: time.Millisecond}, nil
	case apierrors.IsNotFound(err):
		return reconcile.Result{}, nil // its deletion is an event
	case apierrors.IsConflict(err):
		// The Bundle was re-created, which the cache will show; or other writers were
		// faster each time that the API server tried.
		return reconcile.Result{RequeueAfter: minInterval}, nil
	case err != nil:
		return reconcile.Result{}, err
	}
	s.record(obj.Name, writtenStatus{wanted, obj.UID, applied.GetResourceVersion(), s.clock.Now()})
	log.FromContext(ctx).Info("The status of the bundle changed", "bundle", obj.Name,
		"reason", wanted.Conditions[0].Reason, "message", wanted.Conditions[0].Message)
	for _, condition := range wanted.Conditions {
		s.emit(obj, meta.FindStatusCondition(current.Conditions, condition.Type), condition)
	}
	if missing(wanted) > missing(current) { // with rotation it does not hold up the bundle, but needs attention
		s.events.Eventf(obj, nil, corev1.EventTypeWarning, v1alpha1.BundleReasonSourceNotFound, "Sync", "%s", text.Truncate(wanted.Conditions[0].Message, maxNote))
	}
	return reconcile.Result{}, nil
}

// isUnknownField reports whether the API server does not know a field that was applied.
// It has no reason of its own for that.
func isUnknownField(err error) bool {
	return err != nil && strings.Contains(err.Error(), "field not declared in schema")
}

// clearDefaultCAVersion removes the field from a status that was just applied without it:
// an apply removes only what no other manager owns.
func (s *Reconciler) clearDefaultCAVersion(ctx context.Context, applied *unstructured.Unstructured) error {
	if _, left, _ := unstructured.NestedString(applied.Object, "status", "defaultCAVersion"); !left {
		return nil
	}
	patch := fmt.Appendf(nil, `{"metadata":{"uid":%q,"resourceVersion":%q},"status":{"defaultCAVersion":null}}`,
		applied.GetUID(), applied.GetResourceVersion())
	return s.client.Status().Patch(ctx, applied, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(target.FieldManager))
}

func (s *Reconciler) record(name string, written writtenStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written[name] = written
}

func (s *Reconciler) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.written, name)
}
