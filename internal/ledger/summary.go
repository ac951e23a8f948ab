package ledger

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/internal/bundle"
)

const (
	// grace is how long a roll-out may take before the status speaks of it: a
	// short one would only make the condition flap.
	grace = time.Second
	// shownFailures is how many failed targets a message names: enough to act
	// on, and the message stays readable.
	shownFailures = 3
	// shownNotes is how many notes a message tells: a source may give one for
	// each of its blocks, and the API takes no message of any length.
	shownNotes = 3
	// maxCause bounds the text of one cause, in bytes: it may come from an
	// admission webhook, which can say anything.
	maxCause = 300
	// maxMessage bounds what an attempt says, in bytes, for the same reason. All of its
	// problems fit, with names that are as long as can be.
	maxMessage = 3 << 10
)

// Failure is a target that could not be put in order.
type Failure struct {
	Place Place
	Cause string
}

// Summary is how far a bundle has come, at one moment.
type Summary struct {
	Attempt Attempt
	// Content is that of the bundle that was built last: the one in force, also
	// where the latest attempt has failed.
	Content
	// Built says whether there is a revision in this process.
	Built bool
	// Wanted, Synced and Failed count targets; Namespaces counts the
	// namespaces that hold or should hold them.
	Wanted, Synced, Failed int
	Namespaces             int
	// Failures are the first few, in the order of their names.
	Failures []Failure
	// ConfigMapFailed says whether any of the failed targets is a ConfigMap.
	ConfigMapFailed bool
	// Since is when the roll-out that is under way began, and Wrote whether it
	// has needed any write.
	Since time.Time
	Wrote bool
}

// Summary gives the account of a bundle; ok is false where nothing has been
// tried yet.
func (l *Ledger) Summary(bundleName string) (summary Summary, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, ok := l.rows[bundleName]
	if !ok {
		return Summary{}, false
	}
	return r.summary(), true
}

// Summaries gives the accounts of all bundles, by name.
func (l *Ledger) Summaries() map[string]Summary {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make(map[string]Summary, len(l.rows))
	for name, r := range l.rows {
		all[name] = r.summary()
	}
	return all
}

func (r *row) summary() Summary {
	summary := Summary{
		Attempt: r.attempt, Content: r.good, Built: r.revision != 0,
		Wanted: len(r.places), Synced: r.counts[synced], Failed: r.counts[failed],
		Since: r.since, Wrote: r.wrote,
		// Each namespace that is wanted has one target of each kind.
		Namespaces: len(r.places) / max(1, len(r.kinds)),
	}
	places := slices.SortedFunc(maps.Keys(r.causes), func(a, b Place) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace))
	})
	for i, place := range places {
		if i < shownFailures {
			summary.Failures = append(summary.Failures, Failure{place, r.causes[place]})
		}
		summary.ConfigMapFailed = summary.ConfigMapFailed || place.Kind == bundle.ConfigMap
	}
	return summary
}

// Condition gives the condition Synced. wait is how long it is too early to
// say: then the status stays as it is for now, and 0 means that the condition
// holds. keep says that the status stays as it is until something happens.
func (s Summary) Condition(now time.Time) (condition metav1.Condition, wait time.Duration, keep bool) {
	condition = metav1.Condition{
		Type:               v1alpha1.BundleConditionSynced,
		Status:             metav1.ConditionFalse,
		ObservedGeneration: s.Attempt.Generation,
	}
	waiting := s.Wanted - s.Synced - s.Failed
	switch {
	case s.Attempt.Reason != "":
		condition.Reason, condition.Message = s.Attempt.Reason, shorten(s.Attempt.Message, maxMessage)+s.fallback()
	case !s.Built || waiting > 0 && !s.Wrote:
		// Not in force yet, or only looking, as after a restart: what the
		// status says still holds.
		return condition, 0, true
	case waiting > 0 && now.Sub(s.Since) < grace:
		return condition, grace - now.Sub(s.Since), false
	case waiting > 0:
		condition.Reason = v1alpha1.BundleReasonSyncing
		condition.Message = fmt.Sprintf("Rolling out: %d of %d targets hold the current bundle%s", s.Synced, s.Wanted, s.failures(", "))
	case s.Failed > 0:
		condition.Reason = v1alpha1.BundleReasonSyncSecretTargetFailed
		if s.ConfigMapFailed {
			condition.Reason = v1alpha1.BundleReasonSyncConfigMapTargetFailed
		}
		condition.Message = s.failures("")
	default:
		condition.Status = metav1.ConditionTrue
		condition.Reason = v1alpha1.BundleReasonSynced
		condition.Message = s.success()
	}
	return condition, 0, false
}

// success says what was reached, and the first few notes.
func (s Summary) success() string {
	reached := fmt.Sprintf("The bundle of %s is in %s", count(s.Attempt.Certificates, "certificate"), count(s.Namespaces, "namespace"))
	shown := s.Attempt.Notes[:min(len(s.Attempt.Notes), shownNotes)]
	text := reached
	for _, note := range shown {
		text = fmt.Sprintf("%s; note: %s", text, shorten(note, maxCause))
	}
	if more := len(s.Attempt.Notes) - len(shown); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// fallback says what becomes of the targets while nothing can be built.
func (s Summary) fallback() string {
	switch {
	case !s.Built:
		return ". No bundle has been built since the operator started: targets are left as they are, and new namespaces wait"
	case s.Wanted == 0:
		return ""
	}
	return fmt.Sprintf(". The last good bundle stays: %d of %d targets hold it%s", s.Synced, s.Wanted, s.failures("; "))
}

// failures counts the failed targets and names the first few, or gives nothing
// where there is none. It is a function of the sorted failures, so it does not
// change with the order of events.
func (s Summary) failures(separator string) string {
	if s.Failed == 0 {
		return ""
	}
	var parts []string
	for _, failure := range s.Failures {
		parts = append(parts, fmt.Sprintf("%s in namespace %s: %s", failure.Place.Kind, failure.Place.Namespace, shorten(failure.Cause, maxCause)))
	}
	if more := s.Failed - len(s.Failures); more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("%s%d of %s failed: %s", separator, s.Failed, count(s.Wanted, "target"), strings.Join(parts, "; "))
}

// shorten gives a text of at most so many bytes, and one sign more, without control
// characters: others may have written it, and people read it in a terminal.
func shorten(text string, limit int) string {
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
