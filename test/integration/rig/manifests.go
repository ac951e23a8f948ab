package rig

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/helm"
)

// mainValues are those of the release that most tests run under: everything that
// needs rights of its own is on.
var mainValues = []string{
	"secretTargets.enabled=true", "secretTargets.authorizedSecretsAll=true", "app.webhook.tls.mode=selfManaged",
}

// unwanted are the kinds of a rendered chart that tests make themselves, if they
// need them: the operator is a process here, and no pod.
var unwanted = []string{"Deployment", "Service", "ValidatingWebhookConfiguration"}

// install applies what the chart renders for the main release, and waits until
// Bundles are served.
func (r *Rig) install(ctx context.Context) error {
	objects, err := r.Helm.Template(ctx, mainRelease, TrustNamespace, sets(mainValues)...)
	if err != nil {
		return err
	}
	if err := r.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: TrustNamespace}}); err != nil {
		return err
	}
	if err := r.apply(ctx, objects); err != nil {
		return err
	}
	return Await(ctx, "Bundles to be served", func() error {
		return r.Client.List(ctx, &v1alpha1.BundleList{})
	})
}

// sets gives the arguments of Helm for values such as "a.b=c".
func sets(values []string) (args []string) {
	for _, value := range values {
		args = append(args, "--set", value)
	}
	return args
}

// apply applies objects of the chart, as Helm does.
func (r *Rig) apply(ctx context.Context, objects helm.Objects) error {
	if len(objects) == 0 {
		return errors.New("the chart renders nothing")
	}
	for _, object := range objects {
		if slices.Contains(unwanted, object.GetKind()) {
			continue
		}
		if err := r.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("helm")); err != nil {
			return fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}
