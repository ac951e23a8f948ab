package rig

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/test/framework/helm"
	"trust-manager.io/test/framework/poll"
)

// skipped are the kinds of a rendered chart that Install does not apply, since
// the operator runs as a process. Tests that need such an object create it.
var skipped = []string{"Deployment", "Service", "ValidatingWebhookConfiguration"}

// Release is the chart rendered with some values, of which the objects that an
// operator process needs are installed.
type Release struct {
	// Account is the name of its service account in TrustNamespace, Kubeconfig the
	// path of the account's kubeconfig, and Grants are all permissions of the
	// account.
	Account, Kubeconfig string
	Grants              []Grant
	// Flags are the operator's flags in the chart.
	Flags []string
}

// Install renders the chart with values such as "a.b=c" and applies what an
// operator needs. All objects are named after the release. It waits until the API
// server grants all permissions of the account.
func (r *Rig) Install(ctx context.Context, name string, values ...string) (*Release, error) {
	args := []string{"--set", "nameOverride=" + name}
	for _, value := range values {
		args = append(args, "--set", value)
	}
	objects, err := r.helmOfChart().Template(ctx, name, TrustNamespace, args...)
	if err != nil {
		return nil, err
	}
	release := &Release{Account: name}
	if release.Grants, err = Grants(objects, TrustNamespace, name); err != nil {
		return nil, err
	}
	if release.Flags, err = flagsOf(objects); err != nil {
		return nil, err
	}
	for _, object := range objects {
		if slices.Contains(skipped, object.GetKind()) {
			continue
		}
		if err := r.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("helm")); err != nil {
			return nil, fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	for _, grant := range release.Grants {
		if err := r.awaitGrant(ctx, name, grant); err != nil {
			return nil, err
		}
	}
	release.Kubeconfig, err = writeAccount(ctx, r.Client, r.Config, name, r.dir)
	return release, err
}

// flagsOf returns the arguments of the operator's container.
func flagsOf(objects helm.Objects) ([]string, error) {
	for _, object := range objects {
		if object.GetKind() != "Deployment" {
			continue
		}
		var deployment appsv1.Deployment
		err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &deployment)
		if containers := deployment.Spec.Template.Spec.Containers; err == nil && len(containers) == 1 {
			return containers[0].Args, nil
		}
		return nil, fmt.Errorf("the Deployment %s does not have exactly one container: %w", object.GetName(), err)
	}
	return nil, fmt.Errorf("the chart renders no Deployment")
}

// awaitGrant waits until the API server, whose authorizer has a cache, grants a
// permission.
func (r *Rig) awaitGrant(ctx context.Context, account string, g Grant) error {
	resource, subresource, _ := strings.Cut(g.Resource, "/")
	return poll.Until(ctx, "the permission "+g.String(), func() error {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: UserOf(account),
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Verb: g.Verb, Group: g.Group, Resource: resource, Subresource: subresource, Namespace: g.Namespace, Name: g.Name,
			},
		}}
		if err := r.Client.Create(ctx, review); err != nil {
			return err
		}
		if !review.Status.Allowed {
			return fmt.Errorf("not yet")
		}
		return nil
	})
}
