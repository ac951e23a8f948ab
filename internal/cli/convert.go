package cli

import (
	"cmp"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
)

func convertCommand(streams genericiooptions.IOStreams) *cobra.Command {
	var files fileFlags
	var output string
	command := &cobra.Command{
		Use:   "convert -f FILE...",
		Short: "Print the ClusterBundles for Bundles",
		Long: `Print the ClusterBundle for each Bundle in files, and what differs.

Everything that a Bundle says can be said by a ClusterBundle, except the order of sources of
different kinds. The differences go to standard error.

The exit status is 1 if there is no ClusterBundle for a Bundle.`,
		Example: `  kubectl trust convert -f bundle.yaml

  # Look at all Bundles of a cluster
  kubectl get bundles -o yaml | kubectl trust convert -f -`,
		Args:                  noArgs,
		DisableFlagsInUseLine: true,
		RunE:                  func(*cobra.Command, []string) error { return convertBundles(streams, &files, output) },
	}
	files.add(command, "files, directories or URLs with Bundles; - for standard input")
	addOutput(command, &output, outputYAML, outputJSON)
	return command
}

func convertBundles(streams genericiooptions.IOStreams, files *fileFlags, output string) error {
	write, err := objectWriter(streams.Out, output, false)
	if err != nil {
		return err
	}
	m, err := readManifests(files.flags("").ToOptions(), "")
	if err != nil {
		return err
	}
	var result error
	for _, defined := range m.bundles {
		id := defined.Spec.ID
		if id.Kind != bundle.APIBundle {
			warnf(streams.ErrOut, "%s: is not converted", id)
			continue
		}
		converted, differences, problems := apis.Convert(defined.Object)
		if len(problems) > 0 {
			warnf(streams.ErrOut, "%s: %s", id, problems.Error())
			result = errFinding
			continue
		}
		for _, difference := range differences {
			warnf(streams.ErrOut, "%s: %s", id, difference)
		}
		if err := write.print(converted); err != nil {
			return err
		}
	}
	return cmp.Or(write.close(), result)
}
