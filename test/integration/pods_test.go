package integration

import (
	stdcmp "cmp"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/poll"
)

// usingPods is the result of pods.
type usingPods struct {
	Bundle      string
	LastChanged *metav1.Time
	Pods        []struct {
		Namespace, Name, Owner, Reason string
		Stale                          *bool
		Uses                           []struct{ Container, Kind, Name, Way string }
	}
}

// reasons returns why each pod is stale; "-" if it is not.
func (u usingPods) reasons() map[string]string {
	reasons := map[string]string{}
	for _, pod := range u.Pods {
		reasons[pod.Name] = pod.Reason
		if pod.Stale != nil && !*pod.Stale {
			reasons[pod.Name] = "-"
		}
	}
	return reasons
}

// L11: pods that use a bundle, and those that started before its last change.
func TestPods(t *testing.T) { eachAPIKind(t, testPods) }

func testPods(t *testing.T, s *scene) {
	namespaces := s.namespaces(2)
	bundle := s.bundle(inLine(newAuthority("CA")))
	awaitSynced(t, bundle, 2)
	changed := read(t, bundle).Status.LastChanged
	if changed == nil {
		t.Fatal("the status has no lastChanged")
	}
	before, after := changed.Add(-time.Hour), changed.Add(time.Hour)
	volume := corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: bundle.Name}}}
	mount := corev1.VolumeMount{Name: "trust", MountPath: "/etc/ssl/certs"}
	file := mount
	file.SubPath = targetKey
	for _, namespace := range namespaces {
		poll.Eventually(t, "the service account of pods", func() error {
			return api.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "default"}, &corev1.ServiceAccount{})
		})
	}
	s.pod(namespaces[0], "old", volume, mount, before)
	s.pod(namespaces[0], "new", volume, mount, after)
	s.pod(namespaces[1], "sub-path", volume, file, before)
	s.pod(namespaces[1], "other", corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}, mount, before)

	// The operator writes a target again, so pods that started before have the content from before.
	rewritten := &corev1.ConfigMap{}
	poll.Eventually(t, "a later write of a target", func() error {
		if err := api.Get(t.Context(), client.ObjectKey{Namespace: namespaces[0], Name: bundle.Name}, rewritten); err != nil {
			return err
		}
		if changed.Before(&rewritten.CreationTimestamp) {
			return nil
		}
		return stdcmp.Or(api.Delete(t.Context(), rewritten), errors.New("it is as old as the bundle"))
	})
	s.pod(namespaces[0], "early", volume, mount, rewritten.CreationTimestamp.Time)

	id := strings.ToLower(marksOf(bundle.Name).Kind.String()) + "/" + bundle.Name
	for name, tc := range map[string]struct {
		status int
		args   []string
		want   map[string]string
	}{
		"all":             {1, []string{bundle.Name}, map[string]string{"old": "mayNotReload", "new": "-", "early": "mayNotReload", "sub-path": "neverUpdated"}},
		"stale":           {1, []string{id, "--stale"}, map[string]string{"old": "mayNotReload", "early": "mayNotReload", "sub-path": "neverUpdated"}},
		"in a namespace":  {1, []string{id, "-n", namespaces[1]}, map[string]string{"sub-path": "neverUpdated"}},
		"in another one":  {0, []string{id, "-n", "default"}, map[string]string{}},
		"stale, in a one": {1, []string{id, "--stale", "-n", namespaces[0]}, map[string]string{"old": "mayNotReload", "early": "mayNotReload"}},
	} {
		var result usingPods
		trustJSON(t, &result, tc.status, append([]string{"pods"}, tc.args...)...)
		if diff := cmp.Diff(tc.want, result.reasons()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	out, _ := trust(t, 1, "pods", bundle.Name)
	for _, part := range []string{"NAMESPACE", "ConfigMap subPath", "neverUpdated"} {
		if !strings.Contains(out, part) {
			t.Errorf("%q is missing in:\n%s", part, out)
		}
	}
	if _, errs := trust(t, 2, "pods", "no-such-bundle"); !strings.Contains(errs, "bundle no-such-bundle does not exist") {
		t.Errorf("error %q", errs)
	}
	without := s.bundle(inLine(newAuthority("CA")), func(b *v1alpha1.Bundle) { b.Spec.Target = nil })
	if _, errs := trust(t, 2, "pods", without.Name); !strings.Contains(errs, "has no target") {
		t.Errorf("error %q", errs)
	}
}

// pod creates a pod whose container mounts a volume and has started. No kubelet runs.
func (s *scene) pod(namespace, name string, volume corev1.VolumeSource, mount corev1.VolumeMount, started time.Time) {
	s.t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: "app", Image: "registry.example.com/app", VolumeMounts: []corev1.VolumeMount{mount}}},
			Volumes:    []corev1.Volume{{Name: mount.Name, VolumeSource: volume}},
		},
	}
	s.temporary(pod)
	pod.Status.Phase = corev1.PodRunning
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "app", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(started)}},
	}}
	if err := api.Status().Update(s.t.Context(), pod); err != nil {
		s.t.Fatal(err)
	}
}
