package localnode

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// watch handles each change of a pod.
func (n *Node) watch(ctx context.Context, objects cache.Cache) error {
	informer, err := objects.GetInformer(ctx, &corev1.Pod{})
	if err != nil {
		return err
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { n.handle(ctx, object) },
		UpdateFunc: func(_, object any) { n.handle(ctx, object) },
		DeleteFunc: func(object any) {
			if last, ok := object.(toolscache.DeletedFinalStateUnknown); ok {
				object = last.Obj
			}
			if pod, ok := object.(*corev1.Pod); ok {
				n.forget(pod.UID)
			}
		},
	})
	return err
}

// handle binds an unscheduled pod, runs a pod of this node, and stops a deleted
// one.
func (n *Node) handle(ctx context.Context, object any) {
	pod, ok := object.(*corev1.Pod)
	switch {
	case !ok || ctx.Err() != nil:
	case pod.Spec.NodeName == "" && pod.DeletionTimestamp == nil:
		n.group.Go(func() { n.bind(ctx, pod) })
	case pod.Spec.NodeName != n.options.Name:
	case pod.DeletionTimestamp != nil:
		n.terminate(ctx, pod)
	default:
		n.accept(ctx, pod)
	}
}

// bind binds a pod to this node, like a scheduler.
func (n *Node) bind(ctx context.Context, pod *corev1.Pod) {
	binding := &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: n.options.Name}}
	err := n.objects.SubResource("binding").Create(ctx, pod.DeepCopy(), binding)
	if err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) && ctx.Err() == nil {
		n.log.Error("Failed to bind a pod", "pod", name(pod), "error", err)
	}
}

// accept runs a pod unless it is already running.
func (n *Node) accept(ctx context.Context, pod *corev1.Pod) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.running[pod.UID] != nil {
		return
	}
	n.arrived++
	r := n.newRunner(pod.DeepCopy(), n.arrived)
	own, stop := context.WithCancel(ctx)
	current := &running{stop: stop, done: make(chan struct{})}
	n.running[pod.UID] = current
	n.log.Info("Running a pod", "pod", name(pod))
	// The reporter outlives the process, whose end it reports.
	reporting, stopReporting := context.WithCancel(ctx)
	n.group.Go(func() { r.reporter.run(reporting) })
	n.group.Go(func() {
		defer close(current.done)
		defer stopReporting()
		r.reporter.change(func(*podState) {})
		r.run(own)
		r.forget()
	})
}

// newRunner returns the runner of a pod.
func (n *Node) newRunner(pod *corev1.Pod, arrival int) *runner {
	dir := filepath.Join(n.options.Dir, "pods", string(pod.UID))
	log := n.log.With("pod", name(pod))
	return &runner{
		node: n, pod: pod, dir: dir, log: log,
		rival:    rival{workload: workload(pod), template: pod.Labels["pod-template-hash"], created: pod.CreationTimestamp.Time, arrival: arrival},
		volumes:  newMounter(n.objects, pod, dir),
		reporter: newReporter(n.objects, pod, n.address, log),
	}
}

// terminate stops the process of a deleted pod and then removes the object.
func (n *Node) terminate(ctx context.Context, pod *corev1.Pod) {
	n.mu.Lock()
	defer n.mu.Unlock()
	current := n.running[pod.UID]
	if current == nil {
		current = &running{stop: func() {}, done: make(chan struct{})}
		close(current.done)
		n.running[pod.UID] = current
	}
	if current.leaving {
		return
	}
	current.leaving = true
	current.stop()
	n.group.Go(func() {
		<-current.done
		n.remove(ctx, pod)
	})
}

// remove removes the object of a stopped pod, like a kubelet.
func (n *Node) remove(ctx context.Context, pod *corev1.Pod) {
	for ctx.Err() == nil {
		err := n.objects.Delete(ctx, pod, client.GracePeriodSeconds(0), client.Preconditions{UID: &pod.UID})
		if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			return
		}
		n.log.Warn("Failed to remove a pod", "pod", name(pod), "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(reportPause):
		}
	}
}

// forget stops and forgets a pod whose object no longer exists.
func (n *Node) forget(uid types.UID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if current := n.running[uid]; current != nil {
		current.stop()
		delete(n.running, uid)
	}
}

// name returns the namespaced name of a pod.
func name(pod *corev1.Pod) string { return pod.Namespace + "/" + pod.Name }

// workload returns the namespaced name of a pod's Deployment, whose ReplicaSets
// are named after it with the hash of the template appended. For a pod without a
// controller it is the name of the pod.
func workload(pod *corev1.Pod) string {
	owner := pod.Name
	if controller := metav1.GetControllerOf(pod); controller != nil {
		owner = strings.TrimSuffix(controller.Name, "-"+pod.Labels["pod-template-hash"])
	}
	return pod.Namespace + "/" + owner
}
