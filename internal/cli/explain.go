package cli

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"

	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/decode"
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
		Use:   "explain SHA256|SUBJECT|FILE",
		Short: "Show which Bundles trust a certificate, from which source, or why not",
		Long: `Show which Bundles trust a certificate, from which source, until when and in how many namespaces, or
why it is left out. The certificate is named by its SHA-256 (or the first 8 digits or more), by a part
of its subject, or by a file that has it.

The exit status is 1 if a certificate is in no bundle, or if none matches.

Rights: list for Bundles, ClusterBundles, ConfigMaps and, if Bundles have such targets, Secrets and
ClusterTrustBundles; get for sources and rotation states in the trust namespace, and for one target of
a bundle that uses the default CAs, or whose targets are not up to date.`,
		Example: `  kubectl trust explain "Corporate Root"
  kubectl trust explain 4b1e5d3f
  kubectl trust explain root.pem`,
		Args:                  cobra.ExactArgs(1),
		DisableFlagsInUseLine: true,
		RunE:                  func(command *cobra.Command, args []string) error { return e.run(command.Context(), args[0]) },
	}
	e.cluster.add(command)
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
	all, err := e.cluster.survey(connected, nil, e.clock).Appearances(ctx, progress(e.streams, "reading bundle"))
	if err != nil {
		return err
	}
	result := wanted.explain(all)
	if err := printDocument(e.streams, e.output, result); err != nil {
		return err
	}
	isNowhere := func(c explained) bool {
		return !slices.ContainsFunc(c.Appearances, func(a appearance) bool { return a.Standing.Trusts() })
	}
	if len(result.Certificates) == 0 || slices.ContainsFunc(result.Certificates, isNowhere) {
		return errFinding
	}
	return nil
}

// query selects certificates.
type query struct {
	// certificates are those of a file; otherwise, matches selects them.
	certificates []certs.Certificate
	matches      func(*certs.Certificate) bool
}

// minDigits is the least number of digits of a fingerprint that names a certificate.
const minDigits = 8

// newQuery parses an argument.
func newQuery(stdin io.Reader, arg string, password passwordFlags) (query, error) {
	digits := strings.ToLower(strings.ReplaceAll(arg, ":", ""))
	if len(digits) >= minDigits && len(digits) <= 2*sha256.Size && strings.Trim(digits, "0123456789abcdef") == "" {
		return query{matches: func(c *certs.Certificate) bool { return strings.HasPrefix(c.SHA256(), digits) }}, nil
	}
	data, err := readFile(stdin, arg)
	switch {
	case errors.Is(err, os.ErrNotExist):
		part := strings.ToLower(arg)
		return query{matches: func(c *certs.Certificate) bool { return strings.Contains(strings.ToLower(c.Subject()), part) }}, nil
	case err != nil:
		return query{}, err
	}
	passwords, err := password.read()
	if err != nil {
		return query{}, err
	}
	content, err := decode.File(data, passwords)
	if err == nil && len(content.Entries) == 0 {
		err = errors.New("the file has no certificate")
	}
	if err != nil {
		return query{}, fmt.Errorf("%s: %w", arg, err)
	}
	certificates := certificatesIn(content, certs.Origin{Object: arg})
	return query{certificates: certificates}, nil
}

// explain returns the certificates that the query selects, and where they are.
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
	return result
}

// Kind implements [document].
func (*explanation) Kind() string { return "Explanation" }

// Table implements [document].
func (e *explanation) Table(page *page) {
	if len(e.Certificates) == 0 {
		page.printf("no certificate of a Bundle or of the default CA package matches")
		return
	}
	for i, certificate := range e.Certificates {
		if i > 0 {
			page.printf("")
		}
		page.printf("%s", page.paint(bold, certificate.Subject))
		page.printf("SHA-256 %s, %s, expires %s", certificate.SHA256, certificate.Type, certificate.NotAfter.Format("2006-01-02"))
		if len(certificate.Appearances) == 0 {
			page.printf("%s", page.paint(red, "It is in no Bundle."))
			continue
		}
		var rows [][]string
		for _, a := range certificate.Appearances {
			bundle, until := a.Bundle, ""
			if bundle == "" {
				bundle = "-"
			}
			if a.Until != nil {
				until = a.Until.Format("2006-01-02T15:04:05Z")
			}
			rows = append(rows, []string{bundle, string(a.Standing), strconv.Itoa(a.Namespaces), until, a.Origin, a.Detail})
		}
		page.table([]string{"BUNDLE", "STANDING", "NAMESPACES", "UNTIL", "ORIGIN", "DETAIL"}, rows)
	}
}
