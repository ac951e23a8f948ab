package usage

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// container is a container of any kind.
type container struct {
	name    string
	mounts  []corev1.VolumeMount
	env     []corev1.EnvVar
	envFrom []corev1.EnvFromSource
	// init reports that it ends before the containers of the pod start. A sidecar does not.
	init    bool
	started *metav1.Time
}

// containersOf returns all containers of a pod.
func containersOf(pod *corev1.Pod) (all []container) {
	add := func(c *corev1.Container, statuses []corev1.ContainerStatus, init bool) {
		all = append(all, container{c.Name, c.VolumeMounts, c.Env, c.EnvFrom, init, started(c.Name, statuses, init)})
	}
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		isSidecar := c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
		add(c, pod.Status.InitContainerStatuses, !isSidecar)
	}
	for i := range pod.Spec.Containers {
		add(&pod.Spec.Containers[i], pod.Status.ContainerStatuses, false)
	}
	for i := range pod.Spec.EphemeralContainers {
		c := corev1.Container(pod.Spec.EphemeralContainers[i].EphemeralContainerCommon)
		add(&c, pod.Status.EphemeralContainerStatuses, false)
	}
	return all
}

// started returns when a container started that runs, or that has initialized the pod.
func started(name string, statuses []corev1.ContainerStatus, init bool) *metav1.Time {
	for i := range statuses {
		state := &statuses[i].State
		switch {
		case statuses[i].Name != name:
		case state.Running != nil:
			return &state.Running.StartedAt
		case init && state.Terminated != nil && state.Terminated.ExitCode == 0:
			return &state.Terminated.StartedAt
		}
	}
	return nil
}

// HasEnded reports whether no container of a pod runs any more, or will run.
func HasEnded(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// Owner returns the controller of a pod, such as Deployment/api, or "". The Deployment of a
// ReplicaSet is known by the hash that the ReplicaSet's name ends with.
func Owner(pod *corev1.Pod) string {
	controller := metav1.GetControllerOf(pod)
	if controller == nil {
		return ""
	}
	if hash := pod.Labels["pod-template-hash"]; hash != "" && controller.Kind == "ReplicaSet" {
		if name, ok := strings.CutSuffix(controller.Name, "-"+hash); ok {
			return "Deployment/" + name
		}
	}
	return controller.Kind + "/" + controller.Name
}
