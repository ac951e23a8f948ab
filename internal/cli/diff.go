package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/survey"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/text"
)

// diff compares Bundles in manifests with the cluster.
type diff struct {
	streams genericiooptions.IOStreams
	clock   clock.PassiveClock
	cluster *clusterFlags
	files   fileFlags
	all     bool
	output  string
}

func diffCommand(streams genericiooptions.IOStreams, clock clock.PassiveClock) *cobra.Command {
	d := &diff{streams: streams, clock: clock, cluster: newClusterFlags()}
	command := &cobra.Command{
		Use:   "diff -f FILE...",
		Short: "Show what an apply of Bundles would change, and in how many namespaces",
		Long: `Show what an apply of Bundles and ClusterBundles would change: certificates added, removed, retained
and excluded, the number of targets that are written, and their size. Sources that the files do not
contain are read from the trust namespace. Without --default-package, the default CAs are taken from
the targets of Bundles that use them.

The exit status is 1 if there is a difference, or if a bundle cannot be built or a target would be
refused.

Rights: list for Namespaces, Bundles, ClusterBundles and the kinds of the targets; get for sources and
rotation states in the trust namespace, and for one target.`,
		Example: `  kubectl trust diff -f bundle.yaml
  kubectl trust diff -f bundle.yaml -f sources/ -o json`,
		Args:                  noArgs,
		DisableFlagsInUseLine: true,
		RunE:                  func(command *cobra.Command, _ []string) error { return d.run(command.Context()) },
	}
	d.files.add(command, "files, directories or URLs with Bundles and possibly their sources; - for standard input")
	d.cluster.add(command)
	d.cluster.withoutNamespace(command)
	command.Flags().BoolVar(&d.all, "all", false, "list the default CAs one by one as well")
	addOutput(command, &d.output, outputTable, outputJSON, outputYAML)
	return command
}

func (d *diff) run(ctx context.Context) error {
	if err := checkOutput(d.output, outputTable, outputJSON, outputYAML); err != nil {
		return err
	}
	m, err := readManifests(d.files.flags("").ToOptions(), d.cluster.trustNamespace)
	if err != nil {
		return err
	}
	connected, err := d.cluster.connect()
	if err != nil {
		return err
	}
	cluster := d.cluster.survey(connected, overlay{m.objects, connected}, d.clock)
	live, err := cluster.Definitions(ctx)
	if err != nil {
		return err
	}
	result := &differences{Bundles: []difference{}}
	isDifferent := false
	show := progress(d.streams, "comparing bundle")
	for i, definition := range m.bundles {
		show(i, len(m.bundles))
		changed, err := d.compare(ctx, cluster, definition, m.bundles, live)
		if err != nil {
			return err
		}
		isDifferent = isDifferent || changed.isDifferent()
		result.Bundles = append(result.Bundles, changed)
	}
	if err := printDocument(d.streams, d.output, result); err != nil {
		return err
	}
	if isDifferent {
		return errFinding
	}
	return nil
}

// compare returns what an apply of a definition would change.
func (d *diff) compare(ctx context.Context, cluster *survey.Cluster, wanted survey.Definition, given, live []survey.Definition) (difference, error) {
	result := difference{Bundle: wanted.Spec.ID.String(), all: d.all}
	before := find(live, wanted.Spec.ID)
	result.Exists = before != nil
	if before != nil {
		wanted.Spec.Owner = before.Spec.Owner // the manifest has no UID
	}
	superior, err := superiorOf(ctx, cluster, wanted.Spec.ID, given, live)
	if err != nil {
		return difference{}, err
	}
	if superior != nil {
		result.Superseded = true
		result.Notes = []string{superior.Spec.ID.String() + " supersedes it, so it has no targets of its own"}
		return result, nil
	}
	if inferior := inferiorOf(wanted.Spec.ID, live); inferior != nil {
		before = inferior
		result.Notes = []string{"it takes over the targets of " + inferior.Spec.ID.String()}
	}
	built, err := cluster.Build(ctx, wanted)
	if err != nil {
		return difference{}, err
	}
	result.Notes = slices.Concat(result.Notes, built.StateFaults, built.Built.Content.Notes)
	if problems := built.Built.Problems; len(problems) > 0 {
		result.Reason, result.Problem = problems.Reason(), problems.Error()
		return result, nil
	}
	if len(wanted.Spec.Targets) == 0 && (before == nil || len(before.Spec.Targets) == 0) {
		result.Certificates = len(built.Built.Content.Certificates)
		result.Notes = append(result.Notes, "it has no target, so nothing is written")
		return result, nil
	}
	if err := d.note(ctx, cluster, wanted.Spec, &result); err != nil {
		return difference{}, err
	}
	old, bytes, err := d.before(ctx, cluster, before, &result)
	if err != nil {
		return difference{}, err
	}
	omitted, err := cluster.Omitted(ctx, wanted)
	if err != nil {
		return difference{}, err
	}
	result.certificates(built, old, omitted)
	return result, d.targets(ctx, cluster, before, built, bytes, &result)
}

