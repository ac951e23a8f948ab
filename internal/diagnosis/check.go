package diagnosis

import (
	"fmt"
	"slices"
	"strings"
)

// Status is the result of a check.
type Status string

// The statuses.
const (
	Pass Status = "pass"
	// Warn: it works, but not as it should.
	Warn Status = "warn"
	Fail Status = "fail"
	// Skip: it does not apply, or could not be read.
	Skip Status = "skip"
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

// Unknown returns the check of something that could not be read.
func Unknown(name string, err error) Check {
	return Check{Name: name, Status: Skip, Detail: "unknown: " + err.Error()}
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
