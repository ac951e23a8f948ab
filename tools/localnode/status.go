package localnode

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The reasons by which a container waits, as a kubelet gives them where it knows the
// same.
const (
	reasonCreating = "ContainerCreating"
	reasonInit     = "PodInitializing"
	reasonRefused  = "CreateContainerConfigError"
	reasonImage    = "ErrImagePull"
	reasonCrashing = "CrashLoopBackOff"
	reasonCannot   = "RunContainerError"
	// reasonTurn is of this node alone.
	reasonTurn = "OtherPodRuns"
)

// containerState is what became of one container.
type containerState struct {
	// reason and message tell why it waits, if it neither runs nor has ended.
	reason, message string
	// started is when it was started last.
	started time.Time
	running bool
	// ended is when it ended last, with this exit code.
	ended    time.Time
	exit     int
	restarts int32
}

// podState is what became of a pod. The containers are in the order of the pod.
type podState struct {
	started          time.Time
	init, containers []containerState
	ready            bool
}

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

// at gives the state of a container, counted through all of them as they are started.
func (s podState) at(i int) *containerState {
	if i < len(s.init) {
		return &s.init[i]
	}
	return &s.containers[i-len(s.init)]
}

// clone gives a copy that shares nothing.
func (s podState) clone() podState {
	s.init, s.containers = slices.Clone(s.init), slices.Clone(s.containers)
	return s
}

// initialized tells whether all init containers have succeeded.
func (s podState) initialized() bool {
	return !slices.ContainsFunc(s.init, func(c containerState) bool { return c.ended.IsZero() || c.exit != 0 || c.running })
}

// status gives the status of a pod on this node. What it knows of before is kept
// where it is the same, so that the times of conditions tell of changes.
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
	set(&status, corev1.PodScheduled, true, now)
	set(&status, corev1.PodInitialized, s.initialized(), now)
	set(&status, corev1.ContainersReady, s.ready, now)
	set(&status, corev1.PodReady, s.ready, now)
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

// status gives the status of one container; done says that its end is no fault.
func (c containerState) status(of corev1.Container, ready, done bool) corev1.ContainerStatus {
	terminated := &corev1.ContainerStateTerminated{
		ExitCode: int32(c.exit), StartedAt: metav1.NewTime(c.started), FinishedAt: metav1.NewTime(c.ended), Reason: "Error",
	}
	if c.exit == 0 {
		terminated.Reason = "Completed"
	}
	status := corev1.ContainerStatus{Name: of.Name, Image: of.Image, Ready: ready, RestartCount: c.restarts, Started: &c.running}
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

// set sets a condition; its time changes with its status only.
func set(status *corev1.PodStatus, kind corev1.PodConditionType, holds bool, now time.Time) {
	value := corev1.ConditionFalse
	if holds {
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