// superiorOf returns the ClusterBundle that supersedes a Bundle after the apply, or nil: that of the
// files or else of the cluster, if it has targets, and has been built or can be.
func superiorOf(ctx context.Context, cluster *survey.Cluster, id bundle.ID, given, live []survey.Definition) (*survey.Definition, error) {
	superiorID, ok := id.Superior()
	if !ok {
		return nil, nil
	}
	superior := cmp.Or(find(given, superiorID), find(live, superiorID))
	if superior == nil || len(superior.Spec.Targets) == 0 {
		return nil, nil
	}
	if present := find(live, id); present != nil && survey.IsSuperseded(*present) {
		return superior, nil
	}
	built, err := cluster.Build(ctx, *superior)
	if err != nil || len(built.Built.Problems) > 0 {
		return nil, err
	}
	return superior, nil
}

// inferiorOf returns the Bundle of the cluster whose targets a ClusterBundle takes over, or nil.
func inferiorOf(id bundle.ID, live []survey.Definition) *survey.Definition {
	inferiorID, ok := id.Inferior()
	if !ok {
		return nil
	}
	inferior := find(live, inferiorID)
	if inferior == nil || survey.IsSuperseded(*inferior) {
		return nil
	}
	return inferior
}

// find returns the definition of a bundle, or nil.
func find(definitions []survey.Definition, id bundle.ID) *survey.Definition {
	at := slices.IndexFunc(definitions, func(d survey.Definition) bool { return d.Spec.ID == id })
	if at < 0 {
		return nil
	}
	return &definitions[at]
}

// note adds a note if the default CA package is not exactly known.
func (d *diff) note(ctx context.Context, cluster *survey.Cluster, spec bundle.Spec, result *difference) error {
	if !slices.ContainsFunc(spec.Sources, func(s bundle.Source) bool { return s.DefaultCAs }) {
		return nil
	}
	defaultCAs, isDerived, err := cluster.DefaultCAs(ctx)
	if err == nil && isDerived {
		result.Notes = append(result.Notes, fmt.Sprintf("the %s of the default CA package %s are taken from targets; to be exact, give --default-package",
			text.Count(len(defaultCAs.Certificates()), "certificate"), defaultCAs.ID()))
	}
	return err
}

// before returns the certificates that most targets of a bundle in the cluster have, and the size of
// a target of each kind.
func (d *diff) before(ctx context.Context, cluster *survey.Cluster, before *survey.Definition, result *difference) ([]certs.Certificate, map[bundle.Kind]int, error) {
	bytes := map[bundle.Kind]int{}
	if before == nil || len(before.Invalid) > 0 {
		return nil, bytes, nil
	}
	var old []certs.Certificate
	for _, wanted := range before.Spec.Targets {
		all, err := cluster.Targets(ctx, before.Spec.Marks, wanted.Kind)
		if err != nil {
			return nil, nil, err
		}
		targets := slices.DeleteFunc(slices.Clone(all), func(t survey.Target) bool { return t.Bundle != before.Spec.ID })
		common, others, ok := survey.MostCommon(targets)
		if !ok {
			continue
		}
		if others > 0 {
			result.Notes = append(result.Notes, fmt.Sprintf("%d of %d %ss have another content than the one that is compared", others, len(targets), wanted.Kind))
		}
		object, err := cluster.Read(ctx, common.Ref)
		if err != nil {
			return nil, nil, err
		}
		bytes[wanted.Kind] = sizeOf(object.Text, object.Binary)
		if old == nil {
			if old, err = cluster.CertificatesIn(ctx, before.Spec, common.Ref); err != nil {
				return nil, nil, err
			}
		}
	}
	return old, bytes, nil
}

