package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"

	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/plan"
	"trust-manager.io/internal/survey"
)

// rotatePlan plans the replacement of a CA.
type rotatePlan struct {
	streams  genericiooptions.IOStreams
	clock    clock.PassiveClock
	cluster  *clusterFlags
	password passwordFlags
	from, to string
	hosts    []string
	starttls string
	timeout  time.Duration
	output   string
	// flags are those that the user has given, as a shell reads them.
	flags string
}

// outputManifests is the output of what to apply next alone.
const outputManifests = "manifests"

func rotateCommand(streams genericiooptions.IOStreams, clock clock.PassiveClock) *cobra.Command {
	command := &cobra.Command{
		Use:                   "rotate COMMAND",
		Short:                 "Plan the replacement of a CA (changes nothing)",
		DisableFlagsInUseLine: true,
		Args:                  subcommandArgs,
		RunE:                  listCommands,
	}
	plan := rotatePlanCommand(streams, clock)
	command.AddCommand(plan)
	command.SetFlagErrorFunc(func(failed *cobra.Command, err error) error {
		if name, ok := unknownFlag(failed, err); ok && failed == command && plan.Flags().Lookup(name) != nil {
			return usagef("%w; did you mean rotate plan?", err)
		}
		return flagError(failed, err)
	})
	return command
}

func rotatePlanCommand(streams genericiooptions.IOStreams, clock clock.PassiveClock) *cobra.Command {
	r := &rotatePlan{streams: streams, clock: clock, cluster: newClusterFlags()}
	command := &cobra.Command{
		Use:   "plan --from CA --to CA",
		Short: "Show what has to happen before a CA can be removed, and what to apply next",
		Long: `Show what has to happen before an old CA can be replaced by a new one, in order: which Bundles and
namespaces lack the new one, which pods started before they had it, and which servers still have a
certificate of the old one: Secrets of type kubernetes.io/tls, and the hosts that are given. A server
may get a certificate of the new CA only when all Bundles, namespaces and pods have that CA.

Certificates count by names and signatures alone: also those of clients, and expired ones. Issuers are
looked up in the chain, in ca.crt of the Secrets, and in all bundles. What cannot be read, and a
certificate whose issuer is unknown, are obstacles.

-o manifests prints what to apply next: Bundles that also trust the new CA, or, once it is safe, Bundles
that exclude the old one. The plan goes to standard error then. Nothing is changed.

A CA is named by a file, by its SHA-256 (or the first 8 digits or more), or by a part of its subject.
With --namespace, only the pods and Secrets of that namespace are checked, and so removing the CA is
never safe.

The exit status is 1 as long as the old CA cannot be removed.

Rights: list for Namespaces, Bundles, ClusterBundles and the kinds of their targets, for Secrets and for
Pods; get for sources and rotation states in the trust namespace, and for one target of a bundle that
uses the default CAs, or whose targets are not up to date.`,
		Example: `  kubectl trust rotate plan --from old-root.pem --to new-root.pem
  kubectl trust rotate plan --from "Corporate Root 2016" --to new-root.pem --host db.example:5432
  kubectl trust rotate plan --from old.pem --to new.pem -o manifests >next.yaml`,
		Args:                  noArgs,
		DisableFlagsInUseLine: true,
		RunE: func(command *cobra.Command, _ []string) error {
			r.flags = givenFlags(command, "output")
			return r.run(command.Context())
		},
	}
	r.cluster.add(command)
	r.password.add(command)
	addServerFlags(command, &r.starttls, &r.timeout)
	flags := command.Flags()
	flags.StringVar(&r.from, "from", "", "the CA that is to be removed")
	flags.StringVar(&r.to, "to", "", "the CA that replaces it")
	flags.StringSliceVar(&r.hosts, "host", nil, "a server, HOST[:PORT], that is checked as well; may be repeated")
	addOutput(command, &r.output, outputTable, outputManifests, outputJSON, outputYAML)
	return command
}

func (r *rotatePlan) run(ctx context.Context) error {
	if err := checkOutput(r.output, outputTable, outputManifests, outputJSON, outputYAML); err != nil {
		return err
	}
	if r.from == "" || r.to == "" {
		return usagef("give --from and --to")
	}
	if err := checkStandardInput(r.from, r.to); err != nil {
		return err
	}
	connected, err := r.cluster.connect()
	if err != nil {
		return err
	}
	cluster := r.cluster.survey(connected, nil, r.clock)
	all, err := cluster.Appearances(ctx, progress(r.streams, "reading bundle"))
	if err != nil {
		return err
	}
	rotation, err := r.rotation(cluster, all)
	if err != nil {
		return err
	}
	definitions, err := r.bundles(ctx, cluster, all, &rotation)
	if err != nil {
		return err
	}
	pods := r.pods(ctx, connected, cluster, definitions, &rotation)
	r.servers(ctx, connected, &rotation)
	result, err := newRotationPlan(rotation, plan.Of(rotation), pods, definitions)
	if err != nil {
		return err
	}
	result.flags = r.flags
	if err := r.print(result); err != nil {
		return err
	}
	if !result.Safe {
		return errFinding
	}
	return nil
}

