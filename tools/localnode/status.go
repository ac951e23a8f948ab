package localnode

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The reasons why a container is waiting. They are those of a kubelet if it has
// one for the same condition.
const (
	reasonCreating = "ContainerCreating"
	reasonInit     = "PodInitializing"
	reasonRefused  = "CreateContainerConfigError"
	reasonImage    = "ErrImagePull"
	reasonCrashing = "CrashLoopBackOff"
	reasonStart    = "RunContainerError"
	// reasonTurn is specific to this node.
	reasonTurn = "OtherPodRuns"
)

// containerState is the state of one container.
type containerState struct {
	// reason and message explain why it is waiting, if it is neither running nor
	// ended.
	reason, message string
	// started is the time of the last start.
	started time.Time
	running bool
	// ended is the time of the last end, with exit code exit.
	ended    time.Time
	exit     int
	restarts int32
}

// podState is the state of a pod. The containers are in the order of the pod's
// spec.
type podState struct {
	started          time.Time
	init, containers []containerState
	ready            bool
}

// newPodState returns the state of a pod before its containers have started.
func newPodState(pod *corev1.Pod, now time.Time) podState {
	s := podState{started: now}
	for range pod.Spec.InitContainers {
		s.init = append(s.init, containerState{reason: reasonInit})
	}
	for range pod.Spec.Containers {
		s.containers = append(s.containers, containerState{reason: reasonInit})
	}
	return s
}

// at returns the state of the i-th container, with the init containers first.
func (s podState) at(i int) *containerState {
	if i < len(s.init) {
		return &s.init[i]
	}
	return &s.containers[i-len(s.init)]
}

// clone returns a deep copy.
func (s podState) clone() podState {
	s.init, s.containers = slices.Clone(s.init), slices.Clone(s.containers)
	return s
}

// initialized reports whether all init containers have succeeded.
func (s podState) initialized() bool {
	return !slices.ContainsFunc(s.init, func(c containerState) bool { return c.ended.IsZero() || c.exit != 0 || c.running })
}

// status returns the pod's status. It starts from the current status, so that
// transition times of unchanged conditions are kept.
func (s podState) status(pod *corev1.Pod, address string, now time.Time) corev1.PodStatus {
	status := *pod.Status.DeepCopy()
	status.Phase = corev1.PodPending
	if slices.ContainsFunc(s.containers, func(c containerState) bool { return c.running || !c.ended.IsZero() }) {
		status.Phase = corev1.PodRunning
	}
	status.HostIP, status.HostIPs = address, []corev1.HostIP{{IP: address}}
	status.PodIP, status.PodIPs = address, []corev1.PodIP{{IP: address}}
	started := metav1.NewTime(s.started)
	status.StartTime = &started
	setCondition(&status, corev1.PodScheduled, true, now)
	setCondition(&status, corev1.PodInitialized, s.initialized(), now)
	setCondition(&status, corev1.ContainersReady, s.ready, now)
	setCondition(&status, corev1.PodReady, s.ready, now)
	status.InitContainerStatuses = nil
	for i, c := range pod.Spec.InitContainers {
		done := !s.init[i].ended.IsZero() && s.init[i].exit == 0 && !s.init[i].running
		status.InitContainerStatuses = append(status.InitContainerStatuses, s.init[i].status(c, done, done))
	}
	status.ContainerStatuses = nil
	for i, c := range pod.Spec.Containers {
		status.ContainerStatuses = append(status.ContainerStatuses, s.containers[i].status(c, s.ready, false))
	}
	return status
}

// status returns the status of one container. done reports whether the container
// has completed for good.
func (c containerState) status(container corev1.Container, ready, done bool) corev1.ContainerStatus {
	terminated := &corev1.ContainerStateTerminated{
		ExitCode: int32(c.exit), StartedAt: metav1.NewTime(c.started), FinishedAt: metav1.NewTime(c.ended), Reason: "Error",
	}
	if c.exit == 0 {
		terminated.Reason = "Completed"
	}
	status := corev1.ContainerStatus{Name: container.Name, Image: container.Image, Ready: ready, RestartCount: c.restarts, Started: &c.running}
	if !c.ended.IsZero() && !done {
		status.LastTerminationState.Terminated = terminated
	}
	switch {
	case c.running:
		status.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(c.started)}
	case done:
		status.State.Terminated = terminated
	default:
		status.State.Waiting = &corev1.ContainerStateWaiting{Reason: c.reason, Message: c.message}
	}
	return status
}

// setCondition sets a condition. Its transition time changes only with its
// status.
func setCondition(status *corev1.PodStatus, kind corev1.PodConditionType, isTrue bool, now time.Time) {
	value := corev1.ConditionFalse
	if isTrue {
		value = corev1.ConditionTrue
	}
	for i := range status.Conditions {
		if c := &status.Conditions[i]; c.Type == kind {
			if c.Status != value {
				c.Status, c.LastTransitionTime = value, metav1.NewTime(now)
			}
			return
		}
	}
	status.Conditions = append(status.Conditions, corev1.PodCondition{Type: kind, Status: value, LastTransitionTime: metav1.NewTime(now)})
}
