package status

import (
	"context"
	"encoding/json"
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

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/text"
	"trust-manager.io/internal/workqueue"
)

const (
	// workers is the number of statuses that are written concurrently.
	workers = 2
	// minInterval is the minimum time between two writes of one status (C3).
	minInterval = time.Second
	// maxRequeue is the maximum delay until a status that depends on the time is checked
	// again.
	maxRequeue = 10 * time.Minute
	// minimalFor is how long statuses are reduced after the API server has refused an unknown
	// field and it could not be found out which.
	minimalFor = time.Minute
)

// Config holds the dependencies of a [Reconciler].
type Config struct {
	// APIs are the API kinds that define bundles.
	APIs apis.Adapters
	// Bundles reads Bundles from the cache.
	Bundles client.Reader
	// Client writes statuses. Events records events.
	Client client.Client
	Events events.EventRecorder
	Ledger *ledger.Ledger
	// Queue holds the bundles whose status may have changed.
	Queue *workqueue.Queue[bundle.ID]
	Clock clock.PassiveClock
	// Missing returns the fields of an API kind that the API server does not serve, and
	// Recheck finds them out again.
	Missing func(bundle.APIKind) []string
	Recheck func(context.Context)
}

// Reconciler writes the statuses of Bundles.
type Reconciler struct {
	apis    apis.Adapters
	bundles client.Reader
	client  client.Client
	events  events.EventRecorder
	ledger  *ledger.Ledger
	queue   *workqueue.Queue[bundle.ID]
	clock   clock.PassiveClock
	missing func(bundle.APIKind) []string
	recheck func(context.Context)
	// minimalUntil is the time until which statuses have only what every definition has, in
	// seconds since 1970.
	minimalUntil atomic.Int64

	mu sync.Mutex
	// written holds the last status written for each Bundle.
	written map[bundle.ID]writtenStatus
}

type writtenStatus struct {
	report          ledger.Report
	uid             types.UID
	resourceVersion string
	at              time.Time
}

// New returns a Reconciler.
func New(config Config) *Reconciler {
	return &Reconciler{
		apis:    config.APIs,
		bundles: config.Bundles,
		client:  config.Client,
		events:  config.Events,
		ledger:  config.Ledger,
		queue:   config.Queue,
		clock:   config.Clock,
		missing: config.Missing,
		recheck: config.Recheck,
		written: map[bundle.ID]writtenStatus{},
	}
}

// Register adds the controller to a manager.
func (s *Reconciler) Register(mgr manager.Manager) error {
	options := s.queue.Options(workers)
	options.Reconciler = s
	_, err := controller.NewTyped(s.queue.Name(), mgr, options)
	return err
}

