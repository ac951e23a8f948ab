package cli

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"

	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/decode"
	"trust-manager.io/internal/survey"
	"trust-manager.io/internal/text"
	"trust-manager.io/internal/verify/peer"
)

// inspect prints what is in files, objects, bundles and servers.
type inspect struct {
	streams  genericiooptions.IOStreams
	clock    clock.PassiveClock
	cluster  *clusterFlags
	password passwordFlags
	starttls string
	timeout  time.Duration
	key      string
	output   string
}

// inspection is the result of inspect.
type inspection struct {
	Items []inspected `json:"items"`
	now   time.Time
	// wide makes the table show whole fingerprints, and aliases or origins.
	wide bool
}

// inspected is one file, value of an object, bundle or server.
type inspected struct {
	// Of names it, and Key is the key of a value in its object.
	Of  string `json:"of"`
	Key string `json:"key,omitempty"`
	// Format is the format of the file, "bundle", or the version of TLS.
	Format string `json:"format,omitempty"`
	// Password describes the password of a key store.
	Password     string               `json:"password,omitempty"`
	Certificates []certificateDetails `json:"certificates"`
	// Others describe what there is besides certificates.
	Others []string `json:"others,omitempty"`
	Notes  []string `json:"notes,omitempty"`
	// Error is why it cannot be read.
	Error string `json:"error,omitempty"`
}

// certificateDetails describes one certificate. Fingerprints are hexadecimal SHA-256.
type certificateDetails struct {
	Subject   string       `json:"subject"`
	Issuer    string       `json:"issuer,omitempty"`
	Type      string       `json:"type"`
	PublicKey string       `json:"publicKey,omitempty"`
	NotBefore *metav1.Time `json:"notBefore,omitempty"`
	NotAfter  metav1.Time  `json:"notAfter"`
	SHA256    string       `json:"sha256"`
	// PublicKeySHA256 is the SHA-256 of the SubjectPublicKeyInfo.
	PublicKeySHA256 string `json:"publicKeySHA256"`
	// OpenSSLHash is the name of the certificate in a directory such as /etc/ssl/certs, before the dot.
	OpenSSLHash string `json:"opensslHash,omitempty"`
	Alias       string `json:"alias,omitempty"`
	Role        string `json:"role,omitempty"`
	// Origin is where a bundle has it from.
	Origin        string `json:"origin,omitempty"`
	Nonconforming string `json:"nonconforming,omitempty"`
}

func inspectCommand(streams genericiooptions.IOStreams, clock clock.PassiveClock) *cobra.Command {
	i := &inspect{streams: streams, clock: clock, cluster: newClusterFlags()}
	command := &cobra.Command{
		Use:   "inspect FILE|KIND/NAME|HOST:PORT",
		Short: "Print the certificates in a file, an object, a bundle or a server",
		Long: `Print the certificates in a file (PEM, DER, PKCS #7, JKS, PKCS #12, a CA package, or a manifest), in an
object of the cluster, in a bundle, or those that a server presents. KIND is bundle, clusterbundle,
configmap, secret or clustertrustbundle. A ConfigMap or Secret is read from the trust namespace
unless --namespace names another one, and --key limits it to one key. Nothing that a server presents is
trusted or checked: see verify.

The exit status is 1 if something cannot be read.

Rights: get for the object that is named; for a bundle, list for Bundles and ClusterBundles, and get
(and list, with selectors) for its sources in the trust namespace.`,
		Example: `  kubectl trust inspect truststore.jks
  kubectl trust inspect configmap/roots --namespace team-a --key ca.crt
  kubectl trust inspect bundle/corporate -o json
  kubectl trust inspect internal.example:443`,
		Args:                  oneArg("a file, KIND/NAME or HOST:PORT"),
		DisableFlagsInUseLine: true,
		RunE:                  func(command *cobra.Command, args []string) error { return i.run(command.Context(), args[0]) },
	}
	command.ValidArgsFunction = i.cluster.completeSubjects
	i.cluster.add(command)
	i.password.add(command)
	addServerFlags(command, &i.starttls, &i.timeout)
	command.Flags().StringVar(&i.key, "key", "", "the only key of the object that is printed")
	addOutput(command, &i.output, outputTable, outputWide, outputJSON, outputYAML)
	return command
}

// outputWide is the table with more columns.
const outputWide = "wide"

// connectTimeout is how long a server may take to present its certificates.
const connectTimeout = 10 * time.Second

// addServerFlags adds the flags of commands that connect to a server.
func addServerFlags(command *cobra.Command, starttls *string, timeout *time.Duration) {
	command.Flags().StringVar(starttls, "starttls", "", "the protocol that is upgraded to TLS: "+strings.Join(peer.Protocols(), ", ")+" (default: that of the port)")
	completeValues(command, "starttls", peer.Protocols()...)
	command.Flags().DurationVar(timeout, "connect-timeout", connectTimeout, "how long the server may take")
}

