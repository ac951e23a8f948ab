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

// watch has each pod looked at when it changes.
func (n *Node) watch(ctx context.Context, held cache.Cache) error {
	informer, err := held.GetInformer(ctx, &corev1.Pod{})
	if err != nil {
		return err
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { n.look(ctx, object) },
		UpdateFunc: func(_, object any) { n.look(ctx, object) },
		DeleteFunc: func(object any) {
			if last, ok := object.(toolscache.DeletedFinalStateUnknown); ok {
				object = last.Obj
			}
			if pod, ok := object.(*corev1.Pod); ok {
				n.gone(pod.UID)
			}
		},
	})
	return err
}

// look takes a pod on that waits for a node or is for this one, and begins the end of
// one that was deleted.
func (n *Node) look(ctx context.Context, object any) {
	pod, ok := object.(*corev1.Pod)
	switch {
	case !ok || ctx.Err() != nil:
	case pod.Spec.NodeName == "" && pod.DeletionTimestamp == nil:
		n.group.Go(func() { n.bind(ctx, pod) })
	case pod.Spec.NodeName != n.options.Name:
	case pod.DeletionTimestamp != nil:
		n.leave(ctx, pod)
	default:
		n.takeOn(ctx, pod)
	}
}

// bind says that a pod is for this node, as a scheduler does.
func (n *Node) bind(ctx context.Context, pod *corev1.Pod) {
	binding := &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: n.options.Name}}
	err := n.objects.SubResource("binding").Create(ctx, pod.DeepCopy(), binding)
	if err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) && ctx.Err() == nil {
		n.log.Error("A pod could not be bound", "pod", name(pod), "error", err)
	}
}

// takeOn runs a pod, if it does not run yet.
func (n *Node) takeOn(ctx context.Context, pod *corev1.Pod) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.running[pod.UID] != nil {
		return
	}
	n.arrived++
	r := n.newRunner(pod.DeepCopy(), n.arrived)
	own, stop := context.WithCancel(ctx)
	here := &running{stop: stop, done: make(chan struct{})}
	n.running[pod.UID] = here
	n.log.Info("Running a pod", "pod", name(pod))
	// The end of the process is still reported.
	reporting, silence := context.WithCancel(ctx)
	n.group.Go(func() { r.reporter.run(reporting) })
	n.group.Go(func() {
		defer close(here.done)
		defer silence()
		r.reporter.change(func(*podState) {})
		r.run(own)
		r.forget()
	})
}

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

// leave ends a pod that was deleted: its process first, and then the object.
func (n *Node) leave(ctx context.Context, pod *corev1.Pod) {
	n.mu.Lock()
	defer n.mu.Unlock()
	here := n.running[pod.UID]
	if here == nil {
		here = &running{stop: func() {}, done: make(chan struct{})}
		close(here.done)
		n.running[pod.UID] = here
	}
	if here.leaving {
		return
	}
	here.leaving = true
	here.stop()
	n.group.Go(func() {
		<-here.done
		n.remove(ctx, pod)
	})
}

// remove removes the object of a pod that has ended, as a kubelet does.
func (n *Node) remove(ctx context.Context, pod *corev1.Pod) {
	for ctx.Err() == nil {
		err := n.objects.Delete(ctx, pod, client.GracePeriodSeconds(0), client.Preconditions{UID: &pod.UID})
		if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			return
		}
		n.log.Warn("A pod could not be removed", "pod", name(pod), "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(reportPause):
		}
	}
}

// gone forgets a pod whose object has gone.
func (n *Node) gone(uid types.UID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if here := n.running[uid]; here != nil {
		here.stop()
		delete(n.running, uid)
	}
}

func name(pod *corev1.Pod) string { return pod.Namespace + "/" + pod.Name }

// workload gives the namespace and name of what a pod is one of several of: its
// Deployment, whose ReplicaSets have its name and the hash of the template.
func workload(pod *corev1.Pod) string {
	owner := pod.Name
	if controller := metav1.GetControllerOf(pod); controller != nil {
		owner = strings.TrimSuffix(controller.Name, "-"+pod.Labels["pod-template-hash"])
	}
	return pod.Namespace + "/" + owner
}
