package bundle

import (
	"fmt"
	"slices"
	"strings"

	"trust-manager.io/internal/certs"
)

// The reasons why a bundle cannot be written that are not faults of its sources.
const (
	// TooLarge: a target would exceed the size limit of the API server.
	TooLarge certs.Reason = "BundleTooLarge"
	// RotationStateFailed: the state that spec.rotation requires cannot be saved.
	RotationStateFailed certs.Reason = "RotationStateFailed"
	// TrustBundleUnavailable: the API server does not serve ClusterTrustBundles.
	TrustBundleUnavailable certs.Reason = "ClusterTrustBundleUnavailable"
)

// maxShownProblems is how many problems a message describes in full: enough to act on,
// while the message of a condition stays readable.
const maxShownProblems = 3

// Problems are all reasons why a bundle could not be built, in the order of the sources.
type Problems []*certs.Problem

// Reason returns the reason of the most urgent problem.
func (p Problems) Reason() string { return string(p.byUrgency()[0].Reason) }

// byUrgency returns the problems with those first that need a person.
func (p Problems) byUrgency() Problems {
	var urgent, others Problems
	for _, problem := range p {
		if NeedsPerson(string(problem.Reason)) {
			urgent = append(urgent, problem)
		} else {
			others = append(others, problem)
		}
	}
	return append(urgent, others...)
}

// NeedsPerson reports whether a problem with this reason lasts until a person changes
// something. The operator waits by itself for a missing source, for an API server that serves
// ClusterTrustBundles, and for the permission to save a rotation state.
func NeedsPerson(reason string) bool {
	return !slices.Contains([]certs.Reason{certs.SourceNotFound, TrustBundleUnavailable, RotationStateFailed}, certs.Reason(reason))
}

// Error describes the first few problems, the most urgent ones first, and counts the rest.
func (p Problems) Error() string {
	var texts []string
	for _, problem := range p.byUrgency()[:min(len(p), maxShownProblems)] {
		texts = append(texts, problem.Error())
	}
	if more := len(p) - maxShownProblems; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, "; ")
}
