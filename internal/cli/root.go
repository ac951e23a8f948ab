package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"
)

// The exit statuses.
const (
	statusFinding = 1
	statusFailure = 2
)

// errFinding is the result of a command whose answer is a finding. It has been reported.
var errFinding = errors.New("the answer is a finding")

// Run runs a command with its arguments, without the name of the program, and returns the exit
// status. The clock decides which certificates have expired.
func Run(ctx context.Context, args []string, streams genericiooptions.IOStreams, clock clock.PassiveClock) int {
	root := Command(streams, clock)
	root.SetArgs(args)
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.ErrOut)
	addBuiltins(root)
	switch command, err := root.ExecuteContextC(ctx); {
	case errors.Is(err, errFinding):
		return statusFinding
	case err != nil:
		printError(streams.ErrOut, err, usageHint(command, err))
		return statusFailure
	}
	return 0
}

// Command returns the command. The clock decides which certificates have expired.
func Command(streams genericiooptions.IOStreams, clock clock.PassiveClock) *cobra.Command {
	command := &cobra.Command{
		Use:   "kubectl-trust COMMAND",
		Short: "Answer questions about trust bundles, in CI and at a terminal",
		Long: `Answer questions about the trust bundles of trust-manager, with the code of the operator itself.

The exit status is 0 for success, 1 if the answer is a finding (see the help of the command), and 2 for
an error, without an answer. All flags of kubectl for the connection to a cluster are accepted, also
those that the help of a command does not show.`,
		Annotations:           map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl trust"},
		Version:               version,
		SilenceUsage:          true,
		SilenceErrors:         true,
		DisableFlagsInUseLine: true,
		Args:                  subcommandArgs,
		RunE:                  listCommands,
	}
	command.SetFlagErrorFunc(flagError)
	// A command with commands of its own has one line of usage.
	command.SetUsageTemplate(strings.Replace(command.UsageTemplate(),
		"{{if .HasAvailableSubCommands}}\n  {{.CommandPath}} [command]{{end}}", "", 1))
	command.AddCommand(
		checkCommand(streams, clock),
		convertCommand(streams),
		diffCommand(streams, clock),
		explainCommand(streams, clock),
		handbackCommand(streams, clock),
		inspectCommand(streams, clock),
		lintCommand(streams, clock),
		podsCommand(streams, clock),
		renderCommand(streams, clock),
		rotateCommand(streams, clock),
		verifyCommand(streams, clock),
		reportCommand(streams, clock),
	)
	return command
}
