package cli

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/source"
	"trust-manager.io/internal/survey"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/text"
)

// differences is the result of diff.
type differences struct {
	Bundles []difference `json:"bundles"`
}

// difference is what an apply of one Bundle would change.
type difference struct {
	Bundle string `json:"bundle"`
	// Exists reports whether the cluster has the Bundle.
	Exists bool `json:"exists"`
	// Superseded reports that a ClusterBundle of the name has the targets.
	Superseded bool `json:"superseded,omitempty"`
	// Reason and Problem are set if the bundle cannot be built: its targets then stay as they are.
	Reason  string `json:"reason,omitempty"`
	Problem string `json:"problem,omitempty"`
	// Added, Removed, Retained and Excluded are certificates. Retained ones would leave later, and
	// excluded ones are removed because spec.exclude names them.
	Added    []changedCertificate `json:"added,omitempty"`
	Removed  []changedCertificate `json:"removed,omitempty"`
	Retained []changedCertificate `json:"retained,omitempty"`
	Excluded []changedCertificate `json:"excluded,omitempty"`
	// Certificates is how many there are afterwards.
	Certificates int             `json:"certificates"`
	Targets      []targetChanges `json:"targets,omitempty"`
	Notes        []string        `json:"notes,omitempty"`
	// all makes the table list the default CAs one by one.
	all bool
}

// changedCertificate is a certificate that enters, leaves or stays for a while.
type changedCertificate struct {
	Subject string `json:"subject"`
	SHA256  string `json:"sha256"`
	Origin  string `json:"origin,omitempty"`
	// IsDefaultCA reports that it is from the default CA package.
	IsDefaultCA bool         `json:"isDefaultCA,omitempty"`
	Until       *metav1.Time `json:"until,omitempty"`
}

// targetChanges counts the targets of one kind by what happens to them.
type targetChanges struct {
	Kind      string `json:"kind"`
	Created   int    `json:"created"`
	Changed   int    `json:"changed"`
	Released  int    `json:"released"`
	Unchanged int    `json:"unchanged"`
	// Refused are those that the operator would not write; a note has the reason.
	Refused int `json:"refused"`
	// Bytes is the size of the content of each target, afterwards and before.
	BytesBefore int `json:"bytesBefore"`
	Bytes       int `json:"bytes"`
}

// isDifferent reports whether an apply would change anything, or fail.
func (d *difference) isDifferent() bool {
	isWritten := func(t targetChanges) bool { return t.Created+t.Changed+t.Released+t.Refused > 0 }
	return !d.Exists || d.Problem != "" || len(d.Added)+len(d.Removed)+len(d.Excluded) > 0 || slices.ContainsFunc(d.Targets, isWritten)
}

// refuse notes why a target would not be written, once for each reason.
func (d *difference) refuse(key target.Key, reason string) {
	if note := key.Kind.String() + " targets would not be written: " + reason; !slices.Contains(d.Notes, note) {
		d.Notes = append(d.Notes, note)
	}
}

// certificates compares the certificates of a bundle with the old ones.
func (d *difference) certificates(built *survey.Bundle, old []certs.Certificate, omitted []survey.Omitted) {
	content := built.Built.Content
	d.Certificates = len(content.Certificates)
	had, has, excluded := map[[sha256.Size]byte]bool{}, map[[sha256.Size]byte]bool{}, map[[sha256.Size]byte]bool{}
	for i := range old {
		had[old[i].Fingerprint] = true
	}
	for _, o := range omitted {
		excluded[o.Certificate.Fingerprint] = o.IsExclusion
	}
	retainedFrom := len(content.Certificates) - len(content.Retained)
	for i := range content.Certificates {
		certificate := &content.Certificates[i]
		has[certificate.Fingerprint] = true
		changed := changedCertificate{
			Subject: certificate.DisplaySubject(), SHA256: certificate.SHA256(), Origin: certificate.Origin.String(),
			IsDefaultCA: source.IsDefaultCAs(certificate.Origin),
		}
		switch {
		case i >= retainedFrom:
			until := metav1.NewTime(built.Spec.Rotation.Until(content.Retained[i-retainedFrom]).UTC())
			changed.Until = &until
			d.Retained = append(d.Retained, changed)
		case !had[certificate.Fingerprint]:
			d.Added = append(d.Added, changed)
		}
	}
	for i := range old {
		if has[old[i].Fingerprint] {
			continue
		}
		changed := changedCertificate{Subject: old[i].DisplaySubject(), SHA256: old[i].SHA256()}
		if excluded[old[i].Fingerprint] {
			d.Excluded = append(d.Excluded, changed)
		} else {
			d.Removed = append(d.Removed, changed)
		}
	}
}

