package report

import (
	"cmp"
	"slices"
	"time"
)

// Bundle describes one bundle.
type Bundle struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	// State summarizes the conditions of the status. Reason and Message are those of the condition.
	State        BundleState `json:"state"`
	Reason       string      `json:"reason,omitempty"`
	Message      string      `json:"message,omitempty"`
	Digest       string      `json:"digest,omitempty"`
	LastChanged  *time.Time  `json:"lastChanged,omitempty"`
	FirstExpiry  *Expiry     `json:"firstExpiry,omitempty"`
	Problems     []string    `json:"problems,omitempty"`
	Notes        []string    `json:"notes,omitempty"`
	Sources      []Source    `json:"sources"`
	Duplicates   int         `json:"duplicates"`
	Omitted      []Omission  `json:"omitted,omitempty"`
	Certificates []Entry     `json:"certificates"`
	// Targets counts the targets by state.
	Targets TargetCounts `json:"targets"`
	// Namespaces is the number of namespaces whose targets have the certificates.
	Namespaces int `json:"namespaces"`
}

// BundleState is the state of a bundle according to its status.
type BundleState string

// The states of bundles.
const (
	Superseded BundleState = "Superseded"
	// Failed means that the bundle cannot be built or written.
	Failed      BundleState = "Failed"
	Stalled     BundleState = "Stalled"
	Reconciling BundleState = "Reconciling"
	Ready       BundleState = "Ready"
	NotReady    BundleState = "NotReady"
	// NotReported means that the status has no condition of the operator.
	NotReported BundleState = "NotReported"
)

// Label returns the state for people.
func (s BundleState) Label() string {
	switch s {
	case Superseded:
		return "superseded"
	case Failed:
		return "failed"
	case Stalled:
		return "stalled"
	case Reconciling:
		return "reconciling"
	case Ready:
		return "ready"
	case NotReady:
		return "not ready"
	case NotReported:
	}
	return "not reported"
}

// StateLabel returns the state for people, with the reason of a failure.
func (b *Bundle) StateLabel() string {
	if b.State == Failed && b.Reason != "" {
		return b.State.Label() + ": " + b.Reason
	}
	return b.State.Label()
}

// Source is one source of a bundle.
type Source struct {
	// Field is the path of the source in the definition.
	Field       string `json:"field"`
	Description string `json:"description"`
	// Certificates is the number of certificates that the bundle has from the source, or nil if
	// the bundle is not built.
	Certificates *int `json:"certificates,omitempty"`
}

// Omission is a certificate of a source that is not in the bundle.
type Omission struct {
	Subject  string    `json:"subject"`
	SHA256   string    `json:"sha256"`
	NotAfter time.Time `json:"notAfter,omitzero"`
	// Field is the field of the definition that leaves the certificate out, and Detail the
	// reason, with the field.
	Field  string `json:"field"`
	Detail string `json:"detail"`
	// IsExclusion reports that the field is an entry of spec.exclude, and not a filter.
	IsExclusion bool `json:"isExclusion,omitempty"`
}

// Standing is what a bundle does with a certificate.
type Standing string

// The standings.
const (
	Included Standing = "Included"
	// Retained means that it has left its sources.
	Retained Standing = "Retained"
	// Deployed means that it is in targets of a bundle that cannot be built now.
	Deployed Standing = "Deployed"
	// LeftOut means that an exclusion or a filter leaves it out.
	LeftOut Standing = "LeftOut"
)

// Entry is a certificate at its position in a bundle, counted from 1.
type Entry struct {
	Position int    `json:"position"`
	SHA256   string `json:"sha256"`
	// Standing is Included, Retained or Deployed.
	Standing Standing `json:"standing"`
	Origin
	RetainedUntil *time.Time `json:"retainedUntil,omitempty"`
}

// Expiry is when a certificate expires.
type Expiry struct {
	Subject  string    `json:"subject"`
	SHA256   string    `json:"sha256"`
	NotAfter time.Time `json:"notAfter"`
	DaysLeft int       `json:"daysLeft"`
}

