package plan

import (
	"slices"
	"time"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/verify"
)

// Step is what comes next in a rotation.
type Step string

// The steps, in their order.
const (
	// Add: a bundle that has the old CA lacks the new one.
	Add Step = "Add"
	// Wait: the new CA has not reached every namespace or process, or servers still use the old one.
	Wait Step = "Wait"
	// Remove: nothing depends on the old CA.
	Remove Step = "Remove"
	// Done: no bundle has the old CA.
	Done Step = "Done"
)

// Bundle is a bundle that has the old CA.
type Bundle struct {
	ID bundle.ID
	// HasNew reports whether it has the new CA as well.
	HasNew bool
	// Namespaces are those with a target, and Lacking those of them, or of the selected ones, whose
	// target does not have the content of now.
	Namespaces int
	Lacking    []string
}

// Server is a server, or a Secret with the certificate of one.
type Server struct {
	// Name is the host and port, or the Secret.
	Name string
	// Chain are the certificates that it presents, in DER.
	Chain [][]byte
}

// Rotation is what is known about the replacement of one CA by another.
type Rotation struct {
	From, To certs.Certificate
	Bundles  []Bundle
	Servers  []Server
	// StalePods is the number of pods that may still run with a trust store without the new CA.
	StalePods int
	// Unknown describes what could not be read.
	Unknown []string
	Now     time.Time
}

// Result is the plan.
type Result struct {
	Step Step
	// Serving are the names of the servers whose chain only the old CA verifies.
	Serving []string
	// Obstacles describe why the old CA must not be removed yet.
	Obstacles []string
}

// Of returns the plan for a rotation.
func Of(r Rotation) Result {
	var result Result
	for _, server := range r.Servers {
		if r.verifies(server, r.From) && !r.verifies(server, r.To) {
			result.Serving = append(result.Serving, server.Name)
		}
	}
	result.Obstacles = r.obstacles(result.Serving)
	switch {
	case len(r.Bundles) == 0:
		result.Step = Done
	case slices.ContainsFunc(r.Bundles, func(b Bundle) bool { return !b.HasNew }):
		result.Step = Add
	case len(result.Obstacles) > 0:
		result.Step = Wait
	default:
		result.Step = Remove
	}
	return result
}

// verifies reports whether a CA verifies the chain of a server, whatever its name.
func (r Rotation) verifies(server Server, ca certs.Certificate) bool {
	return verify.Verify(verify.Input{Chain: server.Chain, Trusted: []certs.Certificate{ca}, Time: r.Now}).Trusted
}
