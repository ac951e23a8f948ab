package report

import "time"

// Input is what a report is made of. The order of its lists does not matter unless a field's
// comment defines one.
type Input struct {
	// Cluster names the cluster, and Time is when it was read.
	Cluster string
	Time    time.Time
	// Notes describe what readers should know about the report as a whole.
	Notes      []string
	Namespaces []string
	Bundles    []InputBundle
	// Rules are the rules of the findings, the most serious ones first.
	Rules []Rule
	// Findings are in the order in which they were found.
	Findings []InputFinding
}

// Rule is one rule of lint.
type Rule struct {
	ID, Level, Summary string
}

// InputFinding is one finding of lint.
type InputFinding struct {
	// Rule is the ID of a rule.
	Rule string
	// Bundle is the kind and name of the bundle, and Where the place in it; both may be empty.
	Bundle, Where string
	// Certificate and SHA256 identify a certificate; both are empty if the finding is not about
	// one.
	Certificate, SHA256 string
	Detail              string
}

// InputBundle is a bundle as it was read and built.
type InputBundle struct {
	Kind, Name string
	Conditions []Condition
	// Digest is the hexadecimal SHA-256 of the PEM file, and LastChanged when it last changed.
	Digest      string
	LastChanged *time.Time
	// Problems are the reasons why the bundle cannot be built now. Notes describe what readers
	// should know although it can.
	Problems, Notes []string
	// Sources are in the order of the definition.
	Sources []Source
	// Duplicates counts the certificates that are in the sources more than once.
	Duplicates int
	Omitted    []Omission
	// Certificates are in the order of the bundle. If it cannot be built now, they are those of the
	// targets with the digest Deployed, or none if it is empty.
	Certificates []InputCertificate
	Deployed     string
	// Wanted are the kinds of targets, Selected the namespaces that get them, and Targets those
	// that exist.
	Wanted   []Wanted
	Selected []string
	Targets  []Target
}

// Condition is a condition of a status.
type Condition struct {
	Type            string
	IsTrue          bool
	Reason, Message string
}

// InputCertificate is a certificate at its place in a bundle.
type InputCertificate struct {
	Subject, SHA256 string
	// NotBefore is nil for a certificate whose fields cannot all be read.
	NotBefore *time.Time
	NotAfter  time.Time
	Origin
	// RetainedUntil is nil for a certificate that is in a source.
	RetainedUntil *time.Time
}

// Wanted is a kind of targets of a bundle.
type Wanted struct {
	Kind            string
	IsClusterScoped bool
	// Digest identifies the content that the targets should have. It is empty if that is
	// unknown.
	Digest string
}

// Target is a target that exists. Its namespace is empty if its kind is cluster-scoped.
type Target struct {
	Kind, Namespace, Digest string
}
