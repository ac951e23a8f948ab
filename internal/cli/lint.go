package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/decode"
	"trust-manager.io/internal/lint"
	"trust-manager.io/internal/survey"
)

// lintCertificates reviews files, objects and bundles.
type lintCertificates struct {
	streams  genericiooptions.IOStreams
	clock    clock.PassiveClock
	cluster  *clusterFlags
	password passwordFlags
	files    []string
	level    string
	output   string

	passwords []string
	atLeast   lint.Level
	review    lint.Review
	result    findings
}

// findings is the result of lint.
type findings struct {
	Findings []finding `json:"findings"`
}

// finding is one finding, as it is printed.
type finding struct {
	Rule  string `json:"rule"`
	Level string `json:"level"`
	// Of is what was reviewed: a file, an object or a bundle.
	Of string `json:"of"`
	// Where is the place in it: a field, key or block.
	Where       string `json:"where,omitempty"`
	SHA256      string `json:"sha256,omitempty"`
	Certificate string `json:"certificate,omitempty"`
	Detail      string `json:"detail"`
	// file is the path of the file that was reviewed, or empty.
	file string
}

func lintCommand(streams genericiooptions.IOStreams, clock clock.PassiveClock) *cobra.Command {
	l := &lintCertificates{streams: streams, clock: clock, cluster: newClusterFlags()}
	command := &cobra.Command{
		Use:   "lint FILE|KIND/NAME...",
		Short: "Find what is usually a mistake in a trust store",
		Long: `Find what is usually a mistake in files of certificates, in manifests, in objects of the cluster, and
in bundles. KIND is bundle, clusterbundle, configmap, secret or clustertrustbundle. A ConfigMap or
Secret is read from the trust namespace unless --namespace names another one. A source that a manifest
lacks is a warning, since the cluster may have it.

` + ruleHelp() + `
The exit status is 1 if there is a finding of the level or above.

Rights: get for the objects that are named, and list for Bundles and ClusterBundles; for a bundle
also get (and list, with selectors) for its sources in the trust namespace.`,
		Example: `  kubectl trust lint roots.pem
  kubectl trust lint bundle/corporate
  kubectl trust lint --level error -o sarif manifests.yaml >lint.sarif`,
		DisableFlagsInUseLine: true,
		RunE:                  func(command *cobra.Command, args []string) error { return l.run(command.Context(), args) },
	}
	command.ValidArgsFunction = l.cluster.completeSubjects
	l.cluster.add(command)
	l.password.add(command)
	command.Flags().StringSliceVarP(&l.files, "filename", "f", nil, "a file, as another way to give it; - for standard input")
	command.Flags().StringVar(&l.level, "level", lint.Warning.String(), "the lowest level that is reported: error, warning or info")
	completeValues(command, "level", lint.Error.String(), lint.Warning.String(), lint.Info.String())
	addOutput(command, &l.output, outputTable, outputJSON, outputYAML, outputSARIF)
	return command
}

// ruleHelp lists the rules for the help.
func ruleHelp() string {
	var lines strings.Builder
	for _, rule := range lint.Rules() {
		fmt.Fprintf(&lines, "  %-8s %-28s %s\n", rule.Level, rule.ID, rule.Summary)
	}
	return lines.String()
}

func (l *lintCertificates) run(ctx context.Context, args []string) (err error) {
	if err := checkOutput(l.output, outputTable, outputJSON, outputYAML, outputSARIF); err != nil {
		return err
	}
	if l.atLeast, err = lint.ParseLevel(l.level); err != nil {
		return fmt.Errorf("--level: %w", err)
	}
	if l.passwords, err = l.password.read(); err != nil {
		return err
	}
	l.review = lint.Review{Now: l.clock.Now(), DistrustAfter: distrustAfter()}
	l.result.Findings = []finding{}
	if err := l.arguments(ctx, args); err != nil {
		return err
	}
	if l.output == outputSARIF {
		err = printSARIF(l.streams.Out, l.result)
	} else {
		err = printDocument(l.streams, l.output, &l.result)
	}
	if err == nil && len(l.result.Findings) > 0 {
		err = errFinding
	}
	return err
}

// arguments reviews what the arguments name, and the files of the flag.
func (l *lintCertificates) arguments(ctx context.Context, args []string) error {
	if len(args)+len(l.files) == 0 || slices.Contains(args, "") {
		return usagef("give files or KIND/NAME")
	}
	var live *survey.Cluster
	for _, arg := range args {
		kind, name, isObject := objectOf(arg)
		if !isObject {
			if err := l.file(ctx, arg); errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%w; an object is given as KIND/NAME", err)
			} else if err != nil {
				return err
			}
			continue
		}
		if live == nil {
			connected, err := l.cluster.connect()
			if err != nil {
				return err
			}
			live = l.cluster.survey(connected, nil, l.clock)
		}
		subject, err := l.cluster.objectSubject(ctx, live, kind, name)
		if err != nil {
			return l.cluster.withNamespaceHint(err, kind)
		}
		if err := l.subject(ctx, live, *subject, ""); err != nil {
			return err
		}
	}
	for _, path := range l.files {
		if err := l.file(ctx, path); err != nil {
			return err
		}
	}
	return nil
}

// file reviews a file of certificates, or the objects of a manifest.
func (l *lintCertificates) file(ctx context.Context, path string) error {
	subjects, m, err := fileSubjects(l.streams.In, path, l.cluster.trustNamespace)
	if err != nil {
		return err
	}
	if m == nil {
		m = newManifests()
	}
	cluster := l.cluster.offlineSurvey(m, l.clock)
	for _, subject := range subjects {
		if err := l.subject(ctx, cluster, subject, path); err != nil {
			return err
		}
	}
	return nil
}