// title returns the kind and name of a bundle.
func (b *InputBundle) title() string { return clean(b.Kind + " " + b.Name) }

// state summarizes the conditions of a status. The more specific ones come first.
func (b *InputBundle) state() (state BundleState, condition Condition) {
	for _, rule := range []struct {
		condition string
		isTrue    bool
		state     BundleState
	}{
		{"Superseded", true, Superseded}, {"Synced", false, Failed}, {"Stalled", true, Stalled}, {"Reconciling", true, Reconciling},
		{"Ready", true, Ready}, {"Ready", false, NotReady}, {"Synced", true, Ready},
	} {
		for _, condition := range b.Conditions {
			if condition.Type == rule.condition && condition.IsTrue == rule.isTrue {
				return rule.state, condition
			}
		}
	}
	return NotReported, Condition{}
}

// isSuperseded reports whether another bundle has taken over the targets.
func (b *InputBundle) isSuperseded() bool {
	state, _ := b.state()
	return state == Superseded
}

func newBundle(in *InputBundle, all Input) Bundle {
	b := Bundle{
		Kind: clean(in.Kind), Name: clean(in.Name), Digest: clean(in.Digest), LastChanged: wholeOrNil(in.LastChanged),
		Problems: cleanAll(in.Problems), Notes: cleanAll(in.Notes), Sources: make([]Source, len(in.Sources)),
		Duplicates: in.Duplicates, Omitted: omissions(in.Omitted), Certificates: make([]Entry, len(in.Certificates)),
		Targets: in.targetCounts(all.Namespaces), Namespaces: in.namespaces(),
	}
	state, condition := in.state()
	b.State, b.Reason, b.Message = state, clean(condition.Reason), clean(condition.Message)
	for i, s := range in.Sources {
		b.Sources[i] = Source{Field: clean(s.Field), Description: clean(s.Description), Certificates: s.Certificates}
	}
	for i := range in.Certificates {
		c := &in.Certificates[i]
		b.Certificates[i] = Entry{Position: i + 1, SHA256: clean(c.SHA256), Standing: in.standing(c), Origin: c.Origin.clean(), RetainedUntil: wholeOrNil(c.RetainedUntil)}
		if b.FirstExpiry == nil || c.NotAfter.Before(b.FirstExpiry.NotAfter) {
			b.FirstExpiry = &Expiry{Subject: clean(c.Subject), SHA256: clean(c.SHA256), NotAfter: whole(c.NotAfter), DaysLeft: daysBetween(all.Time, c.NotAfter)}
		}
	}
	return b
}

// standing returns what the bundle does with one of its certificates.
func (b *InputBundle) standing(c *InputCertificate) Standing {
	switch {
	case len(b.Problems) > 0:
		return Deployed
	case c.RetainedUntil != nil:
		return Retained
	}
	return Included
}

// namespaces counts the namespaces whose targets have the certificates.
func (b *InputBundle) namespaces() int {
	if b.isSuperseded() {
		return 0
	}
	digests := map[string]string{}
	for _, wanted := range b.Wanted {
		digests[wanted.Kind] = cmp.Or(wanted.Digest, b.Deployed)
	}
	names := map[string]bool{}
	for _, t := range b.Targets {
		if t.Namespace != "" && t.Digest != "" && t.Digest == digests[t.Kind] {
			names[t.Namespace] = true
		}
	}
	return len(names)
}

// omissions returns each certificate and field once: a certificate may be in several sources.
func omissions(in []Omission) []Omission {
	var result []Omission
	for _, o := range in {
		result = append(result, Omission{
			Subject: clean(o.Subject), SHA256: clean(o.SHA256), NotAfter: whole(o.NotAfter), Field: clean(o.Field), Detail: clean(o.Detail), IsExclusion: o.IsExclusion,
		})
	}
	slices.SortFunc(result, func(a, b Omission) int {
		return cmp.Or(cmp.Compare(a.Field, b.Field), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.SHA256, b.SHA256), cmp.Compare(a.Detail, b.Detail))
	})
	return slices.Compact(result)
}
