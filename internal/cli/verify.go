package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"

	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/decode"
	"trust-manager.io/internal/text"
	"trust-manager.io/internal/verify"
	"trust-manager.io/internal/verify/peer"
)

// verification verifies the chain of a server or of a file.
type verification struct {
	streams    genericiooptions.IOStreams
	clock      clock.PassiveClock
	cluster    *clusterFlags
	password   passwordFlags
	bundle     string
	file       string
	chain      string
	serverName string
	starttls   string
	timeout    time.Duration
	output     string
}

// verified is the result of verify.
type verified struct {
	verify.Result
	// Anchors describes the trusted certificates.
	Anchors string `json:"trustedBy"`
	// Server and what follows are empty for a chain from a file.
	Server            string `json:"server,omitempty"`
	TLSVersion        string `json:"tlsVersion,omitempty"`
	CipherSuite       string `json:"cipherSuite,omitempty"`
	StartTLS          string `json:"startTLS,omitempty"`
	ClientCertificate bool   `json:"clientCertificateRequested,omitempty"`
}

func verifyCommand(streams genericiooptions.IOStreams, clock clock.PassiveClock) *cobra.Command {
	v := &verification{streams: streams, clock: clock, cluster: newClusterFlags()}
	command := &cobra.Command{
		Use:   "verify HOST[:PORT] (--bundle NAME | --file FILE)",
		Short: "Check whether a bundle trusts a server, and if not, which CA is missing",
		Long: `Check whether the certificates of a bundle, as they are in a namespace now, or those of a file, verify
the chain that a server presents. If not, explain why, which CA is missing, and where it is known. With
--chain, the chain is read from a file. The decision is that of Go; where OpenSSL or Java decide
differently, a note says so. Revocation is not checked.

The exit status is 1 if the server is not trusted.

A server that has not proven that it holds the private key is not trusted. One that ends the handshake
since it requires a client certificate can be.

Rights: get for the target of the bundle in the namespace. To know the kinds and keys of targets, and
where a missing CA is known, also list for Bundles, ClusterBundles and their targets, and get for their
sources in the trust namespace; without these rights, the answer is the same, and has fewer details. If
the namespace has no target, get for the namespace, to know why.`,
		Example: `  # Would pods of a namespace trust this host?
  kubectl trust verify internal.example --bundle corporate --namespace team-a

  # Does a file of CAs trust a database, whose protocol is upgraded to TLS?
  kubectl trust verify db.example:5432 --file ca.crt

  # In CI, without a server
  kubectl trust verify --chain chain.pem --server-name internal.example --file ca.crt`,
		Args:                  optionalArg("HOST[:PORT]"),
		DisableFlagsInUseLine: true,
		RunE: func(command *cobra.Command, args []string) error {
			return v.run(command.Context(), strings.Join(args, ""))
		},
	}
	v.cluster.add(command)
	v.password.add(command)
	addServerFlags(command, &v.starttls, &v.timeout)
	flags := command.Flags()
	flags.StringVar(&v.bundle, "bundle", "", "the Bundle or ClusterBundle whose certificates are trusted")
	flags.StringVar(&v.file, "file", "", "a file of trusted certificates of any format, instead of a bundle; - for standard input")
	flags.StringVar(&v.chain, "chain", "", "a file with the chain of a server, its own certificate first, instead of HOST")
	flags.StringVar(&v.serverName, "server-name", "", "the name that the certificate must have, and that is sent to the server (default: HOST)")
	completeFunc(command, "bundle", v.cluster.completeBundles(nil))
	addOutput(command, &v.output, outputTable, outputJSON, outputYAML)
	return command
}

func (v *verification) run(ctx context.Context, host string) error {
	switch err := checkOutput(v.output, outputTable, outputJSON, outputYAML); {
	case err != nil:
		return err
	case (host == "") == (v.chain == ""):
		return errors.New("give either HOST or --chain FILE")
	case (v.bundle == "") == (v.file == ""):
		return errors.New("give either --bundle or --file")
	}
	if err := checkStandardInput(v.chain, v.file); err != nil {
		return err
	}
	trust, err := v.anchors(ctx)
	if err != nil {
		return err
	}
	result := &verified{Anchors: trust.name}
	in := verify.Input{Trusted: trust.certificates, ServerName: v.serverName, Time: v.clock.Now()}
	if v.chain != "" {
		in.Chain, err = v.readChain()
	} else {
		err = v.fetch(ctx, host, &in, result)
	}
	if err != nil {
		return err
	}
	notes := slices.Concat(result.Notes, trust.notes)
	result.Result = verify.Verify(in)
	if !result.Trusted && trust.known != nil {
		known, err := trust.known(ctx, in.Chain)
		if err != nil {
			warnf(v.streams.ErrOut, "cannot look up the missing CA elsewhere: %v", err)
		}
		in.Known = known
		result.Result = verify.Verify(in)
	}
	result.Notes = append(result.Notes, notes...)
	if err := printDocument(v.streams, v.output, result); err != nil {
		return err
	}
	if !result.Trusted {
		return errFinding
	}
	return nil
}

