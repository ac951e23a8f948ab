package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"
)

// The exit statuses.
const (
	statusFinding = 1
	statusFailure = 2
)

// errFinding is the result of a command that has answered the question, and whose answer is not
// as wished. It has been reported.
var errFinding = errors.New("not as wished")

// Run runs a command with its arguments, without the name of the program, and returns the exit
// status. The clock decides which certificates have expired.
func Run(ctx context.Context, args []string, streams genericiooptions.IOStreams, clock clock.PassiveClock) int {
	command := Command(streams, clock)
	command.SetArgs(args)
	command.SetIn(streams.In)
	command.SetOut(streams.Out)
	command.SetErr(streams.ErrOut)
	switch err := command.ExecuteContext(ctx); {
	case errors.Is(err, errFinding):
		return statusFinding
	case err != nil:
		_, _ = fmt.Fprintln(streams.ErrOut, "kubectl trust:", err)
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

The exit status is 0 if all is as wished, 1 if it is not (see the help of each command), and 2 if
the question could not be answered. All flags of kubectl for the connection to a cluster are accepted,
also those that the help of a command does not show.`,
		Annotations:           map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl trust"},
		Version:               version,
		SilenceUsage:          true,
		SilenceErrors:         true,
		DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q; see kubectl trust --help", args[0])
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			return errors.New("no command given; see kubectl trust --help")
		},
	}
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