// Reconcile writes the status of one Bundle if it differs from the ledger, or requeues the
// Bundle if it is too early for a write.
func (s *Reconciler) Reconcile(ctx context.Context, id bundle.ID) (reconcile.Result, error) {
	adapter := s.apis.Of(id.Kind)
	obj := adapter.New()
	if err := s.bundles.Get(ctx, id.NamespacedName(), obj); err != nil || obj.GetDeletionTimestamp() != nil {
		s.forget(id)
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	summary, ok := s.ledger.Summary(id)
	if !ok || summary.Attempt.UID != string(obj.GetUID()) {
		return reconcile.Result{}, nil
	}
	now := s.clock.Now()
	last, current := s.current(id, obj, adapter.Report(obj))
	conditions, wait, keep := summary.Conditions(current.Conditions, now)
	if pause := minInterval - now.Sub(last.at); !keep && wait < pause {
		wait = pause
	}
	if keep || wait > 0 {
		return reconcile.Result{RequeueAfter: wait}, nil
	}
	wanted, err := apis.WithoutFields(adapter, s.wanted(summary, conditions, current, now), s.unserved(adapter))
	if err != nil {
		return reconcile.Result{}, err
	}
	if meta.FindStatusCondition(conditions, ledger.ConditionReady).Reason == ledger.ReasonRollout {
		// Requeue to report progress: most synced targets do not enqueue the status.
		s.queue.AddAfter(workqueue.DefaultPriority, minInterval, id)
	}
	result := reconcile.Result{RequeueAfter: min(maxRequeue, summary.Expiry.Next(now))}
	if isEqual(current, wanted) {
		return result, nil
	}
	if written, err := s.write(ctx, id, obj, summary, current, wanted); err != nil || written.RequeueAfter > 0 {
		return written, err
	}
	return result, nil
}

// wanted returns the desired status.
func (s *Reconciler) wanted(summary ledger.Summary, conditions []metav1.Condition, current ledger.Report, now time.Time) ledger.Report {
	wanted := current
	wanted.DefaultCAVersion = summary.Attempt.DefaultCAVersion
	wanted.ObservedGeneration = summary.Attempt.Generation
	if summary.Built { // otherwise what the current status says of the bundle is still valid
		wanted.Inventory, wanted.Targets = summary.Inventory, summary.Targets()
		wanted.Digest, wanted.LastChanged = summary.Digest, lastChanged(summary, current, now)
	}
	isSuperseded := summary.Attempt.SupersededBy != bundle.ID{}
	if isSuperseded {
		wanted.Inventory, wanted.Targets = nil, nil // they are another bundle's
	}
	wanted.Conditions = nil
	for _, condition := range conditions {
		wanted.Conditions = append(wanted.Conditions, withTransition(condition, current, now))
	}
	if expiring := summary.Expiring(meta.FindStatusCondition(current.Conditions, ledger.ConditionExpiringSoon), now); expiring != nil && !isSuperseded {
		wanted.Conditions = append(wanted.Conditions, withTransition(*expiring, current, now))
	}
	return wanted
}

// lastChanged returns when the digest of a bundle last changed, or nil if an operator that
// did not record the time made that change: its statuses have an inventory and no digest, or
// a condition and no generation.
func lastChanged(summary ledger.Summary, current ledger.Report, now time.Time) *metav1.Time {
	switch {
	case summary.Digest == "":
		return nil
	case summary.Digest == current.Digest:
		return current.LastChanged
	case summary.Wrote:
	case current.Digest == "" && current.Inventory != nil,
		current.ObservedGeneration <= 0 && meta.FindStatusCondition(current.Conditions, ledger.ConditionSynced) != nil:
		return nil
	}
	return new(metav1.NewTime(now).Rfc3339Copy())
}

// maxNote is the maximum size of the note of an event, in bytes: the API accepts 1,024,
// including the "…" that marks a truncated note.
const maxNote = 1024 - len("…")

// emit records an event for a transition (C4). The conditions that describe progress emit
// none.
func (s *Reconciler) emit(obj client.Object, before *metav1.Condition, now metav1.Condition) {
	switch {
	case now.Type == ledger.ConditionExpiringSoon && now.Status != metav1.ConditionTrue:
		return // only the start of the condition needs attention
	case now.Type != ledger.ConditionExpiringSoon && now.Type != ledger.ConditionSynced && now.Type != ledger.ConditionSuperseded:
		return
	case before != nil && before.Reason == now.Reason:
		return
	}
	kind := corev1.EventTypeWarning
	if now.Status == metav1.ConditionTrue && now.Type != ledger.ConditionExpiringSoon {
		kind = corev1.EventTypeNormal
	}
	s.events.Eventf(obj, nil, kind, now.Reason, "Sync", "%s", text.Truncate(now.Message, maxNote))
}

// missing returns the number of missing sources that did not block the build.
func missing(report ledger.Report) int {
	if report.Inventory == nil {
		return 0
	}
	return report.Inventory.MissingSources
}

// current returns the last status that this process wrote, and the newer one of that and the
// cached status.
func (s *Reconciler) current(id bundle.ID, obj client.Object, cached ledger.Report) (writtenStatus, ledger.Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, ok := s.written[id]
	if !ok || last.uid != obj.GetUID() {
		return writtenStatus{}, cached
	}
	if target.IsNewer(last.resourceVersion, obj.GetResourceVersion()) {
		return last, last.report
	}
	return last, cached
}

// withTransition returns the condition with its lastTransitionTime, which changes only with
// its status.
func withTransition(condition metav1.Condition, current ledger.Report, now time.Time) metav1.Condition {
	condition.LastTransitionTime = metav1.NewTime(now).Rfc3339Copy()
	if before := meta.FindStatusCondition(current.Conditions, condition.Type); before != nil && before.Status == condition.Status {
		condition.LastTransitionTime = before.LastTransitionTime
	}
	return condition
}

// isEqual reports whether the current status equals the wanted one. It ignores conditions of
// other types.
func isEqual(current, wanted ledger.Report) bool {
	for _, condition := range wanted.Conditions {
		before := meta.FindStatusCondition(current.Conditions, condition.Type)
		if before == nil || before.Status != condition.Status || before.Reason != condition.Reason ||
			before.Message != condition.Message || before.ObservedGeneration != condition.ObservedGeneration {
			return false
		}
	}
	return !ledger.IsOutdated(current.Conditions, wanted.Conditions) &&
		current.ObservedGeneration == wanted.ObservedGeneration && current.DefaultCAVersion == wanted.DefaultCAVersion &&
		current.Digest == wanted.Digest && current.LastChanged.Equal(wanted.LastChanged) &&
		equality.Semantic.DeepEqual(current.Inventory, wanted.Inventory) && equality.Semantic.DeepEqual(current.Targets, wanted.Targets)
}

// write applies the status, which keeps foreign conditions, and emits events. The UID is a
// precondition, so that a re-created Bundle never gets the status of its predecessor.
func (s *Reconciler) write(ctx context.Context, id bundle.ID, obj client.Object, summary ledger.Summary, current, wanted ledger.Report) (reconcile.Result, error) {
	adapter := s.apis.Of(id.Kind)
	status, err := runtime.DefaultUnstructuredConverter.ToUnstructured(adapter.Status(wanted))
	if err != nil {
		return reconcile.Result{}, err
	}
	applied := &unstructured.Unstructured{Object: map[string]any{"status": status}}
	applied.SetGroupVersionKind(adapter.GroupVersionKind())
	applied.SetName(obj.GetName())
	applied.SetUID(obj.GetUID())
	err = s.client.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(applied),
		client.FieldOwner(target.FieldManager), client.ForceOwnership)
	switch {
	case isUnknownField(err):
		s.onUnknownField(ctx, id.Kind)
		return reconcile.Result{}, err
	case err != nil:
		return afterError(err)
	}
	s.report(ctx, id, obj, summary, current, wanted)
	err = s.clear(ctx, applied, wanted)
	s.record(id, writtenStatus{wanted, obj.GetUID(), applied.GetResourceVersion(), s.clock.Now()})
	return afterError(err)
}

