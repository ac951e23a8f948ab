package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"trust-manager.io/internal/survey"
)

// completeValues completes a flag with fixed values.
func completeValues(command *cobra.Command, flag string, values ...string) {
	completeFunc(command, flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// completeFunc completes a flag by a function.
func completeFunc(command *cobra.Command, flag string, complete cobra.CompletionFunc) {
	_ = command.RegisterFlagCompletionFunc(flag, complete) // fails for a flag that does not exist
}

// addOutput adds the flag --output with its values.
func addOutput(command *cobra.Command, output *string, value string, values ...string) {
	all := append([]string{value}, values...)
	usage := "output: " + strings.Join(all[:len(all)-1], ", ") + " or " + all[len(all)-1]
	command.Flags().StringVarP(output, "output", "o", value, usage)
	completeValues(command, "output", all...)
}

// completeBundles completes the names of bundles, after a prefix for each kind if there is one.
func (f *clusterFlags) completeBundles(prefixes map[string]string) cobra.CompletionFunc {
	return func(command *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
		definitions, err := f.definitions(command.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		var names []string
		for _, definition := range definitions {
			id := definition.Spec.ID
			if name := prefixes[id.Kind.String()] + id.Name; strings.HasPrefix(name, toComplete) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// kindPrefixes come before the names of bundles in arguments KIND/NAME.
var kindPrefixes = map[string]string{"Bundle": "bundle/", "ClusterBundle": "clusterbundle/"}

// completeSubjects completes arguments that are files or KIND/NAME.
func (f *clusterFlags) completeSubjects(command *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	mayBeBundle := func(prefix string) bool {
		return strings.HasPrefix(prefix, toComplete) || strings.HasPrefix(toComplete, prefix)
	}
	if !mayBeBundle("bundle/") && !mayBeBundle("clusterbundle/") {
		return nil, cobra.ShellCompDirectiveDefault
	}
	names, directive := f.completeBundles(kindPrefixes)(command, args, toComplete)
	if len(names) == 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return names, directive &^ cobra.ShellCompDirectiveNoFileComp
}

// definitions reads the definitions of the bundles of the cluster.
func (f *clusterFlags) definitions(ctx context.Context) ([]survey.Definition, error) {
	connected, err := f.connect()
	if err != nil {
		return nil, err
	}
	return f.survey(connected, nil, nil).Definitions(ctx)
}