// sizeOf returns the size of the values of an object.
func sizeOf(text map[string]string, binary map[string][]byte) (bytes int) {
	for _, value := range text {
		bytes += len(value)
	}
	for _, value := range binary {
		bytes += len(value)
	}
	return bytes
}

// targets counts what happens to the targets.
func (d *diff) targets(ctx context.Context, cluster *survey.Cluster, before *survey.Definition, built *survey.Bundle, bytes map[bundle.Kind]int, result *difference) error {
	spec := built.Spec
	namespaces, err := cluster.Selected(ctx, spec)
	if err != nil {
		return err
	}
	kinds := slices.Clone(spec.Targets)
	if before != nil {
		kinds = append(kinds, slices.DeleteFunc(slices.Clone(before.Spec.Targets), func(t bundle.Target) bool { return spec.HasTarget(t.Kind) })...)
	}
	for _, wanted := range kinds {
		present := map[target.Ref]survey.Target{}
		if before != nil {
			all, err := cluster.Targets(ctx, before.Spec.Marks, wanted.Kind)
			if err != nil {
				return err
			}
			for _, t := range all {
				if t.Bundle == before.Spec.ID {
					present[t.Ref] = t
				}
			}
		}
		changes := targetChanges{Kind: wanted.Kind.String(), BytesBefore: bytes[wanted.Kind]}
		shape := built.Built.Revision.Shapes[wanted.Kind]
		if shape != nil {
			changes.Bytes = sizeOf(shape.Text, shape.Binary)
			for _, namespace := range target.TypeOf(wanted.Kind).Places(namespaces) {
				key := shape.KeyOf(spec.ID, namespace)
				if reason := changes.count(key, built.Built.Revision, shape, present, before); reason != "" {
					result.refuse(key, reason)
				}
				delete(present, key.Ref)
			}
		}
		changes.Released = len(present)
		result.Targets = append(result.Targets, changes)
	}
	return nil
}

// count counts what the operator does about one target of the bundle, or of the one before. If it
// refuses to write it, the reason is returned.
func (c *targetChanges) count(key target.Key, revision *target.Revision, shape *target.Shape, present map[target.Ref]survey.Target, before *survey.Definition) (refusal string) {
	desired := target.Desired{Owner: revision.Owner, Marks: revision.Marks, Shape: shape, Selected: true, Overwrite: revision.Overwrite}
	observed := target.Observed{State: target.Absent}
	if found, ok := present[key.Ref]; ok {
		// The metadata tell which content the operator has written, but not what others did since.
		holding := target.Holding{Digest: found.Digest, Clean: true}
		if before.Spec.ID != key.Bundle {
			holding.Digest = "" // it gets other marks
		}
		if !shape.Orphan {
			holding.Owner = string(desired.Owner.UID)
		}
		observed = target.Observed{State: target.Cached, UID: string(found.Meta.UID), ResourceVersion: found.Meta.ResourceVersion, Holding: holding}
	}
	action := target.Decide(key, desired, observed)
	switch {
	case action.Verb == target.Refuse:
		c.Refused++
		return action.Reason
	case shape.Refused != nil:
		c.Refused++
		return shape.Refused.Error()
	case action.Verb == target.Create || action.Verb == target.Apply:
		c.Created++
	case action.Verb == target.NoOp:
		c.Unchanged++
	default:
		c.Changed++
	}
	return ""
}
