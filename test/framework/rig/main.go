package rig

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/poll"
)

// mainValues are the values of the release that most tests use. They enable every
// feature that requires additional permissions.
var mainValues = []string{
	"secretTargets.enabled=true", "secretTargets.authorizedSecretsAll=true", "app.webhook.tls.mode=selfManaged",
}

// install installs the main release, and waits until Bundles are served.
func (r *Rig) install(ctx context.Context) (err error) {
	if err := r.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: TrustNamespace}}); err != nil {
		return err
	}
	if r.Main, err = r.Install(ctx, accountName, mainValues...); err != nil {
		return err
	}
	return poll.Until(ctx, "Bundles to be served", func() error {
		return r.Client.List(ctx, &v1alpha1.BundleList{})
	})
}
