package localnode

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestStatus(t *testing.T) {
	now := time.Unix(1000, 0)
	pod := &corev1.Pod{Spec: corev1.PodSpec{InitContainers: []corev1.Container{{Name: "init"}}, Containers: []corev1.Container{{Name: "main"}}}}
	cases := map[string]struct {
		change                func(*podState)
		phase                 corev1.PodPhase
		initialized, ready    corev1.ConditionStatus
		initReason, mainState string
	}{
		"new":            {func(*podState) {}, corev1.PodPending, "False", "False", reasonInit, reasonInit},
		"no image":       {func(s *podState) { s.at(0).reason = reasonImage }, corev1.PodPending, "False", "False", reasonImage, reasonInit},
		"init failed":    {func(s *podState) { s.at(0).ended, s.at(0).exit, s.at(0).reason = now, 1, reasonCrashing }, corev1.PodPending, "False", "False", reasonCrashing, reasonInit},
		"init succeeded": {func(s *podState) { s.at(0).ended = now }, corev1.PodPending, "True", "False", "", reasonInit},
		"running":        {func(s *podState) { s.at(0).ended, s.at(1).running = now, true }, corev1.PodRunning, "True", "False", "", ""},
		"ready":          {func(s *podState) { s.at(0).ended, s.at(1).running, s.ready = now, true, true }, corev1.PodRunning, "True", "True", "", ""},
		"crashed":        {func(s *podState) { s.at(0).ended, s.at(1).ended, s.at(1).reason = now, now, reasonCrashing }, corev1.PodRunning, "True", "False", "", reasonCrashing},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			state := newPodState(pod, now)
			c.change(&state)
			status := state.status(pod, "192.0.2.1", now)
			conditions := map[corev1.PodConditionType]corev1.ConditionStatus{}
			for _, condition := range status.Conditions {
				conditions[condition.Type] = condition.Status
			}
			if status.Phase != c.phase || conditions[corev1.PodInitialized] != c.initialized || conditions[corev1.PodReady] != c.ready {
				t.Errorf("got phase %s and conditions %v", status.Phase, conditions)
			}
			if got := waiting(status.InitContainerStatuses[0]); got != c.initReason {
				t.Errorf("the init container waits for reason %q, want %q", got, c.initReason)
			}
			if got := waiting(status.ContainerStatuses[0]); got != c.mainState {
				t.Errorf("the main container waits for reason %q, want %q", got, c.mainState)
			}
		})
	}
}

// waiting returns the reason why a container waits.
func waiting(status corev1.ContainerStatus) string {
	if status.State.Waiting == nil {
		return ""
	}
	return status.State.Waiting.Reason
}

func TestTransitionTimeChangesWithStatus(t *testing.T) {
	first, later := time.Unix(1000, 0), time.Unix(2000, 0)
	status := &corev1.PodStatus{}
	for _, step := range []struct {
		isTrue bool
		now    time.Time
		want   time.Time
	}{{false, first, first}, {false, later, first}, {true, later, later}} {
		setCondition(status, corev1.PodReady, step.isTrue, step.now)
		if got := status.Conditions[0].LastTransitionTime; len(status.Conditions) != 1 || got != metav1.NewTime(step.want) {
			t.Errorf("%v: got %v", step, status.Conditions)
		}
	}
}
