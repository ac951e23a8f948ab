package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/build"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/rotation"
	"trust-manager.io/internal/source"
	"trust-manager.io/internal/target"
)

// render builds the targets of Bundles from manifests alone.
type render struct {
	streams        genericiooptions.IOStreams
	clock          clock.PassiveClock
	files          fileFlags
	defaultPackage string
	trustNamespace string
	output         string
	filterExpired  bool
	filterNonCA    bool
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
		Args:                  cobra.NoArgs,
		DisableFlagsInUseLine: true,
		RunE:                  func(command *cobra.Command, _ []string) error { return r.run(command.Context()) },
	}
	flags := command.Flags()
	r.files.flags("files, directories or URLs with Bundles and their sources; - for standard input").AddFlags(flags)
	flags.StringVar(&r.defaultPackage, "default-package", "", "the default CA package, a JSON file, for Bundles that use the default CAs")
	flags.StringVar(&r.trustNamespace, "trust-namespace", "cert-manager", "the namespace of the sources, as in the operator's flag")
	flags.BoolVar(&r.filterExpired, "filter-expired-certificates", false, "drop expired certificates, as the operator's flag does")
	flags.BoolVar(&r.filterNonCA, "filter-non-ca-certs", false, "drop certificates that are not a CA, as the operator's flag does")
	flags.StringVarP(&r.output, "output", "o", outputYAML, "output: yaml, json, or dir=PATH for one file for each key of the objects")
	return command
}

func (r *render) run(ctx context.Context) error {
	write, err := objectWriter(r.streams.Out, r.output, true)
	if err != nil {
		return err
	}
	m, err := readManifests(r.files.flags("").ToOptions(), r.trustNamespace)
	if err != nil {
		return err
	}
	config, err := r.config(m)
	if err != nil {
		return err
	}
	var result error
	for _, defined := range m.bundles {
		built, err := r.build(ctx, config, m, defined)
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
	_, _ = fmt.Fprintf(r.streams.ErrOut, "%s: %s: %s\n", built.Spec.ID, built.Problems.Reason(), built.Problems.Error())
	if r.defaultPackage == "" && slices.ContainsFunc(built.Spec.Sources, func(s bundle.Source) bool { return s.DefaultCAs }) {
		_, _ = fmt.Fprintln(r.streams.ErrOut, "here, --default-package names the default CA package; trust-package builds one")
	}
}

// config returns what builds read: the manifests, and the default CA package.
func (r *render) config(m *manifests) (*build.Config, error) {
	defaultCAs, err := source.LoadDefaultCAs(r.defaultPackage)
	if err != nil {
		return nil, fmt.Errorf("--default-package: %w", err)
	}
	allowed, err := m.allowed()
	if err != nil {
		return nil, err
	}
	var filter bundle.Filter
	if r.filterExpired {
		filter.Expired = bundle.Drop
	}
	if r.filterNonCA {
		filter.NonCA = bundle.Drop
	}
	return &build.Config{
		Sources: source.NewGatherer(source.Config{
			Objects: m.objects, TrustNamespace: r.trustNamespace, DefaultCAs: defaultCAs,
			TrustBundles: m, Allowed: allowed, TargetLabels: apis.All().Labels(),
		}),
		Filter: filter,
		Scope:  target.NewScope([]bundle.Kind{bundle.ConfigMap, bundle.Secret, bundle.ClusterTrustBundle}, nil),
		Clock:  r.clock,
	}, nil
}

// List implements [source.TrustBundles].
func (m *manifests) List() ([]*certificatesv1.ClusterTrustBundle, error) {
	return slices.Clone(m.trustBundles), nil
}

// allowed allows all ClusterTrustBundles that the Bundles read: the operator's flag that limits
// them is unknown.
func (m *manifests) allowed() (source.AllowedTrustBundles, error) {
	var values []string
	for _, defined := range m.bundles {
		for _, s := range defined.spec.Sources {
			if s.TrustBundle != nil {
				values = append(values, cmp.Or(s.TrustBundle.Name, s.TrustBundle.Signer))
			}
		}
	}
	return source.AllowTrustBundles(values)
}

// build builds one bundle. One that a ClusterBundle of its name supersedes has no targets; one that
// cannot be built supersedes none.
func (r *render) build(ctx context.Context, config *build.Config, m *manifests, defined definition) (build.Result, error) {
	spec := defined.spec
	if superior := m.superiorOf(spec.ID); superior != nil {
		built, err := r.build(ctx, config, m, *superior)
		if err != nil {
			return built, err
		}
		if len(built.Problems) == 0 {
			_, _ = fmt.Fprintf(r.streams.ErrOut, "%s: superseded by %s, and without targets of its own\n", spec.ID, superior.spec.ID)
			return build.Result{Spec: spec}, nil
		}
	}
	if len(defined.invalid) > 0 {
		return build.Result{Spec: spec, Problems: defined.invalid}, nil
	}
	var state bundle.State
	if stored, ok := m.objects.configMaps[rotation.Name(spec.ID)]; ok {
		var faults []string
		state, faults = rotation.Decode(stored)
		for _, fault := range faults {
			_, _ = fmt.Fprintf(r.streams.ErrOut, "%s: %s\n", spec.ID, fault)
		}
	}
	return build.New(config).Build(ctx, spec, state, nil)
}

// superiorOf returns the definition of the bundle that supersedes another once it can be built, or
// nil.
func (m *manifests) superiorOf(id bundle.ID) *definition {
	superior, ok := id.Superior()
	at := slices.IndexFunc(m.bundles, func(d definition) bool { return ok && d.spec.ID == superior })
	if at < 0 {
		return nil
	}
	return &m.bundles[at]
}

// print prints the targets of a bundle: those of each kind, by namespace. It reports whether the API
// server would refuse some of them.
func (r *render) print(write *writer, m *manifests, built build.Result) (refused bool, err error) {
	for _, note := range built.Content.Notes {
		_, _ = fmt.Fprintf(r.streams.ErrOut, "%s: %s\n", built.Spec.ID, note)
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
			_, _ = fmt.Fprintf(r.streams.ErrOut, "%s: %s: %s %s: %v\n", built.Spec.ID, target.TypeOf(wanted.Kind).SyncFailed,
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
