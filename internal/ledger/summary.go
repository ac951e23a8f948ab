package ledger

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/text"
)

const (
	// grace is how long a rollout may take before the status reports it: a short rollout
	// would only make the status flap. The first status of a Bundle waits for a shorter
	// time, because programs that wait for a Bundle need it.
	grace, firstGrace = time.Second, 500 * time.Millisecond
	// maxShownFailures is how many failed targets a message names: enough to act on,
	// while the message stays readable.
	maxShownFailures = 3
	// maxShownNotes is how many notes a message has: a source may have one for each of
	// its blocks, and the API limits the length of a message.
	maxShownNotes = 3
	// maxCause is the maximum length of a cause, in bytes: the text may come from an
	// admission webhook, and may be of any length.
	maxCause = 300
	// maxMessage is the maximum length of an attempt's message, in bytes, for the same
	// reason. All of its problems fit, even with names of the maximum length.
	maxMessage = 3 << 10
)

// Failure is a target that could not be synced or released.
type Failure struct {
	Target target.Ref
	Cause  string
}

// Summary is the state of a bundle and its rollout at one moment.
type Summary struct {
	// Kind is the API kind of the bundle.
	Kind    bundle.APIKind
	Attempt Attempt
	// Note is what users should know about all bundles of the API kind, or empty.
	Note string
	// Content describes the last good bundle, even if the latest attempt failed.
	Content
	// Built is true if this process has a revision of the bundle.
	Built bool
	// Wanted, Synced and Failed count targets; Namespaces counts the namespaces that
	// have or should have them.
	Wanted, Synced, Failed int
	Namespaces             int
	// Kinds counts the targets of each kind, in the order of the kinds.
	Kinds []KindCounts
	// Single is the target of a kind that is cluster-scoped, or nil.
	Single *target.Ref
	// Failures are the first few failures, in the order of kind and namespace.
	Failures []Failure
	// FailedReason is the reason of the condition if targets have failed: that of the first
	// kind of the failed targets.
	FailedReason string
	// Since is when the current rollout began, and Wrote is true if it has needed any
	// write.
	Since time.Time
	Wrote bool
}

// Summary returns the summary of a bundle; ok is false before its first attempt.
func (l *Ledger) Summary(id bundle.ID) (summary Summary, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.entries[id]
	if !ok {
		return Summary{}, false
	}
	return e.summary(id.Kind, l.notes[id.Kind]), true
}

// Summaries returns the summaries of all bundles.
func (l *Ledger) Summaries() map[bundle.ID]Summary {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make(map[bundle.ID]Summary, len(l.entries))
	for id, e := range l.entries {
		all[id] = e.summary(id.Kind, l.notes[id.Kind])
	}
	return all
}

func (e *entry) summary(kind bundle.APIKind, note string) Summary {
	summary := Summary{
		Kind: kind, Note: note, Attempt: e.attempt, Content: e.content, Built: e.revision != 0,
		Wanted: len(e.targets), Synced: e.counts[synced], Failed: e.counts[failed],
		Since: e.since, Wrote: e.wrote,
	}
	targets, kinds := 0, 0
	for _, kind := range slices.Sorted(maps.Keys(e.kinds)) {
		count := e.kinds[kind]
		summary.Kinds = append(summary.Kinds, KindCounts{kind.String(), count.sum(), count[synced], count[failed]})
		if !target.TypeOf(kind).ClusterScoped { // each namespace has one target of each kind
			targets += count.sum()
			kinds++
		}
	}
	summary.Namespaces = targets / max(1, kinds)
	if _, isKnown := e.targets[e.single]; isKnown {
		single := e.single
		summary.Single = &single
	}
	failures := slices.SortedFunc(maps.Keys(e.causes), func(a, b target.Ref) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	for _, ref := range failures[:min(len(failures), maxShownFailures)] {
		summary.Failures = append(summary.Failures, Failure{ref, e.causes[ref].text})
	}
	if len(failures) > 0 {
		summary.FailedReason = e.causes[failures[0]].reason
	}
	return summary
}

// Success returns the message of a finished rollout, with the first few notes.
func (s Summary) Success() string {
	reached := fmt.Sprintf("The bundle of %s is in %s", text.Count(s.Attempt.Certificates, "certificate"), s.places())
	shown := s.Attempt.Notes[:min(len(s.Attempt.Notes), maxShownNotes)]
	parts := []string{reached}
	if s.Note != "" {
		parts = append(parts, "note: "+s.Note)
	}
	for _, note := range shown {
		parts = append(parts, "note: "+foreign(note, maxCause))
	}
	if more := len(s.Attempt.Notes) - len(shown); more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, "; ")
}

// places describes where the targets are.
func (s Summary) places() string {
	namespaces := text.Count(s.Namespaces, "namespace")
	switch {
	case s.Single == nil:
		return namespaces
	case s.Namespaces == 0:
		return "the " + s.Single.String()
	}
	return namespaces + " and in the " + s.Single.String()
}

// fallback describes the targets while nothing can be built.
func (s Summary) fallback() string {
	switch {
	case !s.Built:
		return ". No bundle has been built since the operator started: targets are left as they are, and new namespaces wait"
	case s.Wanted == 0:
		return ""
	}
	return fmt.Sprintf(". The last good bundle stays: %d of %d targets hold it%s", s.Synced, s.Wanted, s.failures("; "))
}

// failures counts the failed targets and names the first few. It returns "" if no target
// failed. Failures are sorted, so the text does not depend on the order of events.
func (s Summary) failures(separator string) string {
	if s.Failed == 0 {
		return ""
	}
	var parts []string
	for _, failure := range s.Failures {
		parts = append(parts, fmt.Sprintf("%s: %s", failure.Target.Location(), foreign(failure.Cause, maxCause)))
	}
	if more := s.Failed - len(s.Failures); more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("%s%d of %s failed: %s", separator, s.Failed, text.Count(s.Wanted, "target"), strings.Join(parts, "; "))
}

// foreign returns a text that another party may have written, printable and bounded.
func foreign(message string, limit int) string { return text.Printable(text.Truncate(message, limit)) }