// afterError returns when a status is reconciled again after a request with this result.
func afterError(err error) (reconcile.Result, error) {
	switch {
	case apierrors.IsNotFound(err):
		return reconcile.Result{}, nil // the delete event follows
	case apierrors.IsConflict(err):
		// Either the Bundle was re-created, and the cache is about to show it, or the API
		// server has used up its retries against concurrent writers.
		return reconcile.Result{RequeueAfter: minInterval}, nil
	}
	return reconcile.Result{}, err
}

// onUnknownField finds out which fields the API server does not serve, after it has refused
// one. If that cannot be found out, statuses have only what every definition has, for a
// while.
func (s *Reconciler) onUnknownField(ctx context.Context, kind bundle.APIKind) {
	s.recheck(ctx)
	if len(s.missing(kind)) == 0 {
		s.minimalUntil.Store(s.clock.Now().Add(minimalFor).Unix())
	}
}

// unserved returns the fields of an API kind that a status must not have.
func (s *Reconciler) unserved(adapter apis.Adapter) []string {
	if missing := s.missing(adapter.Marks().Kind); len(missing) > 0 || s.clock.Now().Unix() >= s.minimalUntil.Load() {
		return missing
	}
	return apis.OptionalStatusFields(adapter)
}

// report logs a status that was written, and emits its events.
func (s *Reconciler) report(ctx context.Context, id bundle.ID, obj client.Object, summary ledger.Summary, current, wanted ledger.Report) {
	ready := meta.FindStatusCondition(wanted.Conditions, ledger.ConditionReady)
	log.FromContext(ctx).Info("The status of the bundle changed", "bundle", id.Name, "reason", ready.Reason, "message", ready.Message)
	for _, condition := range wanted.Conditions {
		s.emit(obj, meta.FindStatusCondition(current.Conditions, condition.Type), condition)
	}
	if missing(wanted) > missing(current) { // with rotation, a missing source does not block the bundle, but needs attention
		s.events.Eventf(obj, nil, corev1.EventTypeWarning, string(certs.SourceNotFound), "Sync", "%s", text.Truncate(summary.Success(), maxNote))
	}
}

// isUnknownField reports whether the API server refused an apply because of an unknown field.
// The error has no status reason of its own.
func isUnknownField(err error) bool {
	return err != nil && strings.Contains(err.Error(), "field not declared in schema")
}

// clear removes from a status that was just applied what it should not have: the version of
// the default CA package, and conditions of the operator. The apply alone does not remove
// what another manager owns as well.
func (s *Reconciler) clear(ctx context.Context, applied *unstructured.Unstructured, wanted ledger.Report) error {
	removed := map[string]any{}
	if _, isSet, _ := unstructured.NestedString(applied.Object, "status", "defaultCAVersion"); isSet && wanted.DefaultCAVersion == "" {
		removed["defaultCAVersion"] = nil
	}
	var status struct {
		Conditions []metav1.Condition `json:"conditions"`
	}
	if object, isSet, _ := unstructured.NestedMap(applied.Object, "status"); isSet {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object, &status); err != nil {
			return err
		}
	}
	if ledger.IsOutdated(status.Conditions, wanted.Conditions) {
		removed["conditions"] = ledger.WithoutOutdated(status.Conditions, wanted.Conditions)
	}
	if len(removed) == 0 {
		return nil
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": applied.GetUID(), "resourceVersion": applied.GetResourceVersion()},
		"status":   removed,
	})
	if err != nil {
		return err
	}
	return s.client.Status().Patch(ctx, applied, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(target.FieldManager))
}

func (s *Reconciler) record(id bundle.ID, written writtenStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written[id] = written
}

func (s *Reconciler) forget(id bundle.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.written, id)
}
