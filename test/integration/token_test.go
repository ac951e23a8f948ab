package integration

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/test/framework/rig"
)

// tokenPath is where Kubernetes mounts the token of a service account.
const tokenPath = "/var/run/secrets/kubernetes.io/serviceaccount"

// In the chart's pod, as admitted by the API server, the operator has its service
// account's token, and the container that copies the default CA package, whose image may
// come from a third party, has none.
func TestPackageHasNoToken(t *testing.T) {
	objects, err := env.Helm.Template(t.Context(), "token", rig.TrustNamespace, "--set", "nameOverride="+env.Main.Account)
	if err != nil {
		t.Fatal(err)
	}
	var deployment appsv1.Deployment
	for _, object := range objects {
		if object.GetKind() != "Deployment" {
			continue
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &deployment); err != nil {
			t.Fatal(err)
		}
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: rig.TrustNamespace, Name: "token"}, Spec: deployment.Spec.Template.Spec}
	if err := api.Create(t.Context(), pod, client.DryRunAll); err != nil {
		t.Fatal(err)
	}
	if len(pod.Spec.InitContainers) != 1 || len(pod.Spec.Containers) != 1 {
		t.Fatalf("%d containers after %d", len(pod.Spec.Containers), len(pod.Spec.InitContainers))
	}
	if !mountsToken(pod, pod.Spec.Containers[0]) {
		t.Error("the operator has no token, so this proves nothing")
	}
	if mountsToken(pod, pod.Spec.InitContainers[0]) {
		t.Error("the container of the package has the operator's token")
	}
}

// mountsToken reports whether any volume of a container has a token, or could have one.
func mountsToken(pod *corev1.Pod, container corev1.Container) bool {
	return slices.ContainsFunc(container.VolumeMounts, func(mount corev1.VolumeMount) bool {
		at := slices.IndexFunc(pod.Spec.Volumes, func(volume corev1.Volume) bool { return volume.Name == mount.Name })
		return at < 0 || pod.Spec.Volumes[at].Projected != nil || mount.MountPath == tokenPath && pod.Spec.Volumes[at].EmptyDir == nil
	})
}
