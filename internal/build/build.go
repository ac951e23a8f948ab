package build

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/utils/clock"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/source"
	"trust-manager.io/internal/target"
	"trust-manager.io/internal/text"
)

// Config is what the builds of all bundles share.
type Config struct {
	Sources *source.Gatherer
	// Filter is what is filtered unless a Bundle says otherwise.
	Filter bundle.Filter
	// Scope has the kinds of targets that are enabled.
	Scope target.Scope
	Clock clock.PassiveClock
}

// Builder builds one bundle repeatedly, and reuses what has not changed since the previous
// build. It is not safe for concurrent use.
type Builder struct {
	config  *Config
	builder bundle.Builder
}

// New returns a Builder.
func New(config *Config) *Builder { return &Builder{config: config} }

// Result is the outcome of a build.
type Result struct {
	Spec bundle.Spec
	// Problems are the reasons why there is no revision. A user has to act on them.
	Problems bundle.Problems
	// DefaultCAVersion is the ID of the default CA package, if a source uses it.
	DefaultCAVersion string
	// Content is the bundle. It may be set even if there is no revision.
	Content bundle.Bundle
	// State is the rotation state after the build. If SaveState is true, it has to be saved
	// before the revision is rolled out, or even if there is no revision: otherwise a
	// retention would begin only once there is room for it.
	State     bundle.State
	SaveState bool
	// Revision is the desired state of the targets, or nil.
	Revision *target.Revision
}

// Build builds a bundle. The state is the rotation state of the previous build, and active
// the previous revision, which may be nil.
func (b *Builder) Build(ctx context.Context, spec bundle.Spec, state bundle.State, active *target.Revision) (Result, error) {
	result := Result{Spec: spec}
	if result.Problems = b.disabledTargets(spec); len(result.Problems) > 0 {
		return result, nil
	}
	gathered, err := b.config.Sources.Gather(ctx, spec)
	if err != nil {
		return Result{}, err
	}
	result.DefaultCAVersion = gathered.DefaultCAVersion
	result.Content, result.State, err = b.builder.BuildRetaining(
		gathered.Inputs, spec.Filter.Or(b.config.Filter), spec.Rotation, state, b.config.Clock.Now())
	if errors.As(err, &result.Problems) {
		return result, nil
	}
	if missing := result.Content.Unavailable; len(missing) > 0 {
		result.SaveState, result.Problems = true, bundle.Problems{unavailable(missing, spec.Rotation)}
		return result, nil
	}
	result.Revision, err = target.NewRevision(spec, result.Content, active)
	if errors.As(err, &result.Problems) {
		retained := len(result.Content.Retained)
		result.SaveState, result.Problems = retained > 0, noteRetained(result.Problems, retained)
		return result, nil
	}
	result.SaveState = true
	return result, err
}

// disabledTargets returns a problem for each target of a kind that is not enabled (T13).
func (b *Builder) disabledTargets(spec bundle.Spec) (problems bundle.Problems) {
	for _, wanted := range spec.Targets {
		if !b.config.Scope.HasKind(wanted.Kind) {
			problems = append(problems, target.TypeOf(wanted.Kind).Disabled(wanted))
		}
	}
	return problems
}

// noteRetained adds to the problems of a whole bundle how many of its certificates are
// retained.
func noteRetained(problems bundle.Problems, retained int) (noted bundle.Problems) {
	if retained == 0 {
		return problems
	}
	verb := "are"
	if retained == 1 {
		verb = "is"
	}
	for _, problem := range problems {
		copied := *problem
		copied.Detail += fmt.Sprintf("; %d of its certificates %s retained (spec.rotation)", retained, verb)
		noted = append(noted, &copied)
	}
	return noted
}

// unavailable returns why a bundle cannot be built if retained certificates are known by
// their fingerprints only.
func unavailable(retained []bundle.Retained, rotation bundle.Rotation) *certs.Problem {
	last := rotation.Until(retained[0])
	for _, entry := range retained[1:] {
		if until := rotation.Until(entry); until.After(last) {
			last = until
		}
	}
	return &certs.Problem{
		Origin: certs.Origin{Field: bundle.RetainedField},
		Reason: bundle.TooLarge,
		Detail: fmt.Sprintf("of %s only the fingerprints are known, since they did not fit into the rotation state; "+
			"the bundle waits until %s, when the retention of the last of them ends; to continue without them, exclude them by SHA-256, or delete their lines in the state",
			text.Count(len(retained), "retained certificate"), last.UTC().Format(time.RFC3339)),
	}
}
