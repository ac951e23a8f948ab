package chart

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// No manifest contains a duplicate key, whatever users add to the chart's own
// keys. Helm uses the last one, and tools that read its output reject them.
func TestNoDuplicateKeys(t *testing.T) {
	t.Parallel()
	text, err := chart.Run(t.Context(), "template", "release", chart.Chart, "--namespace", "install",
		"--set", "commonLabels.app=other,commonLabels.app\\.kubernetes\\.io/name=other,app.podLabels.app=other",
		"--set", "app.metrics.service.servicemonitor.enabled=true,app.metrics.service.servicemonitor.labels.app=other",
		"--set", "app.metrics.service.servicemonitor.endpointAdditionalProperties.interval=1m")
	if err != nil {
		t.Fatal(err)
	}
	for manifest := range strings.SplitSeq(text, "\n---\n") {
		if err := yaml.UnmarshalStrict([]byte(manifest), &map[string]any{}); err != nil {
			t.Error(err)
		}
	}
}

// A namespace that is listed twice gets one Role, since an installation with two
// Roles of the same name fails.
func TestDuplicateTargetNamespace(t *testing.T) {
	t.Parallel()
	names := render(t, "--set", "app.targetNamespaces={team-a,team-b,team-a}").names()
	if unique := slices.Compact(slices.Clone(names)); len(unique) != len(names) {
		t.Errorf("duplicate objects: %q", names)
	}
}

// `helm upgrade --reuse-values` from cert-manager's chart leaves values unset
// that only this chart has. They behave like their defaults: the webhook stays,
// in mode auto.
func TestUnsetValues(t *testing.T) {
	t.Parallel()
	all := render(t, "--set", "app.webhook.enabled=null,app.webhook.tls.mode=null,app.concurrency=null,crds.clusterBundle=null,injection=null")
	if diff := cmp.Diff(render(t).names(), all.names()); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	path := []any{"spec", "template", "spec", "containers", 0, "args"}
	want, got := at(t, render(t).get(t, "Deployment", "trust-manager"), path...), at(t, all.get(t, "Deployment", "trust-manager"), path...)
	if want != got {
		t.Errorf("arguments %s, want %s", got, want)
	}
}

// An image reference does not require a registry.
func TestNoRegistry(t *testing.T) {
	t.Parallel()
	deployment := render(t, "--set", "imageRegistry=,imageNamespace=,image.tag=1").get(t, "Deployment", "trust-manager")
	if image := at(t, deployment, "spec", "template", "spec", "containers", 0, "image"); image != `"trust-manager:1"` {
		t.Errorf("image %s", image)
	}
}

// The registry of an image, such as a mirror, is prepended to its path, as in the chart of
// cert-manager's trust-manager.
func TestImageRegistryIsAPrefix(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]string{
		"image.registry=mirror.example/a,image.tag=1":                                        "mirror.example/a/trust-manager.io/images/trust-manager:1",
		"image.registry=mirror.example,image.repository=b/c,image.tag=1":                     "mirror.example/b/c:1",
		"image.registry=mirror.example,imageRegistry=,imageNamespace=,image.tag=1":           "mirror.example/trust-manager:1",
		"imageRegistry=registry.example,imageNamespace=n,image.tag=1,image.digest=sha256:00": "registry.example/n/trust-manager:1@sha256:00",
	} {
		deployment := render(t, "--set", values).get(t, "Deployment", "trust-manager")
		if image := at(t, deployment, "spec", "template", "spec", "containers", 0, "image"); image != strconv.Quote(want) {
			t.Errorf("%s: image %s, want %q", values, image, want)
		}
	}
}

// An empty budget is treated as unset.
func TestEmptyBudget(t *testing.T) {
	t.Parallel()
	budget := render(t, "--set", "podDisruptionBudget.enabled=true,podDisruptionBudget.minAvailable=").get(t, "PodDisruptionBudget", "trust-manager")
	if spec := at(t, budget, "spec"); !strings.Contains(spec, `"maxUnavailable":1`) || strings.Contains(spec, "minAvailable") {
		t.Errorf("spec %s", spec)
	}
}
