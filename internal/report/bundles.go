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
	// State summarizes the conditions of the status, and Message is that of the condition.
	State        BundleState `json:"state"`
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
}

// BundleState is the state of a bundle according to its status.
type BundleState string

// The states of bundles.
const (
	Superseded  BundleState = "Superseded"
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
	Subject string `json:"subject"`
	SHA256  string `json:"sha256"`
	// Field is the field of the definition that leaves the certificate out, and Detail the
	// reason.
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// Entry is a certificate at its position in a bundle, counted from 1.
type Entry struct {
	Position int    `json:"position"`
	SHA256   string `json:"sha256"`
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
func (b *InputBundle) state() (state BundleState, message string) {
	for _, rule := range []struct {
		condition string
		isTrue    bool
		state     BundleState
	}{
		{"Superseded", true, Superseded}, {"Stalled", true, Stalled}, {"Reconciling", true, Reconciling},
		{"Ready", true, Ready}, {"Ready", false, NotReady}, {"Synced", true, Ready}, {"Synced", false, NotReady},
	} {
		for _, condition := range b.Conditions {
			if condition.Type == rule.condition && condition.IsTrue == rule.isTrue {
				return rule.state, clean(condition.Message)
			}
		}
	}
	return NotReported, ""
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
		Targets: in.targetCounts(all.Namespaces),
	}
	b.State, b.Message = in.state()
	for i, s := range in.Sources {
		b.Sources[i] = Source{Field: clean(s.Field), Description: clean(s.Description), Certificates: s.Certificates}
	}
	for i := range in.Certificates {
		c := &in.Certificates[i]
		b.Certificates[i] = Entry{Position: i + 1, SHA256: clean(c.SHA256), Origin: c.Origin.clean(), RetainedUntil: wholeOrNil(c.RetainedUntil)}
		if b.FirstExpiry == nil || c.NotAfter.Before(b.FirstExpiry.NotAfter) {
			b.FirstExpiry = &Expiry{Subject: clean(c.Subject), SHA256: clean(c.SHA256), NotAfter: whole(c.NotAfter), DaysLeft: daysBetween(all.Time, c.NotAfter)}
		}
	}
	return b
}

// omissions returns each certificate and field once: a certificate may be in several sources.
func omissions(in []Omission) []Omission {
	var result []Omission
	for _, o := range in {
		result = append(result, Omission{Subject: clean(o.Subject), SHA256: clean(o.SHA256), Field: clean(o.Field), Detail: clean(o.Detail)})
	}
	slices.SortFunc(result, func(a, b Omission) int {
		return cmp.Or(cmp.Compare(a.Field, b.Field), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.SHA256, b.SHA256), cmp.Compare(a.Detail, b.Detail))
	})
	return slices.Compact(result)
}