// Kind implements [document].
func (*differences) Kind() string { return "Differences" }

// Table implements [document].
func (d *differences) Table(page *page) {
	for i, bundle := range d.Bundles {
		if i > 0 {
			page.printf("")
		}
		bundle.table(page)
	}
}

func (d *difference) table(page *page) {
	page.printf("%s", page.paint(bold, d.Bundle+d.summary()))
	if d.Problem != "" {
		page.printf("  %s", page.paint(red, d.Reason+": "+d.Problem))
	}
	d.changes(page)
	if d.Problem == "" && !d.Superseded {
		page.printf("  %s", text.Count(d.Certificates, "certificate"))
	}
	var rows [][]string
	for _, t := range d.Targets {
		bytes, total := strconv.Itoa(t.Bytes), t.Bytes*(t.Created+t.Changed+t.Unchanged)-t.BytesBefore*(t.Changed+t.Released+t.Unchanged)
		if t.BytesBefore != t.Bytes {
			bytes = fmt.Sprintf("%d -> %d", t.BytesBefore, t.Bytes)
		}
		rows = append(rows, []string{"  " + t.Kind, strconv.Itoa(t.Created), strconv.Itoa(t.Changed), strconv.Itoa(t.Released), strconv.Itoa(t.Refused),
			strconv.Itoa(t.Unchanged), bytes, fmt.Sprintf("%+d", total)})
	}
	page.table([]string{"  TARGETS", "CREATED", "CHANGED", "RELEASED", "REFUSED", "UNCHANGED", "BYTES EACH", "BYTES IN TOTAL"}, rows)
	for _, note := range d.Notes {
		page.printf("  Note: %s", note)
	}
}

// summary returns the state of the bundle after its name.
func (d *difference) summary() string {
	switch removed := len(d.Removed) + len(d.Excluded); {
	case d.Problem != "":
		return ": cannot be built, so nothing changes"
	case d.Superseded:
		return ": superseded"
	case !d.isDifferent():
		return ": no difference"
	case !d.Exists:
		return fmt.Sprintf(": new, +%d", len(d.Added))
	case len(d.Added)+removed > 0:
		return fmt.Sprintf(": +%d -%d", len(d.Added), removed)
	}
	return ": the same certificates"
}

// shownDigits is how many digits of a fingerprint identify a certificate for people.
const shownDigits = 12

// changes lists certificates: those that leave come first. The default CAs, of which there are many,
// are one line unless all are wanted.
func (d *difference) changes(page *page) {
	defaultCAs := 0
	for _, group := range []struct {
		sign, note   string
		color        color
		certificates []changedCertificate
	}{{"-", "", red, d.Removed}, {"-", "excluded", red, d.Excluded}, {"=", "retained", yellow, d.Retained}, {"+", "", green, d.Added}} {
		for _, certificate := range group.certificates {
			if group.sign == "+" && certificate.IsDefaultCA && !d.all {
				defaultCAs++
				continue
			}
			line := fmt.Sprintf("%s %s (SHA-256 %s)", group.sign, certificate.Subject, certificate.SHA256[:shownDigits])
			if certificate.Origin != "" && group.sign == "+" {
				line += ", from " + certificate.Origin
			}
			if group.note != "" {
				line += ", " + group.note
			}
			if certificate.Until != nil {
				line += " until " + certificate.Until.Format(time.RFC3339)
			}
			page.printf("  %s", page.paint(group.color, line))
		}
	}
	if defaultCAs > 0 {
		page.printf("  %s", page.paint(green, "+ "+text.Count(defaultCAs, "default CA")+" (--all lists them)"))
	}
}
