package plan

import (
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
	// NewLeftOut describes why it would leave the new CA out, and NewLeftOutField is the field that does;
	// they are empty if it would not.
	NewLeftOut, NewLeftOutField string
	// Namespaces is the number of selected namespaces, and Lacking are those whose target does not have
	// the content of now.
	Namespaces int
	Lacking    []string
}

// NeedsManifest reports whether adding the new CA to the sources of the bundle is the next step for it.
func (b Bundle) NeedsManifest() bool { return !b.HasNew && b.NewLeftOut == "" }

// Twin is another certificate with the name and key of the old CA, such as a renewed or cross-signed one.
type Twin struct {
	// Bundle has the certificate, whether it has the old CA or not.
	Bundle bundle.ID
	SHA256 string
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
	Twins    []Twin
	Servers  []Server
	// Known are certificates that may have issued those of servers.
	Known []certs.Certificate
	// StalePods is the number of pods that may still run with a trust store without the new CA.
	StalePods int
	// UnknownPods and UnknownServers describe what could not be read: whether pods lack the new CA, and
	// whether servers use the old one.
	UnknownPods, UnknownServers []string
	Now                         time.Time
}

// Result is the plan.
type Result struct {
	Step Step
	// Serving are the names of the servers whose certificate the old CA has issued. Those that clients
	// of the new CA alone accept as well are not among them.
	Serving []string
	// Obstacles describe why the old CA must not be removed yet, in the order in which they have to be
	// resolved.
	Obstacles []string
	// Now is the number of the obstacles, from the first one, that can be resolved now. The rest has
	// to wait for them.
	Now int
	// Notices describe what else there is to know.
	Notices []string
}

// Of returns the plan for a rotation.
func Of(r Rotation) Result {
	var result Result
	issuers := r.issuers()
	var untraced []string
	for _, server := range r.Servers {
		if verify.IsCovered(server.Chain, r.To, r.Now) {
			continue
		}
		switch ancestry := issuers.Trace(server.Chain); {
		case ancestry.IsIssued:
			result.Serving = append(result.Serving, server.Name)
		case !ancestry.IsComplete:
			untraced = append(untraced, server.Name+issuerOf(ancestry))
		}
	}
	phases := r.phases(result.Serving, untraced)
	for _, phase := range phases {
		if len(result.Obstacles) == 0 {
			result.Now = len(phase)
		}
		result.Obstacles = append(result.Obstacles, phase...)
	}
	result.Step, result.Notices = r.step(len(result.Obstacles)), r.notices()
	return result
}

// step returns the next step, given the number of obstacles.
func (r Rotation) step(obstacles int) Step {
	switch {
	case len(r.Bundles) == 0:
		return Done
	case len(r.bundles(lacksNew)) > 0:
		return Add
	case obstacles > 0:
		return Wait
	}
	return Remove
}

// issuers returns the issuers that are known: the certificates of bundles, and the CAs that any server
// sends.
func (r Rotation) issuers() *verify.Issuers {
	known := append([]certs.Certificate{r.To}, r.Known...)
	for _, server := range r.Servers {
		for _, der := range server.Chain {
			if parsed, err := certs.ParseDER(der); err == nil && len(parsed) == 1 && parsed[0].CA {
				known = append(known, parsed[0])
			}
		}
	}
	return verify.NewIssuers(r.From, known)
}

// issuerOf returns the missing issuer of a chain, as an end of a name.
func issuerOf(ancestry verify.Ancestry) string {
	if ancestry.Missing == "" {
		return ""
	}
	return " (" + ancestry.Missing + ")"
}
