package localnode

import (
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// refuse returns an error that lists the fields of a pod that this node does not
// support.
func refuse(pod *corev1.Pod) error {
	var errs []error
	check := func(unsupported bool, format string, args ...any) {
		if unsupported {
			errs = append(errs, fmt.Errorf(format+" is not supported on this node", args...))
		}
	}
	check(pod.Spec.RestartPolicy != corev1.RestartPolicyAlways, "restart policy %s", pod.Spec.RestartPolicy)
	check(len(pod.Spec.Containers) != 1, "a pod with %d containers", len(pod.Spec.Containers))
	check(len(pod.Spec.EphemeralContainers) > 0, "an ephemeral container")
	for _, volume := range pod.Spec.Volumes {
		_, err := filesOf(volume)
		check(err != nil, "volume %s: %v", volume.Name, err)
	}
	for _, c := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
		check(len(c.EnvFrom) > 0, "container %s: envFrom", c.Name)
		for _, variable := range c.Env {
			check(variable.ValueFrom != nil, "container %s: the source of the variable %s", c.Name, variable.Name)
		}
		for _, mount := range c.VolumeMounts {
			check(mount.SubPath != "" || mount.SubPathExpr != "", "container %s: the subPath of the mount %s", c.Name, mount.Name)
		}
		check(c.RestartPolicy != nil, "container %s: a restart policy", c.Name)
		check(c.LivenessProbe != nil || c.StartupProbe != nil, "container %s: a liveness or startup probe", c.Name)
		check(c.ReadinessProbe != nil && c.ReadinessProbe.HTTPGet == nil, "container %s: a readiness probe other than httpGet", c.Name)
		if hooks := c.Lifecycle; hooks != nil {
			check(hooks.PostStart != nil || hooks.PreStop != nil && hooks.PreStop.Sleep == nil, "container %s: a lifecycle hook other than preStop.sleep", c.Name)
			check(hooks.StopSignal != nil, "container %s: a stop signal", c.Name)
		}
		check(len(c.VolumeDevices) > 0, "container %s: a block device", c.Name)
	}
	return errors.Join(errs...)
}