// rotation returns a rotation between the CAs that the flags name.
func (r *rotatePlan) rotation(cluster *survey.Cluster, all []survey.Appearance) (rotation plan.Rotation, err error) {
	rotation = plan.Rotation{Now: r.clock.Now(), UnknownServers: slices.Clone(cluster.Notes())}
	if rotation.From, err = r.certificate("--from", r.from, all); err != nil {
		return rotation, err
	}
	if rotation.To, err = r.certificate("--to", r.to, all); err != nil {
		return rotation, err
	}
	switch {
	case rotation.From.Fingerprint == rotation.To.Fingerprint:
		return rotation, errors.New("--from and --to are the same certificate")
	case !rotation.To.CA:
		return rotation, fmt.Errorf("--to: %s is not a CA by its basic constraints", rotation.To.DisplaySubject())
	}
	for _, a := range all {
		rotation.Known = append(rotation.Known, a.Certificate)
	}
	if namespace := r.cluster.givenNamespace(); namespace != "" {
		rotation.UnknownPods = append(rotation.UnknownPods, fmt.Sprintf("only the pods and Secrets of namespace %s were looked at; run the command without --namespace", namespace))
	}
	return rotation, nil
}

// print writes the plan, or what to apply next; then the plan goes to standard error.
func (r *rotatePlan) print(result *rotationPlan) error {
	if r.output != outputManifests {
		return printDocument(r.streams, r.output, result)
	}
	page := newPage(r.streams.ErrOut)
	result.report(page)
	if err := page.flush(); err != nil {
		return err
	}
	return printManifests(r.streams.Out, result.Manifests)
}

// certificate returns the certificate that a flag names: the only one of a file, or the only one of
// the bundles that matches.
func (r *rotatePlan) certificate(flag, value string, all []survey.Appearance) (certs.Certificate, error) {
	selected, err := newQuery(r.streams.In, value, r.password)
	if err != nil {
		return certs.Certificate{}, fmt.Errorf("%s: %w", flag, err)
	}
	found := selected.certificates
	for _, a := range all {
		isKnown := func(c certs.Certificate) bool { return c.Fingerprint == a.Certificate.Fingerprint }
		if selected.matches != nil && len(a.Certificate.DER) > 0 && selected.matches(&a.Certificate) && !slices.ContainsFunc(found, isKnown) {
			found = append(found, a.Certificate)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0:
		return certs.Certificate{}, fmt.Errorf("%s: no certificate of a bundle matches %q", flag, value)
	}
	return certs.Certificate{}, fmt.Errorf("%s: %q names %d certificates; give the SHA-256 of one: %s", flag, value, len(found), matchesOf(found))
}

// maxMatches is how many certificates a message lists.
const maxMatches = 5

// matchesOf lists the first certificates.
func matchesOf(found []certs.Certificate) string {
	var list []string
	for _, certificate := range found[:min(maxMatches, len(found))] {
		list = append(list, fmt.Sprintf("%s (SHA-256 %s…)", certificate.DisplaySubject(), certificate.SHA256()[:shownDigits]))
	}
	if more := len(found) - maxMatches; more > 0 {
		list = append(list, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(list, ", ")
}

// bundles adds the bundles that have the old CA to the rotation, and returns their definitions.
func (r *rotatePlan) bundles(ctx context.Context, cluster *survey.Cluster, all []survey.Appearance, rotation *plan.Rotation) (definitions []survey.Definition, err error) {
	every, err := cluster.Definitions(ctx)
	if err != nil {
		return nil, err
	}
	rotation.Twins = twinsOf(all, &rotation.From, &rotation.To)
	for _, definition := range every {
		id := definition.Spec.ID
		has := func(certificate certs.Certificate) bool {
			return slices.ContainsFunc(all, func(a survey.Appearance) bool {
				return a.Bundle == id && a.Standing.Trusts() && a.Certificate.Fingerprint == certificate.Fingerprint
			})
		}
		if !has(rotation.From) {
			continue
		}
		lacking, total, err := cluster.Lacking(ctx, definition)
		if err != nil {
			return nil, err
		}
		b := plan.Bundle{ID: id, HasNew: has(rotation.To), Namespaces: total, Lacking: lacking}
		if omission, ok := definition.Spec.Filter.Or(r.cluster.filter()).Omission(&rotation.To, rotation.Now); ok {
			b.NewLeftOut, b.NewLeftOutField = omission.Detail, omission.Field
		}
		rotation.Bundles = append(rotation.Bundles, b)
		definitions = append(definitions, definition)
	}
	return definitions, nil
}

// twinsOf returns the trusted certificates, other than the two CAs, that have the name and key of the
// old one.
func twinsOf(all []survey.Appearance, from, to *certs.Certificate) (twins []plan.Twin) {
	for _, a := range all {
		c := &a.Certificate
		isOther := c.Fingerprint != from.Fingerprint && c.Fingerprint != to.Fingerprint
		twin := plan.Twin{Bundle: a.Bundle, SHA256: c.SHA256()}
		if a.Standing.Trusts() && isOther && isTwin(c, from) && !slices.Contains(twins, twin) {
			twins = append(twins, twin)
		}
	}
	return twins
}
