package localnode

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestUnsupportedFieldsAreRefused(t *testing.T) {
	cases := map[string]struct {
		change func(*corev1.PodSpec)
		want   string
	}{
		"nothing":        {func(*corev1.PodSpec) {}, ""},
		"a job":          {func(s *corev1.PodSpec) { s.RestartPolicy = corev1.RestartPolicyNever }, "restart policy Never"},
		"two containers": {func(s *corev1.PodSpec) { s.Containers = append(s.Containers, s.Containers[0]) }, "2 containers"},
		"a hostPath volume": {func(s *corev1.PodSpec) {
			s.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{}}}}
		}, "volume v: the volume type"},
		"an unsupported downward API field": {func(s *corev1.PodSpec) { s.Volumes = []corev1.Volume{downward("metadata.labels")} }, "volume v: the downward API field"},
		"a supported downward API field":    {func(s *corev1.PodSpec) { s.Volumes = []corev1.Volume{downward("metadata.namespace")} }, ""},
		"a variable's source": {func(s *corev1.PodSpec) {
			s.Containers[0].Env = []corev1.EnvVar{{Name: "A", ValueFrom: &corev1.EnvVarSource{}}}
		}, "the variable A"},
		"a sub-path": {func(s *corev1.PodSpec) {
			s.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "v", SubPath: "x"}}
		}, "subPath of the mount v"},
		"a liveness probe": {func(s *corev1.PodSpec) { s.Containers[0].LivenessProbe = &corev1.Probe{} }, "liveness"},
		"another probe":    {func(s *corev1.PodSpec) { s.Containers[0].ReadinessProbe = &corev1.Probe{} }, "other than httpGet"},
		"a hook": {func(s *corev1.PodSpec) {
			s.Containers[0].Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{}}
		}, "lifecycle"},
		"a preStop sleep": {func(s *corev1.PodSpec) {
			s.Containers[0].Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{}}}
		}, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyAlways, Containers: []corev1.Container{{Name: "main"}}}}
			c.change(&pod.Spec)
			err := refuse(pod)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func downward(field string) corev1.Volume {
	item := corev1.DownwardAPIVolumeFile{Path: "p", FieldRef: &corev1.ObjectFieldSelector{FieldPath: field}}
	return corev1.Volume{Name: "v", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
		Sources: []corev1.VolumeProjection{{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{item}}}},
	}}}
}
