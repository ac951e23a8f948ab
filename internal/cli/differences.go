package cli

import (
	"crypto/sha256"
	"slices"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/survey"
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
}

// changedCertificate is a certificate that enters, leaves or stays for a while.
type changedCertificate struct {
	Subject string       `json:"subject"`
	SHA256  string       `json:"sha256"`
	Origin  string       `json:"origin,omitempty"`
	Until   *metav1.Time `json:"until,omitempty"`
}

// targetChanges counts the targets of one kind by what happens to them.
type targetChanges struct {
	Kind      string `json:"kind"`
	Created   int    `json:"created"`
	Changed   int    `json:"changed"`
	Released  int    `json:"released"`
	Unchanged int    `json:"unchanged"`
	// Refused are those that the operator does not write, as render shows.
	Refused int `json:"refused,omitempty"`
	// Bytes is the size of the content of each target, before and after.
	BytesBefore int `json:"bytesBefore"`
	Bytes       int `json:"bytes"`
}

// isDifferent reports whether an apply would change anything, or fail.
func (d *difference) isDifferent() bool {
	isWritten := func(t targetChanges) bool { return t.Created+t.Changed+t.Released > 0 }
	if len(d.Targets) == 0 && d.Problem == "" {
		return !d.Exists // superseded
	}
	return !d.Exists || d.Problem != "" || len(d.Added)+len(d.Removed)+len(d.Excluded) > 0 || slices.ContainsFunc(d.Targets, isWritten)
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
		changed := changedCertificate{Subject: certificate.DisplaySubject(), SHA256: certificate.SHA256(), Origin: certificate.Origin.String()}
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
	state := ""
	switch {
	case d.Problem != "":
		state = ": cannot be built, so nothing changes"
	case !d.isDifferent():
		state = ": no difference"
	case !d.Exists:
		state = ": new"
	}
	page.printf("%s", page.paint(bold, d.Bundle+state))
	if d.Problem != "" {
		page.printf("  %s", page.paint(red, d.Reason+": "+d.Problem))
	}
	for _, group := range []struct {
		sign         string
		color        color
		note         string
		certificates []changedCertificate
	}{{"+", green, "", d.Added}, {"-", red, "", d.Removed}, {"-", red, "excluded", d.Excluded}, {"=", yellow, "retained", d.Retained}} {
		for _, certificate := range group.certificates {
			line := group.sign + " " + certificate.Subject + " (SHA-256 " + certificate.SHA256 + ")"
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
	if d.Problem == "" {
		page.printf("  %s", text.Count(d.Certificates, "certificate"))
	}
	var rows [][]string
	for _, t := range d.Targets {
		rows = append(rows, []string{"  " + t.Kind, strconv.Itoa(t.Created), strconv.Itoa(t.Changed), strconv.Itoa(t.Released), strconv.Itoa(t.Unchanged),
			strconv.Itoa(t.BytesBefore), strconv.Itoa(t.Bytes)})
	}
	page.table([]string{"  TARGETS", "CREATED", "CHANGED", "RELEASED", "UNCHANGED", "BYTES BEFORE", "BYTES"}, rows)
	for _, note := range d.Notes {
		page.printf("  Note: %s", note)
	}
}
