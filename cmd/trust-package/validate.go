package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"trust-manager.io/internal/capackage"
)

func validateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "validate [FILE.json]",
		Short: "Check whether the operator accepts a package",
		Long: `Check whether the operator accepts a package: a file, or standard input if
there is no file or the file is "-". The ID of the package, which the status of a
Bundle shows, and the number of its certificates are printed.`,
		DisableFlagsInUseLine: true,
		Args:                  cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			path := standardStream
			if len(args) == 1 {
				path = args[0]
			}
			p, certificates, err := validate(path, command.InOrStdin(), command.ErrOrStderr())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(command.OutOrStdout(), "package %s: %d certificates\n", p.ID(), certificates)
			return err
		},
	}
}

// validate reads a package and returns it with the number of its certificates. It writes a
// note to notes for each block that the operator skips.
func validate(path string, stdin io.Reader, notes io.Writer) (p capackage.Package, certificates int, err error) {
	name, in := "standard input", stdin
	if path != standardStream {
		file, err := os.Open(path)
		if err != nil {
			return p, 0, err
		}
		defer func() { _ = file.Close() }()
		name, in = path, file
	}
	data, err := io.ReadAll(io.LimitReader(in, capackage.MaxSize+1))
	if err != nil {
		return p, 0, fmt.Errorf("read %s: %w", name, err)
	}
	if p, err = capackage.Parse(data); err != nil {
		return p, 0, fmt.Errorf("%s: %w", name, err)
	}
	parsed, err := p.Certificates()
	if err != nil {
		return p, 0, fmt.Errorf("%s: %w", name, err)
	}
	for i := range parsed.Skipped {
		_, _ = fmt.Fprintln(notes, parsed.Skipped[i].Error())
	}
	return p, len(parsed.Certificates), nil
}