// subject reviews what one argument names.
func (l *lintCertificates) subject(ctx context.Context, cluster *survey.Cluster, s subject, file string) error {
	if s.definition != nil {
		return l.definition(ctx, cluster, *s.definition, file)
	}
	for _, text := range s.texts {
		l.text(s, text, file)
	}
	return nil
}

// text reviews one file or value. A value of an object that has no certificates is not reviewed,
// unless it is a private key.
func (l *lintCertificates) text(s subject, text keyedText, file string) {
	content, err := decode.File([]byte(text.data), l.passwords)
	isWhole := text.origin.Key == ""
	switch {
	case err != nil && (isWhole || strings.Contains(text.data, "BEGIN CERTIFICATE")):
		l.add(s.name, file, lint.Finding{Rule: lint.RuleUnreadable, Level: lint.Error, Origin: text.origin, Detail: err.Error()})
	case err == nil:
		l.add(s.name, file, l.review.Certificates(certificatesIn(content, text.origin))...)
	}
	if hasPrivateKey(content) || strings.Contains(text.data, "PRIVATE KEY-----") {
		l.add(s.name, file, lint.Finding{Rule: lint.RulePrivateKey, Level: lint.Error, Origin: text.origin,
			Detail: "there is a private key; trust stores have certificates only. Remove it, and replace the key if others could read it"})
	}
}

// definition reviews a bundle: what it says, why it cannot be built, and its certificates.
func (l *lintCertificates) definition(ctx context.Context, cluster *survey.Cluster, definition survey.Definition, file string) error {
	name := definition.Spec.ID.String()
	built, err := cluster.Build(ctx, definition)
	if err != nil {
		return err
	}
	for _, finding := range lint.Spec(definition.Spec, 0) {
		finding.Rule, finding.Level = lint.RuleDefinition, lint.Warning
		l.add(name, file, finding)
	}
	for _, problem := range built.Built.Problems {
		finding := lint.Finding{Rule: lint.RuleNotBuilt, Level: lint.Error, Origin: problem.Origin, Detail: problem.Detail}
		if problem.Reason == certs.SourceNotFound && file != "" {
			finding.Level = lint.Warning // the manifest may be applied to a cluster that has it
		}
		if problem.Reason == certs.SourceNotFound && isDefaultCAs(definition.Spec, problem.Origin) {
			finding.Detail = "the default CA package is unknown here; give it with --default-package"
		}
		l.add(name, file, finding)
	}
	if len(built.Built.Problems) > 0 {
		return l.inputs(ctx, cluster, definition, file)
	}
	l.add(name, file, l.review.Certificates(built.Built.Content.Certificates)...)
	return nil
}

// isDefaultCAs reports whether an origin is the default CA package.
func isDefaultCAs(spec bundle.Spec, origin certs.Origin) bool {
	return slices.ContainsFunc(spec.Sources, func(s bundle.Source) bool { return s.DefaultCAs && s.Field == origin.Field })
}

// inputs reviews the sources of a bundle that cannot be built.
func (l *lintCertificates) inputs(ctx context.Context, cluster *survey.Cluster, definition survey.Definition, file string) error {
	if len(definition.Invalid) > 0 {
		return nil
	}
	inputs, err := cluster.Inputs(ctx, definition)
	if err != nil {
		return err
	}
	all := bundle.Filter{Nonconforming: bundle.Keep}
	for _, input := range inputs {
		built, err := new(bundle.Builder).Build([]bundle.Input{input}, all, l.review.Now)
		var problems bundle.Problems
		if err != nil && !errors.As(err, &problems) {
			return err
		}
		l.add(definition.Spec.ID.String(), file, l.review.Certificates(built.Certificates)...)
	}
	return nil
}

// add adds findings of the level or above.
func (l *lintCertificates) add(of, file string, list ...lint.Finding) {
	for _, f := range list {
		if f.Level < l.atLeast {
			continue
		}
		printed := finding{Rule: f.Rule, Level: f.Level.String(), Of: of, Detail: f.Detail, file: file}
		origin := f.Origin
		if origin.Object == of {
			origin.Object = ""
		}
		printed.Where = origin.String()
		if len(f.Fields) > 0 {
			printed.Where = lint.JoinFirst(f.Fields, len(f.Fields))
		}
		if f.Certificate != nil {
			printed.SHA256, printed.Certificate = f.Certificate.SHA256(), f.Certificate.DisplaySubject()
		}
		l.result.Findings = append(l.result.Findings, printed)
	}
}

// Kind implements [document].
func (*findings) Kind() string { return "Findings" }

// Table implements [document].
func (f *findings) Table(page *page) {
	if len(f.Findings) == 0 {
		page.printf("no findings")
		return
	}
	colors := map[string]color{lint.Error.String(): red, lint.Warning.String(): yellow}
	of := ""
	for _, found := range f.Findings {
		if found.Of != of {
			of = found.Of
			page.printf("%s", page.paint(bold, of))
		}
		place := strings.Join(slices.DeleteFunc([]string{found.Where, found.Certificate}, func(s string) bool { return s == "" }), ": ")
		if place != "" {
			place += ": "
		}
		page.printf("  %s %s: %s%s", page.paint(colors[found.Level], found.Level), found.Rule, place, found.Detail)
	}
}
