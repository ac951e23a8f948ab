package cli

import (
	"cmp"
	"context"
	"slices"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"

	"trust-manager.io/internal/build"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/survey"
	"trust-manager.io/internal/target"
)

// render builds the targets of Bundles from manifests alone.
type render struct {
	streams  genericiooptions.IOStreams
	clock    clock.PassiveClock
	files    fileFlags
	operator operatorFlags
	output   string
}

// fileFlags are kubectl's flags for files.
type fileFlags struct {
	names     []string
	kustomize string
	recursive bool
}

func (f *fileFlags) flags(usage string) *genericclioptions.FileNameFlags {
	return &genericclioptions.FileNameFlags{Usage: usage, Filenames: &f.names, Kustomize: &f.kustomize, Recursive: &f.recursive}
}

// add adds the flags to a command.
func (f *fileFlags) add(command *cobra.Command, usage string) {
	flags := command.Flags()
	f.flags(usage).AddFlags(flags)
	flags.Lookup("kustomize").Usage = "a directory that kustomize builds, instead of --filename"
	flags.Lookup("recursive").Usage = "read the directories of --filename with their subdirectories"
}

func renderCommand(streams genericiooptions.IOStreams, clock clock.PassiveClock) *cobra.Command {
	r := &render{streams: streams, clock: clock}
	command := &cobra.Command{
		Use:   "render -f FILE...",
		Short: "Print the target objects of Bundles, from manifests and without a cluster",
		Long: `Print the target objects of Bundles and ClusterBundles, with all files, as the operator would write
them. No cluster is needed: the files contain the Bundles and their sources, the ConfigMaps and
Secrets of the trust namespace.

If the files contain Namespaces, there is an object for each namespace that a Bundle selects;
otherwise there is one without a namespace. The rotation state of a Bundle is used if the files
contain it. The rules of the definitions (CEL) are checked by the API server only.

The exit status is 1 if a bundle cannot be built. The reason is the one that the status would have.`,
		Example: `  # What would this Bundle contain?
  kubectl trust render -f bundle.yaml -f sources/

  # Write the files of the targets to a directory
  kubectl trust render -f bundle.yaml -f sources/ -o dir=out`,
		Args:                  noArgs,
		DisableFlagsInUseLine: true,
		RunE:                  func(command *cobra.Command, _ []string) error { return r.run(command.Context()) },
	}
	flags := command.Flags()
	r.files.add(command, "files, directories or URLs with Bundles and their sources; - for standard input")
	r.operator.add(command)
	flags.StringVarP(&r.output, "output", "o", outputYAML, "output: yaml, json, or dir=PATH for one file for each key of the objects")
	completeValues(command, "output", outputYAML, outputJSON, dirPrefix)
	return command
}

func (r *render) run(ctx context.Context) error {
	write, err := objectWriter(r.streams.Out, r.output, true)
	if err != nil {
		return err
	}
	m, err := readManifests(r.files.flags("").ToOptions(), r.operator.trustNamespace)
	if err != nil {
		return err
	}
	cluster := r.operator.offlineSurvey(m, r.clock)
	var result error
	for _, defined := range m.bundles {
		built, err := r.build(ctx, cluster, m, defined)
		switch {
		case err != nil:
			return err
		case len(built.Problems) > 0:
			r.report(built)
			result = errFinding
			continue
		}
		refused, err := r.print(write, m, built)
		switch {
		case err != nil:
			return err
		case refused:
			result = errFinding
		}
	}
	return cmp.Or(write.close(), result)
}

// report reports why a bundle cannot be built, as the status does.
func (r *render) report(built build.Result) {
	warnf(r.streams.ErrOut, "%s: %s: %s", built.Spec.ID, built.Problems.Reason(), built.Problems.Error())
	if r.operator.defaultPackage == "" && slices.ContainsFunc(built.Spec.Sources, func(s bundle.Source) bool { return s.DefaultCAs }) {
		warnf(r.streams.ErrOut, "here, --default-package names the default CA package; trust-package builds one")
	}
}

// build builds one bundle. One that a ClusterBundle of its name supersedes has no targets; one that
// cannot be built supersedes none.
func (r *render) build(ctx context.Context, cluster *survey.Cluster, m *manifests, defined survey.Definition) (build.Result, error) {
	spec := defined.Spec
	if superior := m.superiorOf(spec.ID); superior != nil {
		built, err := r.build(ctx, cluster, m, *superior)
		if err != nil {
			return built, err
		}
		if len(built.Problems) == 0 {
			warnf(r.streams.ErrOut, "%s: superseded by %s, and without targets of its own", spec.ID, superior.Spec.ID)
			return build.Result{Spec: spec}, nil
		}
	}
	built, err := cluster.Build(ctx, defined)
	if err != nil {
		return build.Result{}, err
	}
	for _, fault := range built.StateFaults {
		warnf(r.streams.ErrOut, "%s: %s", spec.ID, fault)
	}
	return built.Built, nil
}

// superiorOf returns the definition of the bundle that supersedes another once it can be built, or
// nil.
func (m *manifests) superiorOf(id bundle.ID) *survey.Definition {
	superior, ok := id.Superior()
	at := slices.IndexFunc(m.bundles, func(d survey.Definition) bool { return ok && d.Spec.ID == superior })
	if at < 0 {
		return nil
	}
	return &m.bundles[at]
}

// print prints the targets of a bundle: those of each kind, by namespace. It reports whether the API
// server would refuse some of them.
func (r *render) print(write *writer, m *manifests, built build.Result) (refused bool, err error) {
	for _, note := range built.Content.Notes {
		warnf(r.streams.ErrOut, "%s: %s", built.Spec.ID, note)
	}
	if built.Revision == nil {
		return false, nil
	}
	namespaces := []string{""}
	if len(m.namespaces) > 0 {
		namespaces = m.names(func(n *corev1.Namespace) bool {
			return n.DeletionTimestamp == nil && built.Revision.Namespaces.Matches(labels.Set(n.Labels))
		})
	}
	for _, wanted := range built.Spec.Targets {
		shape := built.Revision.Shapes[wanted.Kind]
		if shape.Refused != nil {
			warnf(r.streams.ErrOut, "%s: %s: %s %s: %v", built.Spec.ID, target.TypeOf(wanted.Kind).SyncFailed,
				wanted.Kind, shape.KeyOf(built.Spec.ID, "").Name, shape.Refused)
			refused = true
			continue
		}
		for _, namespace := range target.TypeOf(wanted.Kind).Places(namespaces) {
			action := target.Action{Verb: target.Create, Key: shape.KeyOf(built.Spec.ID, namespace), Shape: shape, Owner: built.Revision.Owner}
			if err := write.object(action, wanted.Files); err != nil {
				return refused, err
			}
		}
	}
	return refused, nil
}
