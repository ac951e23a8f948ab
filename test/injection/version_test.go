package injection

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// P3: the oldest Kubernetes that has the policies accepts and evaluates them. The API server emulates
// it.
func TestKubernetes136(t *testing.T) {
	t.Cleanup(reinstall(t))
	t.Cleanup(func() {
		if err := env.RestartServer("--emulated-version=1.37"); err != nil {
			t.Error(err)
		}
	})
	if err := uninstall(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := env.RestartServer("--emulated-version=1.36"); err != nil {
		t.Fatal(err)
	}
	if err := install(t.Context()); err != nil {
		t.Fatal(err)
	}
	namespace := namespaceWith(t, labels(bundleKey, "example"))
	check(t, namespace, newPod(volume("own"), container("other", mounting("/data"), setting("PIP_CERT")), initContainer("init")), injected())
	check(t, namespace, newPod(volume("own"), initContainer("init", mounting("/etc/ssl"))), nil)
	check(t, namespaceWith(t, labels(modeKey, "add")), newPod(annotated(bundleKey, "example")), injected(adding))

	// Without the feature gate, which is off by default before 1.37, the API server drops the source.
	check(t, namespace, newPod(annotated(fromKey, "ClusterTrustBundle")), func(p *corev1.Pod) {
		injected(trustBundle)(p)
		p.Spec.Volumes[0].Projected.Sources[0].ClusterTrustBundle = nil
	})
}
