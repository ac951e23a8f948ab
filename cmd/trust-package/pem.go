package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"trust-manager.io/internal/capackage"
	"trust-manager.io/internal/certs"
)

// standardStream is the file name for standard input or output.
const standardStream = "-"

func pemCommand() *cobra.Command {
	var p capackage.Package
	var out string
	command := &cobra.Command{
		Use:   "pem --name NAME --version VERSION [--out FILE] FILE.pem",
		Short: "Build a package from a PEM file",
		Long: `Build a package from the certificates of a PEM file, or of standard input if
the file is "-". Certificates keep their order. Text around the blocks is ignored.

The file must contain at least one CERTIFICATE block and no other blocks, and each
must be a complete X.509 certificate. Anything else is rejected with the number of
the block, and nothing is written.`,
		DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("want exactly one PEM file, or - for standard input; got %d arguments", len(args))
			}
			return nil
		},
		RunE: func(command *cobra.Command, args []string) error {
			certificates, err := readCertificates(args[0], command.InOrStdin(), command.ErrOrStderr())
			if err != nil {
				return err
			}
			return writePackage(command, p, certificates, out)
		},
	}
	flags := command.Flags()
	flags.StringVar(&p.Name, "name", "", "name of the package, which identifies the origin of its certificates")
	flags.StringVar(&p.Version, "version", "", "version of the package, for example a date")
	addOutFlag(command, &out)
	// MarkFlagRequired fails only for a flag that does not exist.
	_ = errors.Join(command.MarkFlagRequired("name"), command.MarkFlagRequired("version"))
	return command
}

// readCertificates reads all certificates of a PEM file. It writes a note to notes for
// each block that the parser skips.
func readCertificates(path string, stdin io.Reader, notes io.Writer) ([]certs.Certificate, error) {
	name, text, err := readText(path, stdin)
	if err != nil {
		return nil, err
	}
	result, problem := certs.Parse(text, certs.Origin{Object: name})
	if problem != nil {
		return nil, problem
	}
	for i := range result.Skipped {
		_, _ = fmt.Fprintln(notes, result.Skipped[i].Error())
	}
	if other := result.OtherEncoding.Description; other != "" {
		return nil, fmt.Errorf("%s: %s", name, other)
	}
	for i := range result.Certificates {
		if cause := result.Certificates[i].Nonconforming; cause != "" {
			return nil, fmt.Errorf("%s: the certificate does not conform to RFC 5280 or is not supported: %s", result.Certificates[i].Origin, cause)
		}
	}
	if len(result.Certificates) == 0 {
		return nil, fmt.Errorf("%s: no certificate found; at least one PEM block of type CERTIFICATE is required", name)
	}
	return result.Certificates, nil
}

// readText returns the text of a file or of standard input, and its name for messages.
// Text that exceeds the parser's limit is an error.
func readText(path string, stdin io.Reader) (name, text string, err error) {
	name, in := "standard input", stdin
	if path != standardStream {
		file, err := os.Open(path)
		if err != nil {
			return "", "", err
		}
		defer func() { _ = file.Close() }()
		name, in = path, file
	}
	data, err := io.ReadAll(io.LimitReader(in, certs.MaxText+1))
	if err != nil {
		return "", "", fmt.Errorf("read %s: %w", name, err)
	}
	if len(data) > certs.MaxText {
		return "", "", fmt.Errorf("%s: larger than the limit of %d bytes", name, certs.MaxText)
	}
	return name, string(data), nil
}
