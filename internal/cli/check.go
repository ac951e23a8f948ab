package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"

	"trust-manager.io/internal/diagnosis"
)

// check judges a cluster and the operator in it.
type check struct {
	streams genericiooptions.IOStreams
	clock   clock.PassiveClock
	cluster *clusterFlags
	pre     bool
	output  string
}

// checkResults is the result of check.
type checkResults struct {
	Checks []diagnosis.Check `json:"checks"`
}

func checkCommand(streams genericiooptions.IOStreams, clock clock.PassiveClock) *cobra.Command {
	c := &check{streams: streams, clock: clock, cluster: newClusterFlags()}
	command := &cobra.Command{
		Use:   "check",
		Short: "Check the operator and the cluster, or the cluster before an installation",
		Long: `Check what the operator needs: the version of Kubernetes, the CustomResourceDefinitions, the operator's
Deployment, webhook and rights, the state of its Bundles, the age of the default CAs, and whether the
API server and the nodes support ClusterTrustBundles and admission policies.

With --pre, check the cluster before an installation: the versions, your rights to install the chart in
a namespace (--namespace, or the trust namespace), the trust namespace, and whether cert-manager or
another trust-manager is installed.

Each check passes, warns, or fails; it is skipped if it does not apply, and unknown if it cannot be read.

The exit status is 1 if a check fails, and otherwise 2 if the operator or the bundles cannot be read.

Rights: list for Bundles, ClusterBundles, Deployments, ValidatingWebhookConfigurations and Nodes; list
for EndpointSlices in the operator's namespace; create for SubjectAccessReviews. With --pre: list for
Deployments and Nodes, and get for the trust namespace. A check without its rights is unknown.`,
		Example: `  kubectl trust check
  kubectl trust check --pre -n cert-manager`,
		Args:                  noArgs,
		DisableFlagsInUseLine: true,
		RunE: func(command *cobra.Command, _ []string) error {
			if !c.pre {
				if err := rejectNamespace(command); err != nil {
					return err
				}
			}
			return c.run(command.Context())
		},
	}
	c.cluster.addConnection(command)
	flags := command.Flags()
	flags.Lookup("namespace").Usage = "the namespace of the installation, for --pre"
	flags.StringVar(&c.cluster.trustNamespace, "trust-namespace", defaultTrustNamespace, "the namespace of the sources, for --pre; an installed operator has it in its flags")
	flags.BoolVar(&c.pre, "pre", false, "check the cluster before an installation")
	addOutput(command, &c.output, outputTable, outputJSON, outputYAML)
	return command
}

// defaultTrustNamespace is the default of the operator's flag.
const defaultTrustNamespace = "cert-manager"

func (c *check) run(ctx context.Context) error {
	if err := checkOutput(c.output, outputTable, outputJSON, outputYAML); err != nil {
		return err
	}
	connected, err := c.cluster.connect()
	if err != nil {
		return err
	}
	f, err := gatherFacts(ctx, connected)
	if err != nil {
		return err
	}
	result := &checkResults{}
	if c.pre {
		result.Checks = c.beforeInstallation(ctx, f)
	} else {
		result.Checks = c.installed(ctx, f)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := printDocument(c.streams, c.output, result); err != nil {
		return err
	}
	if diagnosis.IsFailed(result.Checks) {
		return errFinding
	}
	if unread := diagnosis.Unread(result.Checks); len(unread) > 0 {
		return fmt.Errorf("the check is incomplete, since this could not be read: %s", strings.Join(unread, ", "))
	}
	return nil
}

// installed checks an installed operator.
func (c *check) installed(ctx context.Context, f *facts) (checks []diagnosis.Check) {
	checks = append(checks, diagnosis.Kubernetes(f.version))
	for _, definition := range f.definitions {
		checks = append(checks, definition.Installed())
	}
	bundles, bundlesErr := c.bundles(ctx, f)
	operators, err := installations(ctx, f.api)
	if err != nil {
		checks = append(checks, diagnosis.Unreadable(diagnosis.NameOperator, err))
	} else {
		checks = append(checks, diagnosis.Operators(described(operators))...)
	}
	checks = append(checks, f.webhook(ctx, operators)...)
	if bundlesErr == nil {
		checks = append(checks, f.rights(ctx, operators, bundles)...)
		checks = append(checks, diagnosis.Bundles(bundles)...)
		checks = append(checks, diagnosis.Packages(bundles, c.clock.Now())...)
	} else {
		checks = append(checks, diagnosis.Unreadable(diagnosis.NameBundles, bundlesErr))
	}
	return append(checks, f.support(ctx, diagnosis.TrustBundleUsers(bundles))...)
}

// beforeInstallation checks a cluster before an installation.
func (c *check) beforeInstallation(ctx context.Context, f *facts) (checks []diagnosis.Check) {
	namespace := cmp.Or(c.cluster.givenNamespace(), c.cluster.trustNamespace)
	checks = append(checks, diagnosis.Kubernetes(f.version))
	for _, definition := range f.definitions {
		checks = append(checks, definition.BeforeInstallation())
	}
	if operators, err := installations(ctx, f.api); err != nil {
		checks = append(checks, diagnosis.Unreadable(diagnosis.NameOperator, err))
	} else {
		checks = append(checks, diagnosis.OthersBeforeInstallation(described(operators)))
	}
	checks = append(checks, f.trustNamespace(ctx, c.cluster.trustNamespace))
	checks = append(checks, f.installRights(ctx, namespace, c.cluster.trustNamespace))
	checks = append(checks, diagnosis.Issuer(f.hasCertManager()))
	return append(checks, f.support(ctx, nil)...)
}

// bundles returns all bundles and what their status reports.
func (c *check) bundles(ctx context.Context, f *facts) (bundles []diagnosis.Bundle, err error) {
	definitions, err := c.cluster.survey(f.api, nil, c.clock).Definitions(ctx)
	for _, definition := range definitions {
		bundles = append(bundles, bundleFacts(definition))
	}
	return bundles, err
}

// Kind implements [document].
func (*checkResults) Kind() string { return "Checks" }

// Table implements [document].
func (r *checkResults) Table(page *page) {
	colors := map[diagnosis.Status]color{diagnosis.Pass: green, diagnosis.Warn: yellow, diagnosis.Fail: red, diagnosis.Unknown: yellow}
	for _, check := range r.Checks {
		name := check.Name
		if check.Subject != "" {
			name = fmt.Sprintf("%s (%s)", name, check.Subject)
		}
		status := fmt.Sprintf("%-*s", len(diagnosis.Unknown), check.Status)
		page.printf("%s  %s: %s", page.paint(colors[check.Status], status), name, check.Detail)
	}
	page.printf("%s", diagnosis.Summary(r.Checks))
}
