package survey

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/build"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/rotation"
	"trust-manager.io/internal/target"
)

// Bundle is one bundle as the operator builds it from what is in the cluster now.
type Bundle struct {
	Definition
	Built build.Result
	// Report is what the status of the definition reports.
	Report ledger.Report
	// State is the rotation state before the build, and StateFaults describe what of it could
	// not be read.
	State       bundle.State
	StateFaults []string
}

// Omitted is a certificate of a source that is not in the bundle, and why.
type Omitted struct {
	Certificate certs.Certificate
	bundle.Omission
}

// ReportOf returns what the status of a definition reports.
func ReportOf(definition Definition) ledger.Report {
	return apis.All().Of(definition.Spec.ID.Kind).Report(definition.Object)
}

// IsSuperseded reports whether the status of a definition has the condition that a ClusterBundle of
// the same name has taken over.
func IsSuperseded(definition Definition) bool {
	return slices.ContainsFunc(ReportOf(definition).Conditions, func(c metav1.Condition) bool {
		return c.Type == ledger.ConditionSuperseded && c.Status == metav1.ConditionTrue
	})
}

// State returns the rotation state of a bundle. The faults describe what of it could not be read.
func (c *Cluster) State(ctx context.Context, id bundle.ID) (state bundle.State, faults []string, err error) {
	var stored corev1.ConfigMap
	key := client.ObjectKey{Namespace: c.config.TrustNamespace, Name: rotation.Name(id)}
	switch err := c.config.Sources.Get(ctx, key, &stored); {
	case apierrors.IsNotFound(err):
		return bundle.State{}, nil, nil
	case err != nil:
		return bundle.State{}, nil, fmt.Errorf("rotation state of %s: %w", id, err)
	}
	state, faults = rotation.Decode(&stored)
	return state, faults, nil
}

// Build builds the bundle of a definition, once for each API object.
func (c *Cluster) Build(ctx context.Context, definition Definition) (*Bundle, error) {
	if known, ok := c.built[definition.Object]; ok {
		return known, nil
	}
	built, err := c.build(ctx, definition)
	if err == nil {
		c.built[definition.Object] = built
	}
	return built, err
}

func (c *Cluster) build(ctx context.Context, definition Definition) (*Bundle, error) {
	result := &Bundle{Definition: definition, Report: ReportOf(definition)}
	if len(definition.Invalid) > 0 {
		result.Built = build.Result{Spec: definition.Spec, Problems: definition.Invalid}
		return result, nil
	}
	config, _, err := c.builder(ctx, definition)
	if err != nil {
		return nil, err
	}
	if result.State, result.StateFaults, err = c.State(ctx, definition.Spec.ID); err != nil {
		return nil, err
	}
	if result.Built, err = build.New(config).Build(ctx, definition.Spec, result.State, nil); err != nil {
		return nil, fmt.Errorf("%s: %w", definition.Spec.ID, err)
	}
	return result, nil
}

// Omitted returns the certificates of the sources of a bundle that a filter leaves out.
func (c *Cluster) Omitted(ctx context.Context, definition Definition) (omitted []Omitted, err error) {
	inputs, err := c.Inputs(ctx, definition)
	if err != nil {
		return nil, err
	}
	now, filter := c.config.Clock.Now(), definition.Spec.Filter.Or(c.config.Filter)
	all := bundle.Filter{Expired: bundle.Keep, NonCA: bundle.Keep, NotSelfSigned: bundle.Keep, Nonconforming: bundle.Keep}
	for _, input := range inputs {
		built, err := new(bundle.Builder).Build([]bundle.Input{input}, all, now)
		if err != nil {
			continue // a source with a problem, which the build reports
		}
		for _, certificate := range built.Certificates {
			if omission, ok := filter.Omission(&certificate, now); ok {
				omitted = append(omitted, Omitted{certificate, omission})
			}
		}
	}
	return omitted, nil
}

// Inputs returns the content of the sources of a bundle.
func (c *Cluster) Inputs(ctx context.Context, definition Definition) ([]bundle.Input, error) {
	_, gatherer, err := c.builder(ctx, definition)
	if err != nil {
		return nil, err
	}
	gathered, err := gatherer.Gather(ctx, definition.Spec)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", definition.Spec.ID, err)
	}
	return gathered.Inputs, nil
}

// Selected returns the names of the namespaces that a bundle selects.
func (c *Cluster) Selected(ctx context.Context, spec bundle.Spec) ([]string, error) {
	namespaces, err := c.Namespaces(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, namespace := range namespaces {
		if spec.Namespaces.Matches(labels.Set(namespace.Labels)) {
			names = append(names, namespace.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Lacking returns the namespaces whose targets do not have the content that a bundle has now, and how
// many namespaces it selects. It is all of them if the bundle cannot be built.
func (c *Cluster) Lacking(ctx context.Context, definition Definition) (lacking []string, selected int, err error) {
	built, err := c.Build(ctx, definition)
	if err != nil {
		return nil, 0, err
	}
	namespaces, err := c.Selected(ctx, definition.Spec)
	if err != nil || len(built.Built.Problems) > 0 {
		return namespaces, len(namespaces), err
	}
	targets := c.readableTargets(ctx, definition.Spec)
	upToDate := map[target.Ref]bool{}
	for _, t := range targets {
		upToDate[t.Ref] = c.isCurrent(built, t, targets)
	}
	for _, namespace := range namespaces {
		for _, shape := range built.Built.Revision.Shapes {
			key := shape.KeyOf(definition.Spec.ID, namespace)
			if target.TypeOf(shape.Kind).ClusterScoped {
				key.Namespace = ""
			}
			if !upToDate[key.Ref] {
				lacking = append(lacking, namespace)
				break
			}
		}
	}
	return lacking, len(namespaces), nil
}
