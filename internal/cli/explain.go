package cli

import (
	"cmp"
	"context"
	"crypto/sha256"
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"

	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/survey"
)

// explain reports why certificates are trusted, or not.
type explain struct {
	streams  genericiooptions.IOStreams
	clock    clock.PassiveClock
	cluster  *clusterFlags
	password passwordFlags
	output   string
}

// explanation is the result of explain.
type explanation struct {
	Certificates []explained `json:"certificates"`
}

// explained is one certificate and where it is.
type explained struct {
	certificateDetails

	Appearances []appearance `json:"appearances"`
}

// appearance is a certificate in a bundle, or the reason why it is not in it.
type appearance struct {
	// Bundle is empty for the default CA package.
	Bundle   string          `json:"bundle,omitempty"`
	Standing survey.Standing `json:"standing"`
	Origin   string          `json:"origin,omitempty"`
	// Until is when it leaves the bundle by itself.
	Until      *metav1.Time `json:"until,omitempty"`
	Namespaces int          `json:"namespaces"`
	Detail     string       `json:"detail,omitempty"`
}

func explainCommand(streams genericiooptions.IOStreams, clock clock.PassiveClock) *cobra.Command {
	e := &explain{streams: streams, clock: clock, cluster: newClusterFlags()}
	command := &cobra.Command{
		Use:   "explain SHA256|KEYID|SUBJECT|FILE",
		Short: "Show which Bundles trust a certificate, from which source, or why not",
		Long: `Show which Bundles trust a certificate, from which source, until when and in how many namespaces, or
why it is left out. The certificate is named by its SHA-256 or its key ID (or the first 8 digits or more
of them), by a part of its subject, or by a file that has it. Of more than 10 certificates that match,
each has one line.

The exit status is 1 if none matches, or if one that matches is in no bundle.

Rights: list for Bundles, ClusterBundles, ConfigMaps and, if Bundles have such targets, Secrets and
ClusterTrustBundles; get for sources and rotation states in the trust namespace, and for one target of
a bundle that uses the default CAs, or whose targets are not up to date.`,
		Example: `  kubectl trust explain "Corporate Root"
  kubectl trust explain 4b1e5d3f
  kubectl trust explain root.pem`,
		Args:                  oneArg("a SHA-256, a key ID, a part of a subject or a file"),
		DisableFlagsInUseLine: true,
		RunE:                  func(command *cobra.Command, args []string) error { return e.run(command.Context(), args[0]) },
	}
	e.cluster.add(command)
	e.cluster.withoutNamespace(command)
	e.password.add(command)
	addOutput(command, &e.output, outputTable, outputJSON, outputYAML)
	return command
}

func (e *explain) run(ctx context.Context, arg string) error {
	if err := checkOutput(e.output, outputTable, outputJSON, outputYAML); err != nil {
		return err
	}
	wanted, err := newQuery(e.streams.In, arg, e.password)
	if err != nil {
		return err
	}
	connected, err := e.cluster.connect()
	if err != nil {
		return err
	}
	cluster := e.cluster.survey(connected, nil, e.clock)
	all, err := cluster.Appearances(ctx, progress(e.streams, "reading bundle"))
	if err != nil {
		return err
	}
	for _, note := range cluster.Notes() {
		warnf(e.streams.ErrOut, "%s", note)
	}
	result := wanted.explain(all)
	if err := printDocument(e.streams, e.output, result); err != nil {
		return err
	}
	isNowhere := func(c explained) bool { return c.bundles() == 0 }
	if len(result.Certificates) == 0 || slices.ContainsFunc(result.Certificates, isNowhere) {
		return errFinding
	}
	return nil
}

