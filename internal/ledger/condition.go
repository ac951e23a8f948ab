package ledger

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/text"
)

// maxReady is the maximum length of the message of the condition Ready, in bytes.
const maxReady = 300

// progressConditions are the types of the conditions that [Summary.Conditions] returns. A
// status that has one of them which is not returned is outdated.
var progressConditions = []string{ConditionSynced, ConditionReady, ConditionReconciling, ConditionStalled, ConditionSuperseded}

// IsOutdated reports whether a status has a condition of the operator that it should not
// have, given the wanted conditions.
func IsOutdated(current, wanted []metav1.Condition) bool {
	return len(WithoutOutdated(current, wanted)) < len(current)
}

// WithoutOutdated returns the conditions of a status without those of the operator that it
// should not have, given the wanted conditions.
func WithoutOutdated(current, wanted []metav1.Condition) []metav1.Condition {
	return slices.DeleteFunc(slices.Clone(current), func(condition metav1.Condition) bool {
		return slices.Contains(progressConditions, condition.Type) && meta.FindStatusCondition(wanted, condition.Type) == nil
	})
}

// Conditions returns the conditions Synced, Ready, Reconciling, Stalled and Superseded, as far as
// they are present, given the current ones. If wait is not 0, it is too early to report: the
// status should not change before wait has passed. If keep is true, the status should not
// change until the next event.
//
// Synced describes what has been achieved: it stays True while a change rolls out, and is
// absent before the first rollout has ended. The others follow the conventions of kstatus
// and describe what is going on.
func (s Summary) Conditions(current []metav1.Condition, now time.Time) (conditions []metav1.Condition, wait time.Duration, keep bool) {
	reported := slices.ContainsFunc(current, func(c metav1.Condition) bool { return slices.Contains(progressConditions, c.Type) })
	delay := firstGrace
	if reported {
		delay = grace
	}
	unfinished := s.Wanted - s.Synced - s.Failed
	switch {
	case s.Attempt.SupersededBy != bundle.ID{}:
		return s.superseded(meta.FindStatusCondition(current, ConditionSynced)), 0, false
	case s.Attempt.Reason != "":
		return s.failed(afterProblem(s.Attempt.Reason), s.Attempt.Reason, foreign(s.Attempt.Message, maxMessage)+s.fallback()), 0, false
	case !s.Built || unfinished > 0 && !s.Wrote && reported && !describesProblem(current):
		// The rollout has not begun, or has only read targets, as after a restart: the
		// status is still correct.
		return nil, 0, true
	case unfinished > 0 && now.Sub(s.Since) < delay:
		return nil, delay - now.Sub(s.Since), false
	case unfinished > 0:
		return s.rollout(meta.FindStatusCondition(current, ConditionSynced)), 0, false
	case s.Failed > 0:
		return s.failed(ConditionReconciling, s.FailedReason, s.failures("")), 0, false
	}
	message := s.Success()
	return []metav1.Condition{
		s.condition(ConditionSynced, metav1.ConditionTrue, ReasonSynced, message),
		s.ready(metav1.ConditionTrue, ReasonSynced, message),
	}, 0, false
}

// describesProblem reports whether a status describes a bundle that cannot be built.
func describesProblem(current []metav1.Condition) bool {
	synced := meta.FindStatusCondition(current, ConditionSynced)
	return synced != nil && synced.Status == metav1.ConditionFalse && !target.IsSyncFailed(synced.Reason)
}

// rollout returns the conditions during a rollout, given the current condition Synced. A
// problem that is over removes that condition. A target that had failed and is tried again
// does not.
func (s Summary) rollout(synced *metav1.Condition) (conditions []metav1.Condition) {
	switch {
	case s.Failed > 0:
		conditions = append(conditions, s.condition(ConditionSynced, metav1.ConditionFalse, s.FailedReason, s.failures("")))
	case synced != nil && (synced.Status == metav1.ConditionTrue || target.IsSyncFailed(synced.Reason)):
		conditions = append(conditions, *synced)
	}
	message := s.noted(fmt.Sprintf("Rolling out: %d of %d targets hold the current bundle%s", s.Synced, s.Wanted, s.failures(", ")))
	return append(conditions,
		s.ready(metav1.ConditionFalse, ReasonRollout, message),
		s.condition(ConditionReconciling, metav1.ConditionTrue, ReasonRollout, message),
	)
}

// superseded returns the conditions of a bundle whose targets another one has taken over, given
// the current condition Synced: what has been achieved stays true. A person has to end it.
func (s Summary) superseded(synced *metav1.Condition) (conditions []metav1.Condition) {
	message := s.noted(fmt.Sprintf("%s has taken over the targets of this name, and this %s writes nothing; "+
		"before you delete it, wait until the other one is Ready: what that has not taken over, or does not ask for, is deleted with this one",
		s.Attempt.SupersededBy, s.Kind))
	if synced != nil && synced.Status == metav1.ConditionTrue {
		conditions = append(conditions, *synced)
	}
	return append(conditions,
		s.condition(ConditionSuperseded, metav1.ConditionTrue, ReasonSuperseded, message),
		s.ready(metav1.ConditionFalse, ReasonSuperseded, message),
		s.condition(ConditionStalled, metav1.ConditionTrue, ReasonSuperseded, message),
	)
}

// failed returns the conditions of a bundle that cannot be built, or whose targets have
// failed. The type is that of the condition that describes what happens next.
func (s Summary) failed(next, reason, message string) []metav1.Condition {
	message = s.noted(message)
	return []metav1.Condition{
		s.condition(ConditionSynced, metav1.ConditionFalse, reason, message),
		s.ready(metav1.ConditionFalse, reason, message),
		s.condition(next, metav1.ConditionTrue, reason, message),
	}
}

// noted returns a message with the note on all bundles of the API kind, if there is one.
func (s Summary) noted(message string) string {
	if s.Note == "" {
		return message
	}
	return message + "; note: " + s.Note
}

// afterProblem returns the type of the condition that describes what happens after a build
// has failed.
func afterProblem(reason string) string {
	if bundle.NeedsPerson(reason) {
		return ConditionStalled
	}
	return ConditionReconciling
}

// ready returns the condition Ready. Another condition has the whole message.
func (s Summary) ready(status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return s.condition(ConditionReady, status, reason, text.Truncate(message, maxReady))
}

func (s Summary) condition(conditionType string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{Type: conditionType, Status: status, Reason: reason, Message: message, ObservedGeneration: s.Attempt.Generation}
}
