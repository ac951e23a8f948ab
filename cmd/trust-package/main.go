// Command trust-package makes default CA packages: the JSON files that the
// operator loads at --default-package-location and hands out to every Bundle
// with useDefaultCAs (the format is package capackage).
//
//	trust-package pem --name N --version V [--out FILE] FILE.pem
//	trust-package mozilla [--name N] [--version V] [--constrained POLICY] [--out FILE]
//
// What always holds: certificates go through the operator's own parser and
// encoder, so a package that is made here loads there; the same input and the
// same build give the same bytes, whenever they run; a package is written
// whole or not at all, and standard output carries nothing else. What was done
// is told on standard error. The exit code is 0, or 1 with the error told.
//
// # Roots with a distrust-after date
//
// Mozilla still trusts what such a root issued up to its date, and nothing
// that came later; PEM text cannot say so. By default (grace) the root is kept
// for 398 days past that date, the longest that a publicly trusted server
// certificate has been allowed to live since September 2020, because until
// then leaving it out breaks servers whose certificates Mozilla accepts, and
// after that keeping it can only admit certificates that Mozilla refuses. The
// days are counted to the date of the list, never to today.
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

// run executes one command line, without the program's name, and returns the
// exit code.
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
		Short: "Make default CA packages for trust-manager",
		Long: `Make default CA packages: the JSON files that trust-manager loads at
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
			return errors.New("name a command, pem or mozilla; see trust-package --help")
		},
	}
	command.AddCommand(pemCommand(), mozillaCommand())
	return command
}
