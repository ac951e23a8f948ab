package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// nameLabel and installedName are the label that the chart sets, unless its objects are renamed.
	nameLabel     = "app.kubernetes.io/name"
	installedName = "trust-manager"
	// leaseName is the name of the Lease that the leader holds.
	leaseName = "trust-manager-leader-election"
	// trustNamespaceFlag is the operator's flag that the chart always sets.
	trustNamespaceFlag = "trust-namespace"
)

// installation is a Deployment of a trust-manager: this one or cert-manager's, whose charts have the
// same names.
type installation struct{ appsv1.Deployment }

// String returns the installation as it appears in messages.
func (i *installation) String() string { return "Deployment " + i.Namespace + "/" + i.Name }

// replicas returns how many replicas are wanted.
func (i *installation) replicas() int32 {
	if i.Spec.Replicas == nil {
		return 1
	}
	return *i.Spec.Replicas
}

// flag returns the value of a flag of the operator; ok is false if it is unset.
func (i *installation) flag(name string) (value string, ok bool) {
	for c := range i.Spec.Template.Spec.Containers {
		for _, argument := range i.Spec.Template.Spec.Containers[c].Args {
			if value, ok = strings.CutPrefix(argument, "--"+name+"="); ok {
				return value, true
			}
		}
	}
	return "", false
}

// isInstallation reports whether a Deployment runs a trust-manager.
func (i *installation) isInstallation() bool {
	_, hasFlag := i.flag(trustNamespaceFlag)
	return hasFlag || i.Labels[nameLabel] == installedName
}

// installations returns the Deployments of all trust-managers, by namespace.
func installations(ctx context.Context, reader client.Reader) (found []installation, err error) {
	err = eachPage(ctx, reader, &appsv1.DeploymentList{}, func(page *appsv1.DeploymentList) {
		for i := range page.Items {
			candidate := installation{page.Items[i]}
			if candidate.isInstallation() {
				found = append(found, candidate)
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("listing Deployments: %w", err)
	}
	slices.SortFunc(found, func(a, b installation) int { return strings.Compare(a.String(), b.String()) })
	return found, nil
}

// heldLease returns the Lease that a trust-manager holds; ok is false if none does.
func heldLease(ctx context.Context, reader client.Reader, now time.Time) (held coordinationv1.Lease, ok bool, err error) {
	leases := &coordinationv1.LeaseList{}
	if err := reader.List(ctx, leases, client.MatchingFields{"metadata.name": leaseName}); err != nil {
		return held, false, fmt.Errorf("listing Leases: %w", err)
	}
	for _, lease := range leases.Items {
		spec := &lease.Spec
		if spec.HolderIdentity == nil || *spec.HolderIdentity == "" || spec.RenewTime == nil || spec.LeaseDurationSeconds == nil {
			continue
		}
		if now.Before(spec.RenewTime.Add(time.Duration(*spec.LeaseDurationSeconds) * time.Second)) {
			return lease, true, nil
		}
	}
	return held, false, nil
}
