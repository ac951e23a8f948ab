// Command trust-package builds and checks default CA packages: the JSON files that the
// operator loads from --default-package-location for every Bundle with
// useDefaultCAs (for the format, see package capackage).
//
//	trust-package pem --name N --version V [--out FILE] FILE.pem
//	trust-package mozilla [--name N] [--version V] [--constrained POLICY] [--out FILE]
//	trust-package validate [FILE.json]
//
// Invariants: certificates pass through the operator's own parser and encoder, so
// the operator can load every package; the same input and the same build always
// produce the same bytes; a package is written completely or not at all; the commands
// that build write nothing else to standard output. A report goes to standard error. The exit
// code is 0 on success and 1 on error.
//
// # Roots with a distrust-after date
//
// Mozilla trusts certificates that such a root issued up to its date and rejects
// later ones; PEM text cannot express this. By default (grace) the root is kept
// for 398 days after that date, the longest lifetime of a publicly trusted server
// certificate since September 2020: before that, leaving it out breaks servers
// whose certificates Mozilla accepts; after that, keeping it can only admit
// certificates that Mozilla rejects. The 398 days are compared with the date of
// the list, never with the current date.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run executes the command with args, which do not include the program's name,
// and returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	command := rootCommand()
	command.SetArgs(args)
	command.SetIn(stdin)
	command.SetOut(stdout)
	command.SetErr(stderr)
	if err := command.Execute(); err != nil {
		_, _ = fmt.Fprintln(stderr, "trust-package:", err)
		return 1
	}
	return 0
}

func rootCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "trust-package COMMAND",
		Short: "Build and check default CA packages for trust-manager",
		Long: `Build and check default CA packages: the JSON files that trust-manager loads from
--default-package-location for Bundles with useDefaultCAs.`,
		SilenceUsage:          true,
		SilenceErrors:         true,
		DisableFlagsInUseLine: true,
		CompletionOptions:     cobra.CompletionOptions{DisableDefaultCmd: true},
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q; see trust-package --help", args[0])
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			return errors.New("no command given, want pem, mozilla or validate; see trust-package --help")
		},
	}
	command.AddCommand(pemCommand(), mozillaCommand(), validateCommand())
	return command
}
