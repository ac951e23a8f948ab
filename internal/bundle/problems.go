package bundle

import (
	"fmt"
	"strings"

	"trust-manager.io/internal/certs"
)

// The reasons why a bundle cannot be written that are not faults of its sources.
const (
	// TooLarge: a target would exceed the size limit of the API server.
	TooLarge certs.Reason = "BundleTooLarge"
	// RotationStateFailed: the state that spec.rotation requires cannot be saved.
	RotationStateFailed certs.Reason = "RotationStateFailed"
)

// maxShownProblems is how many problems a message describes in full: enough to act on,
// while the message of a condition stays readable.
const maxShownProblems = 3

// Problems are all reasons why a bundle could not be built, in the order of the sources.
type Problems []*certs.Problem

// Reason returns the reason of the first problem.
func (p Problems) Reason() string { return string(p[0].Reason) }

// Error describes the first few problems and counts the rest.
func (p Problems) Error() string {
	var texts []string
	for _, problem := range p[:min(len(p), maxShownProblems)] {
		texts = append(texts, problem.Error())
	}
	if more := len(p) - maxShownProblems; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, "; ")
}