// fetch reads the chain of a server. One that cannot be read is an answer, not a failure.
func (v *verification) fetch(ctx context.Context, host string, in *verify.Input, result *verified) error {
	address, err := peer.ParseAddress(host)
	if err != nil {
		return err
	}
	in.ServerName, result.Server = cmp.Or(in.ServerName, address.Host), address.String()
	presented, err := peer.Fetch(ctx, address, peer.Options{ServerName: v.serverName, StartTLS: v.starttls, Timeout: v.timeout})
	var unreadable *peer.UnreadableError
	switch {
	case errors.As(err, &unreadable):
		in.Unreadable = err
		return nil
	case err != nil:
		return err
	}
	in.Chain, in.Handshake = presented.Chain, presented.Failure()
	result.TLSVersion, result.CipherSuite, result.StartTLS = presented.Version, presented.CipherSuite, presented.StartTLS
	result.ClientCertificate = presented.ClientCertificate
	if in.Handshake == nil && presented.HandshakeError != nil {
		result.Notes = []string{"the server has ended the handshake, which required a client certificate: " + text.Printable(presented.HandshakeError.Error())}
	}
	return nil
}

// decodeArgument returns the content of the file that a flag names.
func (v *verification) decodeArgument(flag, path string) (decode.Content, error) {
	passwords, err := v.password.read()
	if err != nil {
		return decode.Content{}, err
	}
	data, err := readFile(v.streams.In, path)
	if err != nil {
		return decode.Content{}, fmt.Errorf("%s: %w", flag, err)
	}
	content, err := decode.File(data, passwords)
	if err == nil && len(content.Entries) == 0 {
		err = errors.New("the file has no certificate")
	}
	if err != nil {
		return decode.Content{}, fmt.Errorf("%s: %s: %w", flag, path, err)
	}
	return content, nil
}

// readChain returns the certificates of --chain.
func (v *verification) readChain() (chain [][]byte, err error) {
	content, err := v.decodeArgument("--chain", v.chain)
	for _, entry := range content.Entries {
		chain = append(chain, entry.Certificate.DER)
	}
	return chain, err
}

// fileAnchors returns the certificates of --file. Those that belong to a private key of a key store
// are not trusted.
func (v *verification) fileAnchors() (anchors, error) {
	content, err := v.decodeArgument("--file", v.file)
	if err != nil {
		return anchors{}, err
	}
	trust := anchors{name: v.file}
	for i, certificate := range certificatesIn(content, certs.Origin{Object: v.file}) {
		if role := content.Entries[i].Role; role == decode.NoRole || role == decode.Trusted {
			trust.certificates = append(trust.certificates, certificate)
		}
	}
	if ignored := len(content.Entries) - len(trust.certificates); ignored > 0 {
		warnf(v.streams.ErrOut, "%s: %s ignored, since Java does not trust them: see kubectl trust inspect", v.file, text.Count(ignored, "certificate"))
	}
	return trust, nil
}

// Kind implements [document].
func (*verified) Kind() string { return "Verification" }

// Table implements [document].
func (v *verified) Table(page *page) {
	if v.Trusted {
		page.printf("%s by %s: %s", page.paint(green, "trusted"), v.Anchors, v.Detail)
	} else {
		page.printf("%s by %s", page.paint(red, "not trusted"), v.Anchors)
	}
	for _, fault := range v.Faults {
		page.printf("%s: %s", page.paint(red, string(fault.Cause)), fault.Detail)
	}
	for _, note := range v.Notes {
		page.printf("%s: %s", page.paint(yellow, "note"), note)
	}
	if v.Server != "" && v.TLSVersion != "" {
		page.printf("%s, %s, %s", v.Server, v.TLSVersion, v.CipherSuite)
	}
	if v.ClientCertificate {
		page.printf("the server asks for a client certificate")
	}
	var sent, places [][]string
	for i, certificate := range v.Sent {
		sent = append(sent, []string{strconv.Itoa(i + 1), certificate.Subject, certificate.Issuer, certificate.NotAfter.UTC().Format(time.DateOnly)})
	}
	page.table([]string{"SENT", "SUBJECT", "ISSUER", "EXPIRES"}, sent)
	for _, ca := range v.Missing {
		for _, location := range ca.Known {
			places = append(places, []string{ca.Subject, cmp.Or(ca.KeyID, "-"), location.Place})
		}
		if len(ca.Known) == 0 {
			places = append(places, []string{ca.Subject, cmp.Or(ca.KeyID, "-"), "nowhere"})
		}
	}
	page.table([]string{"MISSING CA", "KEY ID", "KNOWN"}, places)
}
