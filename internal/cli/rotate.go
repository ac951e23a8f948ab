package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/printers"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/encode"
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
}

// rotationPlan is the result of rotate plan.
type rotationPlan struct {
	From certificateDetails `json:"from"`
	To   certificateDetails `json:"to"`
	Step plan.Step          `json:"step"`
	// Safe reports whether the old CA can be removed.
	Safe      bool         `json:"safe"`
	Obstacles []string     `json:"obstacles,omitempty"`
	Bundles   []planBundle `json:"bundles"`
	Serving   []string     `json:"serving,omitempty"`
	Servers   int          `json:"serversChecked"`
	Pods      []usingPod   `json:"pods,omitempty"`
	// Manifests are the objects to apply next.
	Manifests []map[string]any `json:"manifests,omitempty"`
}

// planBundle is a bundle that has the old CA.
type planBundle struct {
	Bundle     string   `json:"bundle"`
	HasNew     bool     `json:"hasNew"`
	Namespaces int      `json:"namespaces"`
	Lacking    []string `json:"lacking,omitempty"`
}

func rotateCommand(streams genericiooptions.IOStreams, clock clock.PassiveClock) *cobra.Command {
	command := &cobra.Command{
		Use:                   "rotate COMMAND",
		Short:                 "Replace a CA by another one",
		DisableFlagsInUseLine: true,
		Args:                  subcommandArgs,
		RunE:                  listCommands,
	}
	command.AddCommand(rotatePlanCommand(streams, clock))
	return command
}

func rotatePlanCommand(streams genericiooptions.IOStreams, clock clock.PassiveClock) *cobra.Command {
	r := &rotatePlan{streams: streams, clock: clock, cluster: newClusterFlags()}
	command := &cobra.Command{
		Use:   "plan --from CA --to CA",
		Short: "Show what has to happen before a CA can be removed, and what to apply next",
		Long: `Show what has to happen before an old CA can be replaced by a new one: which Bundles and namespaces lack
the new one, which pods started before they had it, and which servers still use a certificate of the
old one: Secrets of type kubernetes.io/tls, and the hosts that are given. Then print what to apply next:
Bundles that also trust the new CA, or, once it is safe, Bundles that exclude the old one. Nothing is
changed.

A CA is named by a file, by its SHA-256 (or the first 8 digits or more), or by a part of its subject.

The exit status is 1 as long as the old CA cannot be removed.

Rights: list for Namespaces, Bundles, ClusterBundles and the kinds of their targets, for Secrets and for
Pods; get for sources and rotation states in the trust namespace, and for one target of a bundle that
uses the default CAs, or whose targets are not up to date. What cannot be read counts as an obstacle.`,
		Example: `  kubectl trust rotate plan --from old-root.pem --to new-root.pem
  kubectl trust rotate plan --from "Corporate Root 2016" --to new-root.pem --host db.example:5432
  kubectl trust rotate plan --from old.pem --to new.pem -o yaml`,
		Args:                  noArgs,
		DisableFlagsInUseLine: true,
		RunE:                  func(command *cobra.Command, _ []string) error { return r.run(command.Context()) },
	}
	r.cluster.add(command)
	r.password.add(command)
	addServerFlags(command, &r.starttls, &r.timeout)
	flags := command.Flags()
	flags.StringVar(&r.from, "from", "", "the CA that is to be removed")
	flags.StringVar(&r.to, "to", "", "the CA that replaces it")
	flags.StringSliceVar(&r.hosts, "host", nil, "a server, HOST[:PORT], that is checked as well; may be repeated")
	addOutput(command, &r.output, outputTable, outputJSON, outputYAML)
	return command
}