func (i *inspect) run(ctx context.Context, arg string) error {
	if err := checkOutput(i.output, outputTable, outputWide, outputJSON, outputYAML); err != nil {
		return err
	}
	result, output := &inspection{now: i.clock.Now()}, i.output
	if output == outputWide {
		output, result.wide = outputTable, true
	}
	var err error
	if result.Items, err = i.inspect(ctx, arg); err != nil {
		return err
	}
	if i.key != "" {
		result.Items = slices.DeleteFunc(result.Items, func(item inspected) bool { return item.Key != i.key })
		if len(result.Items) == 0 {
			return fmt.Errorf("%s has no key %q", arg, i.key)
		}
	}
	if err := printDocument(i.streams, output, result); err != nil {
		return err
	}
	for _, item := range result.Items {
		if item.Error != "" {
			return errFinding
		}
	}
	return nil
}

// inspect returns what an argument names: an object, a file that exists, or a server.
func (i *inspect) inspect(ctx context.Context, arg string) ([]inspected, error) {
	passwords, err := i.password.read()
	if err != nil {
		return nil, err
	}
	if kind, name, ok := objectOf(arg); ok {
		return i.object(ctx, kind, name, passwords)
	}
	if _, err := os.Stat(arg); err != nil && arg != "-" {
		address, invalid := peer.ParseAddress(arg)
		if !errors.Is(err, os.ErrNotExist) || invalid != nil || !isAddress(arg) {
			return nil, fmt.Errorf("%w; an object is given as KIND/NAME, a server as HOST:PORT", err)
		}
		return i.server(ctx, address)
	}
	subjects, m, err := fileSubjects(i.streams.In, arg, i.cluster.trustNamespace)
	if err != nil {
		return nil, err
	}
	var items []inspected
	for _, s := range subjects {
		if s.definition != nil {
			item, err := inspectBundle(ctx, i.cluster.offlineSurvey(m, i.clock), *s.definition)
			if err != nil {
				return nil, err
			}
			items = append(items, item)
		}
		items = append(items, inspectTexts(s, passwords)...)
	}
	if len(items) == 0 {
		return nil, fmt.Errorf("%s: the manifest contains nothing that holds certificates", arg)
	}
	return items, nil
}

// isAddress reports whether an argument that is no file can only be a server.
func isAddress(arg string) bool { return strings.Contains(arg, ":") }

// object inspects an object of the cluster.
func (i *inspect) object(ctx context.Context, kind, name string, passwords []string) ([]inspected, error) {
	connected, err := i.cluster.connect()
	if err != nil {
		return nil, err
	}
	cluster := i.cluster.survey(connected, nil, i.clock)
	s, err := i.cluster.objectSubject(ctx, cluster, kind, name)
	if err != nil {
		return nil, i.cluster.withNamespaceHint(err, kind)
	}
	if s.definition == nil {
		return inspectTexts(*s, passwords), nil
	}
	item, err := inspectBundle(ctx, cluster, *s.definition)
	return []inspected{item}, err
}

// inspectBundle returns the certificates of a bundle.
func inspectBundle(ctx context.Context, cluster *survey.Cluster, definition survey.Definition) (inspected, error) {
	built, err := cluster.Build(ctx, definition)
	if err != nil {
		return inspected{}, err
	}
	item := inspected{Of: definition.Spec.ID.String(), Format: "bundle", Certificates: []certificateDetails{}, Notes: built.Built.Content.Notes}
	if problems := built.Built.Problems; len(problems) > 0 {
		item.Error = problems.Error()
		return item, nil
	}
	content := built.Built.Content
	for at := range content.Certificates {
		details := detailsOf(&content.Certificates[at])
		details.Origin = content.Certificates[at].Origin.String()
		item.Certificates = append(item.Certificates, details)
	}
	return item, nil
}

// inspectTexts returns the certificates of a file, or of the values of an object. A value of an
// object that is neither a file of certificates nor PEM is only listed.
func inspectTexts(s subject, passwords []string) (items []inspected) {
	for _, value := range s.texts {
		item := inspected{Of: s.name, Key: value.origin.Key, Certificates: []certificateDetails{}}
		content, err := decode.File([]byte(value.data), passwords)
		switch {
		case errors.Is(err, decode.ErrUnknown) && item.Key != "":
			item.Notes = []string{fmt.Sprintf("%d bytes, which are no certificates", len(value.data))}
		case err != nil:
			item.Error = err.Error()
		default:
			item.Format, item.Password, item.Notes = content.Description(), content.Password, content.Notes
			for _, other := range content.Others {
				item.Others = append(item.Others, text.Count(other.Count, other.Kind))
			}
		}
		for at := range content.Entries {
			details := detailsOf(&content.Entries[at].Certificate)
			details.Alias, details.Role = content.Entries[at].Alias, string(content.Entries[at].Role)
			item.Certificates = append(item.Certificates, details)
		}
		items = append(items, item)
	}
	return items
}

