package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/lint"
	"trust-manager.io/internal/report"
	"trust-manager.io/internal/survey"
)

// The outputs of report, beside JSON.
const (
	outputHTML     = "html"
	outputMarkdown = "md"
	outputCSV      = "csv"
)

// reportTrust writes a report about all bundles of a cluster.
type reportTrust struct {
	streams genericiooptions.IOStreams
	clock   clock.PassiveClock
	cluster *clusterFlags
	output  string

	connected *connection
	live      *survey.Cluster
}

// reportDocument is a report in JSON.
type reportDocument struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	*report.Report
}

func reportCommand(streams genericiooptions.IOStreams, clock clock.PassiveClock) *cobra.Command {
	r := &reportTrust{streams: streams, clock: clock, cluster: newClusterFlags()}
	command := &cobra.Command{
		Use:   "report",
		Short: "Write a report about the trust of the whole cluster",
		Long: `Write a report about the trust of the whole cluster to standard output: the findings of lint, the
bundles with their sources, which namespace has which bundle, when certificates expire, and where
each certificate is from.

  html  one file that loads nothing else, for people
  md    the same in GitHub Flavored Markdown
  csv   one row for each certificate of each bundle, and for those that it leaves out
  json  all of it, for programs

The exit status is 0 whatever the report has, and 2 if the cluster cannot be read.

Rights: list for Bundles, ClusterBundles, namespaces, ConfigMaps and, if Bundles have such targets,
Secrets and ClusterTrustBundles; get for sources and rotation states in the trust namespace (and list
for sources with selectors), and for a target of each Bundle that cannot be built.`,
		Example: `  kubectl trust report >trust.html
  kubectl trust report -o md >>"$GITHUB_STEP_SUMMARY"
  kubectl trust report -o json | jq .counts`,
		Args:                  noArgs,
		DisableFlagsInUseLine: true,
		RunE:                  func(command *cobra.Command, _ []string) error { return r.run(command.Context()) },
	}
	r.cluster.add(command)
	r.cluster.withoutNamespace(command)
	addOutput(command, &r.output, outputHTML, outputMarkdown, outputJSON, outputCSV)
	return command
}

func (r *reportTrust) run(ctx context.Context) (err error) {
	if err := checkOutput(r.output, outputHTML, outputMarkdown, outputJSON, outputCSV); err != nil {
		return err
	}
	if r.connected, err = r.cluster.connect(); err != nil {
		return err
	}
	r.live = r.cluster.survey(r.connected, nil, r.clock)
	input, err := r.read(ctx)
	if err != nil {
		return err
	}
	return writeReport(r.streams.Out, r.output, report.New(input))
}

// writeReport writes a report in one of its formats.
func writeReport(out io.Writer, output string, result *report.Report) error {
	switch output {
	case outputMarkdown:
		return report.Markdown(out, result)
	case outputCSV:
		return report.CSV(out, result)
	case outputJSON:
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "    ")
		return encoder.Encode(reportDocument{APIVersion: documentVersion, Kind: "TrustReport", Report: result})
	}
	return report.HTML(out, result)
}

// read reads the cluster.
func (r *reportTrust) read(ctx context.Context) (in report.Input, err error) {
	definitions, err := r.live.Definitions(ctx)
	if err != nil {
		return in, err
	}
	in.Time, in.Rules = r.clock.Now(), lintRules()
	if in.Cluster, err = r.clusterName(); err != nil {
		return in, err
	}
	namespaces, err := r.live.Namespaces(ctx)
	if err != nil {
		return in, err
	}
	for i := range namespaces {
		in.Namespaces = append(in.Namespaces, namespaces[i].Name)
	}
	if in.Notes, err = r.notes(ctx, definitions); err != nil {
		return in, err
	}
	step := progress(r.streams, "reading bundle")
	for i, definition := range definitions {
		step(i, len(definitions))
		b, err := r.bundle(ctx, definition)
		if err != nil {
			return in, err
		}
		in.Bundles = append(in.Bundles, *b)
		findings, err := r.findings(ctx, definition)
		if err != nil {
			return in, err
		}
		in.Findings = append(in.Findings, findings...)
	}
	return in, nil
}

// clusterName returns the context of the kubeconfig, or the address of the API server without one.
func (r *reportTrust) clusterName() (string, error) {
	raw, err := r.cluster.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return "", err
	}
	return cmp.Or(*r.cluster.Context, raw.CurrentContext, r.connected.rest.Host), nil
}

// lintRules returns the rules of lint, the most serious ones first.
func lintRules() []report.Rule {
	rules := lint.Rules()
	slices.SortStableFunc(rules, func(a, b lint.Rule) int { return cmp.Compare(b.Level, a.Level) })
	result := make([]report.Rule, len(rules))
	for i, rule := range rules {
		result[i] = report.Rule{ID: rule.ID, Level: rule.Level.String(), Summary: rule.Summary}
	}
	return result
}

// notes returns what limits the report as a whole.
func (r *reportTrust) notes(ctx context.Context, definitions []survey.Definition) ([]string, error) {
	usesDefaultCAs := slices.ContainsFunc(definitions, func(d survey.Definition) bool {
		return slices.ContainsFunc(d.Spec.Sources, func(s bundle.Source) bool { return s.DefaultCAs })
	})
	if !usesDefaultCAs {
		return nil, nil
	}
	defaultCAs, isDerived, err := r.live.DefaultCAs(ctx)
	switch {
	case err != nil:
		return nil, err
	case isDerived:
		return []string{"The certificates of the default CA package " + defaultCAs.ID() + " are derived from the targets of the bundles that use it. To compare with the package itself, set --default-package."}, nil
	case len(defaultCAs.Certificates()) == 0:
		return []string{"The default CA package is unknown, and so bundles that use it cannot be built here. Set --default-package."}, nil
	}
	return nil, nil
}

// findings returns the findings of lint about a bundle. Each bundle has a review of its own: the
// same key in two bundles is not a mistake.
func (r *reportTrust) findings(ctx context.Context, definition survey.Definition) ([]report.InputFinding, error) {
	if survey.IsSuperseded(definition) {
		return nil, nil
	}
	l := &lintCertificates{
		streams: r.streams, clock: r.clock, cluster: r.cluster, atLeast: lint.Info,
		review: lint.Review{Now: r.clock.Now(), DistrustAfter: distrustAfter()},
	}
	if err := l.definition(ctx, r.live, definition, ""); err != nil {
		return nil, fmt.Errorf("lint: %w", err)
	}
	findings := make([]report.InputFinding, len(l.result.Findings))
	for i, f := range l.result.Findings {
		findings[i] = report.InputFinding{Rule: f.Rule, Bundle: f.Of, Where: f.Where, Certificate: f.Certificate, SHA256: f.SHA256, Detail: f.Detail}
	}
	return findings, nil
}