func (r *rotatePlan) run(ctx context.Context) error {
	if err := checkOutput(r.output, outputTable, outputJSON, outputYAML); err != nil {
		return err
	}
	if r.from == "" || r.to == "" {
		return errors.New("give --from and --to")
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
	rotation := plan.Rotation{Now: r.clock.Now()}
	if rotation.From, err = r.certificate("--from", r.from, all); err != nil {
		return err
	}
	if rotation.To, err = r.certificate("--to", r.to, all); err != nil {
		return err
	}
	if rotation.From.Fingerprint == rotation.To.Fingerprint {
		return errors.New("--from and --to are the same certificate")
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
	if err := printDocument(r.streams, r.output, result); err != nil {
		return err
	}
	if r.output == outputTable {
		if err := printManifests(r.streams, result.Manifests); err != nil {
			return err
		}
	}
	if !result.Safe {
		return errFinding
	}
	return nil
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
	if len(found) != 1 {
		return certs.Certificate{}, fmt.Errorf("%s: %q is %d certificates, and has to be one; see kubectl trust explain", flag, value, len(found))
	}
	return found[0], nil
}

// bundles adds the bundles that have the old CA to the rotation, and returns their definitions.
func (r *rotatePlan) bundles(ctx context.Context, cluster *survey.Cluster, all []survey.Appearance, rotation *plan.Rotation) (definitions []survey.Definition, err error) {
	every, err := cluster.Definitions(ctx)
	if err != nil {
		return nil, err
	}
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
		rotation.Bundles = append(rotation.Bundles, plan.Bundle{ID: id, HasNew: has(rotation.To), Namespaces: total, Lacking: lacking})
		definitions = append(definitions, definition)
	}
	return definitions, nil
}

// newRotationPlan returns what is printed.
func newRotationPlan(rotation plan.Rotation, decided plan.Result, pods []usingPod, definitions []survey.Definition) (*rotationPlan, error) {
	result := &rotationPlan{
		From: detailsOf(&rotation.From), To: detailsOf(&rotation.To), Step: decided.Step, Bundles: []planBundle{},
		Safe:      decided.Step == plan.Remove || decided.Step == plan.Done && len(decided.Obstacles) == 0,
		Obstacles: decided.Obstacles, Serving: decided.Serving, Servers: len(rotation.Servers), Pods: pods,
	}
	for i, b := range rotation.Bundles {
		result.Bundles = append(result.Bundles, planBundle{Bundle: b.ID.String(), HasNew: b.HasNew, Namespaces: b.Namespaces, Lacking: b.Lacking})
		var manifest client.Object
		switch {
		case decided.Step == plan.Add && !b.HasNew:
			manifest = apis.WithCertificate(definitions[i].Object, string(encode.PEM([]certs.Certificate{rotation.To})))
		case decided.Step == plan.Remove:
			manifest = apis.WithExclusion(definitions[i].Object, rotation.From.SHA256(), "replaced by "+rotation.To.SHA256())
		default:
			continue
		}
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(manifest)
		if err != nil {
			return nil, err
		}
		result.Manifests = append(result.Manifests, fields)
	}
	return result, nil
}

// printManifests writes the manifests of a plan after it, as YAML.
func printManifests(streams genericiooptions.IOStreams, manifests []map[string]any) error {
	var printer printers.YAMLPrinter
	for i, manifest := range manifests {
		if i == 0 {
			_, _ = fmt.Fprintln(streams.Out, "\n# Apply next, or make the same change where the manifest is kept:\n---")
		}
		if err := printer.PrintObj(&unstructured.Unstructured{Object: manifest}, streams.Out); err != nil {
			return err
		}
	}
	return nil
}

// Kind implements [document].
func (*rotationPlan) Kind() string { return "RotationPlan" }

// Table implements [document].
func (p *rotationPlan) Table(page *page) {
	page.printf("From %s (SHA-256 %s)", p.From.Subject, p.From.SHA256)
	page.printf("To   %s (SHA-256 %s)", p.To.Subject, p.To.SHA256)
	switch verdict := map[plan.Step]string{
		plan.Add:    "not safe yet: add the new CA first",
		plan.Wait:   "not safe yet: the old CA is still needed",
		plan.Remove: "safe: nothing that was looked at needs the old CA",
		plan.Done:   "done: no bundle has the old CA",
	}[p.Step]; {
	case p.Safe:
		page.printf("%s", page.paint(green, verdict))
	default:
		page.printf("%s", page.paint(yellow, verdict))
	}
	for _, obstacle := range p.Obstacles {
		page.printf("  - %s", obstacle)
	}
	var rows, pods [][]string
	for _, b := range p.Bundles {
		rows = append(rows, []string{b.Bundle, map[bool]string{true: "yes", false: "no"}[b.HasNew], strconv.Itoa(b.Namespaces), strconv.Itoa(len(b.Lacking))})
	}
	page.table([]string{"BUNDLE WITH THE OLD CA", "HAS THE NEW ONE", "NAMESPACES", "NOT UP TO DATE"}, rows)
	for _, pod := range p.Pods {
		pods = append(pods, []string{pod.Namespace, pod.Name, cmp.Or(pod.Owner, "-"), string(pod.Reason)})
	}
	page.table([]string{"RESTART: NAMESPACE", "POD", "OWNER", "REASON"}, pods)
	page.printf("%d servers were checked, %d of them use the old CA", p.Servers, len(p.Serving))
}
