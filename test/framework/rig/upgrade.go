package rig

import (
	"context"
	"io"

	"trust-manager.io/test/framework/helm"
)

// StartWithChart is [Start] with the chart in a folder, such as that of an earlier release.
// [Rig.Upgrade] replaces it.
func StartWithChart(ctx context.Context, progress io.Writer, chart string) (*Rig, error) {
	return started(func(r *Rig) error {
		r.chart = chart
		return r.start(ctx, progress, nil)
	})
}

// Upgrade applies the chart of this checkout to the main release. It does not delete
// objects that only the previous chart has.
func (r *Rig) Upgrade(ctx context.Context) (err error) {
	r.chart = ""
	r.Main, err = r.Install(ctx, accountName, mainValues...)
	return err
}

// StartProgram is [Rig.StartOperator] for another program than that of this checkout.
func (r *Rig) StartProgram(program string, flags ...string) (*Operator, error) {
	return r.startProgram(program, nil, flags)
}

// helmOfChart returns Helm on the chart that Install installs.
func (r *Rig) helmOfChart() *helm.Helm {
	if r.chart == "" {
		return r.Helm
	}
	other := *r.Helm
	other.Chart = r.chart
	return &other
}
