package injection

import "testing"

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
	pod := newPod(volume("own"), container("other", mounting("/data"), setting("PIP_CERT")), initContainer("init", mounting("/etc/ssl")))
	check(t, namespaceWith(t, labels(bundleKey, "example")), pod, injected(skipping("init")))
	check(t, namespaceWith(t, labels(modeKey, "add")), newPod(annotated(bundleKey, "example")), injected(adding))
}
