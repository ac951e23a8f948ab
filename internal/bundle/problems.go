package bundle

import (
	"fmt"
	"strings"

	"trust-manager.io/internal/certs"
)

// shownProblems is how many problems a message tells in full: enough to act
// on, and a condition's message stays readable.
const shownProblems = 3

// Problems are all reasons for which a bundle could not be built, in the order
// of the sources.
type Problems []*certs.Problem

// Reason is that of the first problem: the one to put right first.
func (p Problems) Reason() string { return string(p[0].Reason) }

// Error tells the first few problems and counts the rest.
func (p Problems) Error() string {
	var texts []string
	for _, problem := range p[:min(len(p), shownProblems)] {
		texts = append(texts, problem.Error())
	}
	if more := len(p) - shownProblems; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, "; ")
}