// explain returns the certificates that the query selects, and where they are. Those of the default CA
// package come last, except those of a file, which stay in order.
func (q query) explain(all []survey.Appearance) *explanation {
	result := &explanation{Certificates: []explained{}}
	at := map[[sha256.Size]byte]int{}
	add := func(certificate *certs.Certificate) int {
		if i, ok := at[certificate.Fingerprint]; ok {
			return i
		}
		at[certificate.Fingerprint] = len(result.Certificates)
		result.Certificates = append(result.Certificates, explained{certificateDetails: detailsOf(certificate), Appearances: []appearance{}})
		return at[certificate.Fingerprint]
	}
	for i := range q.certificates {
		add(&q.certificates[i])
	}
	for _, found := range all {
		i, ok := at[found.Certificate.Fingerprint]
		if q.matches != nil && len(found.Certificate.DER) > 0 && q.matches(&found.Certificate) {
			i, ok = add(&found.Certificate), true
		}
		if !ok {
			continue
		}
		a := appearance{Standing: found.Standing, Origin: found.Origin, Namespaces: found.Namespaces, Detail: found.Detail}
		if found.Bundle.Name != "" {
			a.Bundle = found.Bundle.String()
		}
		if !found.Until.IsZero() {
			until := metav1.NewTime(found.Until.UTC())
			a.Until = &until
		}
		result.Certificates[i].Appearances = append(result.Certificates[i].Appearances, a)
	}
	if q.matches != nil {
		slices.SortStableFunc(result.Certificates, func(a, b explained) int {
			return cmp.Compare(a.appearancesOf(survey.Packaged), b.appearancesOf(survey.Packaged))
		})
	}
	return result
}

// appearancesOf returns how many appearances have a standing.
func (e *explained) appearancesOf(standing survey.Standing) (n int) {
	for _, a := range e.Appearances {
		if a.Standing == standing {
			n++
		}
	}
	return n
}

// bundles returns how many bundles have the certificate.
func (e *explained) bundles() int {
	names := map[string]bool{}
	for _, a := range e.Appearances {
		if a.Standing.Trusts() {
			names[a.Bundle] = true
		}
	}
	return len(names)
}

// Kind implements [document].
func (*explanation) Kind() string { return "Explanation" }

// maxExplained is how many certificates the table explains; of more, it has a list.
const maxExplained = 10

// Table implements [document].
func (e *explanation) Table(page *page) {
	switch n := len(e.Certificates); {
	case n == 0:
		page.printf("no certificate of a Bundle or of the default CA package matches")
	case n > maxExplained:
		e.list(page)
	default:
		for i := range e.Certificates {
			if i > 0 {
				page.printf("")
			}
			e.Certificates[i].table(page)
		}
	}
}

// list writes one line for each certificate.
func (e *explanation) list(page *page) {
	var rows [][]string
	for i := range e.Certificates {
		certificate := &e.Certificates[i]
		rows = append(rows, []string{certificate.Subject, certificate.SHA256[:shownDigits], strconv.Itoa(certificate.bundles())})
	}
	page.table([]string{"SUBJECT", "SHA256", "BUNDLES"}, rows)
	page.printf("%d certificates match; to see where one is, give its SHA-256", len(rows))
}

// table writes where one certificate is.
func (e *explained) table(page *page) {
	page.printf("%s", page.paint(bold, e.Subject))
	page.printf("SHA-256 %s, %s, expires %s", e.SHA256, e.Type, e.NotAfter.Format("2006-01-02"))
	if len(e.Appearances) == 0 {
		page.printf("%s", page.paint(red, "It is in no Bundle."))
		return
	}
	var rows [][]string
	for _, a := range e.Appearances {
		until := ""
		if a.Until != nil {
			until = a.Until.Format("2006-01-02T15:04:05Z")
		}
		rows = append(rows, []string{cmp.Or(a.Bundle, "-"), string(a.Standing), strconv.Itoa(a.Namespaces), until, a.Origin, a.Detail})
	}
	page.table([]string{"BUNDLE", "STANDING", "NAMESPACES", "UNTIL", "ORIGIN", "DETAIL"}, rows)
}
