package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// usageError is an error in the arguments of a command. The command and its help are added to it.
type usageError struct{ error }

// Unwrap returns the error itself.
func (e *usageError) Unwrap() error { return e.error }

// usagef returns a [usageError].
func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// usageHint returns what follows an error of a command: the help of the command if it is a
// [usageError].
func usageHint(command *cobra.Command, err error) string {
	var usage *usageError
	if !errors.As(err, &usage) {
		return ""
	}
	return "; see " + command.CommandPath() + " --help"
}

// noArgs accepts no argument.
func noArgs(command *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	if command.Flags().Lookup("filename") != nil {
		hint = "; give files with -f"
	}
	return usagef("%s takes no arguments%s", command.Name(), hint)
}

// oneArg accepts one argument that is not empty. The text names what it can be.
func oneArg(what string) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		switch {
		case len(args) == 0 || args[0] == "":
			return usagef("give %s", what)
		case len(args) > 1:
			return usagef("%s takes one argument: %s", command.Name(), what)
		}
		return nil
	}
}

// optionalArg accepts at most one argument. The text names what it can be.
func optionalArg(what string) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usagef("%s takes one argument: %s", command.Name(), what)
		}
		return nil
	}
}

// subcommandArgs accepts no argument, since each one should have been a command.
func subcommandArgs(command *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	command.SuggestionsMinimumDistance = suggestionDistance
	return usagef("unknown command %q%s", args[0], didYouMean(command.SuggestionsFor(args[0])))
}

// listCommands shows the commands of a command that was given none, and returns an error.
func listCommands(command *cobra.Command, _ []string) error {
	command.PrintErrln(command.UsageString())
	return usagef("no command given")
}

// didYouMean returns a question with the first suggestions, or "" without any.
func didYouMean(suggestions []string) string {
	if len(suggestions) == 0 {
		return ""
	}
	return " (did you mean " + strings.Join(suggestions[:min(len(suggestions), maxSuggestions)], " or ") + "?)"
}

// unknownFlag returns the name of the flag that an error of cobra is about, if the command does not
// have it; ok is false for any other error.
func unknownFlag(command *cobra.Command, err error) (name string, ok bool) {
	var about interface {
		GetSpecifiedName() string
		GetSpecifiedShortnames() string
	}
	if !errors.As(err, &about) || about.GetSpecifiedShortnames() != "" || command.Flags().Lookup(about.GetSpecifiedName()) != nil {
		return "", false
	}
	return about.GetSpecifiedName(), true
}

// flagError adds a suggestion to the error about an unknown flag.
func flagError(command *cobra.Command, err error) error {
	name, ok := unknownFlag(command, err)
	if !ok {
		return &usageError{err}
	}
	// cobra compares names of commands, and so flags become commands here.
	flags := &cobra.Command{SuggestionsMinimumDistance: suggestionDistance}
	for _, flag := range flagsOf(command.Flags().VisitAll) {
		if !flag.Hidden {
			flags.AddCommand(&cobra.Command{Use: flag.Name, Run: func(*cobra.Command, []string) {}})
		}
	}
	suggestions := flags.SuggestionsFor(name)
	for i := range suggestions {
		suggestions[i] = "--" + suggestions[i]
	}
	return usagef("%w%s", err, didYouMean(suggestions))
}

const (
	// suggestionDistance is how many letters of a suggestion differ at most.
	suggestionDistance = 2
	maxSuggestions     = 3
)

// addBuiltins adds cobra's commands help and completion, which return errors about their arguments
// here.
func addBuiltins(root *cobra.Command) {
	root.SuggestionsMinimumDistance = suggestionDistance
	root.SetHelpCommand(&cobra.Command{
		Use:                   "help [COMMAND]",
		Short:                 "Print the help of a command",
		DisableFlagsInUseLine: true,
		RunE: func(_ *cobra.Command, args []string) error {
			command, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				name := strings.Join(args, " ")
				return fmt.Errorf("unknown command %q%s; see %s --help", name, didYouMean(root.SuggestionsFor(name)), root.CommandPath())
			}
			command.InitDefaultHelpFlag()
			command.InitDefaultVersionFlag()
			return command.Help()
		},
	})
	root.InitDefaultCompletionCmd()
	at := slices.IndexFunc(root.Commands(), func(c *cobra.Command) bool { return c.Name() == "completion" })
	completion := root.Commands()[at]
	completion.Use, completion.Short = "completion SHELL", "Print a script that completes arguments of kubectl-trust"
	completion.Long = `Print a script with which a shell (bash, fish, powershell or zsh) completes the arguments of kubectl-trust.

For "kubectl trust", kubectl completes the arguments itself with the program kubectl_complete-trust,
which is in each archive of a release. It must be in a directory of PATH. krew does not put it there.`
	completion.DisableFlagsInUseLine = true
	completion.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usagef("unknown shell %q; give bash, fish, powershell or zsh", args[0])
		}
		return nil
	}
	completion.RunE = listCommands
}
