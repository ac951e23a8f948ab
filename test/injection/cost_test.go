package injection

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// largePod returns a pod with containers that have variables and mounts.
func largePod(containers, variables, mounts int) *corev1.Pod {
	pod := newPod(volume("own"))
	pod.Spec.Containers = nil
	for i := range containers {
		container(fmt.Sprint("c", i), func(c *corev1.Container) {
			for j := range variables {
				setting(fmt.Sprint("V", j))(c)
			}
			for j := range mounts {
				mounting(fmt.Sprintf("/data/directory%d/sub", j))(c)
			}
		})(pod)
	}
	return pod
}

// P3: large pods are injected. The API server limits the cost of a policy; beyond the limit a pod is
// created without changes.
func TestLargePods(t *testing.T) {
	t.Parallel()
	namespace := namespaceWith(t, labels(bundleKey, "example"))
	for name, tc := range map[string]struct {
		pod  *corev1.Pod
		want func(*corev1.Pod)
	}{
		"64 containers with 100 variables":  {largePod(64, 100, 10), injected()},
		"500 containers":                    {largePod(500, 1, 1), injected()},
		"a container with 10,000 variables": {largePod(1, 10_000, 1), injected()},
		"a container with 2,000 mounts":     {largePod(1, 1, 2000), injected()},
		"too many mounts":                   {largePod(64, 1, 300), nil},
		"too many containers":               {largePod(2000, 1, 1), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, namespace, tc.pod, tc.want)
		})
	}
}
