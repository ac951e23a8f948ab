package e2e

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/ca"
)

// trustBundleName is that of the Bundle with a ClusterTrustBundle, which the chart's values allow.
const trustBundleName = "e2e-trust"

// podTrustsTrustBundle runs a pod that mounts a ClusterTrustBundle, beside the server of
// podComesToTrust: it trusts the server once its CA is in the Bundle, and no longer once it is
// excluded. The pod runs throughout.
func podTrustsTrustBundle(t *testing.T) {
	private, another := ca.New("private CA of a ClusterTrustBundle"), ca.New("another CA")
	secret := serverSecret(private)
	secret.Name = "trusted-tls"
	create(t, secret)
	create(t, pod("trusted-server", []string{"/handshake", "serve", "/tls"}, "/tls",
		corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret.Name}}))
	server := awaitRunning(t, "trusted-server")
	trust := bundle(trustBundleName, v1alpha1.BundleSource{InLine: &another.Certificate})
	trust.Spec.Target = &v1alpha1.BundleTarget{ClusterTrustBundle: &v1alpha1.ClusterTrustBundleTarget{}}
	create(t, trust)
	create(t, clientPod("trusting-client", server.Status.PodIP, corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
		Sources: []corev1.VolumeProjection{{ClusterTrustBundle: &corev1.ClusterTrustBundleProjection{Name: ptr(trustBundleName), Path: bundleKey}}},
	}}))
	before := awaitRunning(t, "trusting-client")
	awaitOutcome(t, "trusting-client", unknownAuthority)

	change := func(what string, change func(*v1alpha1.BundleSpec), outcome string) {
		began := time.Now()
		changed := &v1alpha1.Bundle{}
		get(t, "", trustBundleName, changed)
		patch := client.MergeFrom(changed.DeepCopy())
		change(&changed.Spec)
		if err := api.Patch(t.Context(), changed, patch); err != nil {
			t.Fatal(err)
		}
		awaitOutcome(t, "trusting-client", outcome)
		t.Logf("from the change of the Bundle, %s, to the outcome in the pod: %s", what, time.Since(began).Round(time.Millisecond))
	}
	change("a CA more", func(spec *v1alpha1.BundleSpec) {
		spec.Sources = append(spec.Sources, v1alpha1.BundleSource{InLine: &private.Certificate})
	}, "trusted")
	change("its exclusion", func(spec *v1alpha1.BundleSpec) {
		spec.Exclude = []v1alpha1.Exclusion{{Subject: "CN=private CA of a ClusterTrustBundle"}}
	}, unknownAuthority)

	after := awaitRunning(t, "trusting-client")
	if after.UID != before.UID || after.Status.ContainerStatuses[0].RestartCount != 0 {
		t.Errorf("the client is another than before, or was restarted %d times", after.Status.ContainerStatuses[0].RestartCount)
	}
	if err := api.Delete(t.Context(), &v1alpha1.Bundle{ObjectMeta: metav1.ObjectMeta{Name: trustBundleName}}); err != nil {
		t.Error(err)
	}
}
