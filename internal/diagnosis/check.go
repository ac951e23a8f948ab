package diagnosis

import (
	"fmt"
	"slices"
	"strings"

	"trust-manager.io/internal/text"
)

// Status is the result of a check.
type Status string

// The statuses.
const (
	Pass Status = "pass"
	// Warn: it works, but not as it should.
	Warn Status = "warn"
	Fail Status = "fail"
	// Skip: it does not apply.
	Skip Status = "skip"
	// Unknown: it could not be read.
	Unknown Status = "unknown"
)

// Check is one check.
type Check struct {
	Name string `json:"name"`
	// Subject is the object that was checked, if there can be several.
	Subject string `json:"subject,omitempty"`
	Status  Status `json:"status"`
	Detail  string `json:"detail"`
}

// IsFailed reports whether one of the checks has failed.
func IsFailed(checks []Check) bool {
	return slices.ContainsFunc(checks, func(c Check) bool { return c.Status == Fail })
}

// Unread returns the names of checks, among those that matter most, that could not be read: whether
// an operator runs, and the state of bundles.
func Unread(checks []Check) (names []string) {
	for _, c := range checks {
		if c.Status == Unknown && (c.Name == NameOperator || c.Name == NameBundles) {
			names = append(names, c.Name)
		}
	}
	return names
}

// Summary returns how many checks failed, and how many have a warning or are unknown.
func Summary(checks []Check) string {
	counts := map[Status]int{}
	for _, c := range checks {
		counts[c.Status]++
	}
	summary := fmt.Sprintf("%d of %d failed", counts[Fail], len(checks))
	if n := counts[Warn]; n > 0 {
		summary += ", " + text.Count(n, "warning")
	}
	if n := counts[Unknown]; n > 0 {
		summary += fmt.Sprintf(", %d unknown", n)
	}
	return summary
}

// Unreadable returns the check of something that could not be read.
func Unreadable(name string, err error) Check {
	return Check{Name: name, Status: Unknown, Detail: err.Error()}
}

// about returns a check of a subject.
func about(name, subject string, status Status, format string, args ...any) Check {
	return Check{Name: name, Subject: subject, Status: status, Detail: fmt.Sprintf(format, args...)}
}

// maxShown is how many items of a list a detail names.
const maxShown = 5

// joined returns the first items of a list, and how many more there are.
func joined(items []string) string {
	shown := strings.Join(items[:min(len(items), maxShown)], ", ")
	if more := len(items) - maxShown; more > 0 {
		shown += fmt.Sprintf(" and %d more", more)
	}
	return shown
}