// server inspects what a server presents.
func (i *inspect) server(ctx context.Context, address peer.Address) ([]inspected, error) {
	presented, err := peer.Fetch(ctx, address, peer.Options{StartTLS: i.starttls, Timeout: i.timeout})
	if err != nil {
		return nil, err
	}
	item := inspected{Of: address.String(), Format: presented.Version + ", " + presented.CipherSuite, Certificates: []certificateDetails{}}
	if presented.StartTLS != "" {
		item.Notes = append(item.Notes, "TLS after STARTTLS of "+presented.StartTLS)
	}
	if presented.ClientCertificate {
		item.Notes = append(item.Notes, "the server asks for a client certificate")
	}
	if err := presented.Failure(); err != nil {
		item.Error = "the TLS handshake failed after the server had sent its certificates: " + err.Error()
	}
	for at, der := range presented.Chain {
		parsed, err := certs.ParseDER(der)
		if err != nil || len(parsed) != 1 {
			item.Error = fmt.Sprintf("certificate %d of the server cannot be read", at+1)
			continue
		}
		item.Certificates = append(item.Certificates, detailsOf(&parsed[0]))
	}
	return []inspected{item}, nil
}

// detailsOf describes a certificate.
func detailsOf(certificate *certs.Certificate) certificateDetails {
	key := sha256.Sum256(certificate.RawPublicKey)
	details := certificateDetails{
		Subject: certificate.DisplaySubject(), Type: typeOf(certificate), NotAfter: metav1.NewTime(certificate.NotAfter.UTC()),
		SHA256: certificate.SHA256(), PublicKeySHA256: hex.EncodeToString(key[:]), Nonconforming: certificate.Nonconforming,
	}
	details.OpenSSLHash, _ = certificate.OpenSSLHash() // a malformed subject has no hash
	parsed, err := x509.ParseCertificate(certificate.DER)
	if err != nil {
		return details
	}
	issuer := certs.Certificate{RawSubject: parsed.RawIssuer}
	notBefore := metav1.NewTime(parsed.NotBefore.UTC())
	details.Issuer, details.NotBefore, details.PublicKey = issuer.DisplaySubject(), &notBefore, publicKeyOf(parsed)
	return details
}

// typeOf returns what a certificate is in a chain.
func typeOf(certificate *certs.Certificate) string {
	switch {
	case !certificate.CA:
		return "leaf"
	case certificate.SelfIssued:
		return "root"
	}
	return "intermediate"
}

// publicKeyOf describes a public key by its algorithm and size.
func publicKeyOf(parsed *x509.Certificate) string {
	switch key := parsed.PublicKey.(type) {
	case *rsa.PublicKey:
		return "RSA " + strconv.Itoa(key.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return parsed.PublicKeyAlgorithm.String()
}

// Kind implements [document].
func (*inspection) Kind() string { return "Inspection" }

// Table implements [document].
func (i *inspection) Table(page *page) {
	for at, item := range i.Items {
		if at > 0 {
			page.printf("")
		}
		title := item.Of
		if item.Key != "" {
			title += fmt.Sprintf(", key %q", item.Key)
		}
		if item.Format != "" {
			title += ": " + item.Format
		}
		if item.Password != "" {
			title += ", " + item.Password
		}
		page.printf("%s", page.paint(bold, title+", "+text.Count(len(item.Certificates), "certificate")))
		i.certificates(page, item)
		if len(item.Others) > 0 {
			page.printf("Also: %s", strings.Join(item.Others, ", "))
		}
		for _, note := range item.Notes {
			page.printf("Note: %s", note)
		}
		if item.Error != "" {
			page.printf("%s", page.paint(red, "Error: "+item.Error))
		}
	}
}

// certificates writes the certificates of one item.
func (i *inspection) certificates(page *page, item inspected) {
	header, last := []string{"#", "SUBJECT", "TYPE", "KEY", "EXPIRES", "SHA256"}, ""
	var rows [][]string
	for at, certificate := range item.Certificates {
		expires := certificate.NotAfter.Format(time.DateOnly)
		if i.now.After(certificate.NotAfter.Time) {
			expires += " (expired)"
		}
		row := []string{strconv.Itoa(at + 1), certificate.Subject, certificate.Type, certificate.PublicKey, expires, certificate.SHA256}
		switch {
		case !i.wide:
			row[len(row)-1] = certificate.SHA256[:shownDigits]
		case certificate.Alias != "":
			last, row = "ALIAS", append(row, certificate.Alias)
		case certificate.Origin != "":
			last, row = "ORIGIN", append(row, certificate.Origin)
		}
		rows = append(rows, row)
	}
	if last != "" {
		header = append(header, last)
	}
	page.table(header, rows)
}
