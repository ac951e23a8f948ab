package localnode

import (
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// refuse gives an error that lists what a pod asks for and cannot have here.
func refuse(pod *corev1.Pod) error {
	var no []error
	say := func(wrong bool, format string, args ...any) {
		if wrong {
			no = append(no, fmt.Errorf(format+" cannot be had on this node", args...))
		}
	}
	say(pod.Spec.RestartPolicy != corev1.RestartPolicyAlways, "restart policy %s", pod.Spec.RestartPolicy)
	say(len(pod.Spec.Containers) != 1, "%d containers", len(pod.Spec.Containers))
	say(len(pod.Spec.EphemeralContainers) > 0, "an ephemeral container")
	for _, volume := range pod.Spec.Volumes {
		_, err := filesOf(volume)
		say(err != nil, "volume %s: %v", volume.Name, err)
	}
	for _, c := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
		say(len(c.EnvFrom) > 0, "container %s: envFrom", c.Name)
		for _, variable := range c.Env {
			say(variable.ValueFrom != nil, "container %s: the source of the variable %s", c.Name, variable.Name)
		}
		for _, mount := range c.VolumeMounts {
			say(mount.SubPath != "" || mount.SubPathExpr != "", "container %s: the subPath of the mount %s", c.Name, mount.Name)
		}
		say(c.RestartPolicy != nil, "container %s: a restart policy of its own", c.Name)
		say(c.LivenessProbe != nil || c.StartupProbe != nil, "container %s: a liveness or startup probe", c.Name)
		say(c.ReadinessProbe != nil && c.ReadinessProbe.HTTPGet == nil, "container %s: a readiness probe other than httpGet", c.Name)
		if hooks := c.Lifecycle; hooks != nil {
			say(hooks.PostStart != nil || hooks.PreStop != nil && hooks.PreStop.Sleep == nil, "container %s: a lifecycle hook other than preStop.sleep", c.Name)
			say(hooks.StopSignal != nil, "container %s: a stop signal of its own", c.Name)
		}
		say(len(c.VolumeDevices) > 0, "container %s: block devices", c.Name)
	}
	return errors.Join(no...)
}
