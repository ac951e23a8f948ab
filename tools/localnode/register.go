package localnode

import (
	"context"
	"errors"
	"net"
	"runtime"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// leaseNamespace is the namespace of the nodes' heartbeat Leases.
	leaseNamespace = "kube-node-lease"
	leaseSeconds   = 40
	renewPeriod    = 10 * time.Second
	// startupGrace is how long renewal failures are not logged: a new control plane
	// first has to create its namespaces and service accounts.
	startupGrace = 30 * time.Second
)

// machineAddress returns an IPv4 address of this machine to use as the pods'
// address. The API server rejects loopback and link-local addresses.
func machineAddress() (string, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return "", err
	}
	for _, address := range addresses {
		if network, ok := address.(*net.IPNet); ok && network.IP.To4() != nil && network.IP.IsGlobalUnicast() {
			return network.IP.String(), nil
		}
	}
	return "", errors.New("this machine has only a loopback IPv4 address, which the API server rejects for pods; " +
		"add an address to a dummy interface: ip link add trust0 type dummy && ip address add 198.51.100.1/32 dev trust0 && ip link set trust0 up")
}

// register creates the Node and sets its status to ready.
func (n *Node) register(ctx context.Context) error {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.options.Name, Labels: map[string]string{
		corev1.LabelHostname: n.options.Name, corev1.LabelOSStable: "linux", corev1.LabelArchStable: runtime.GOARCH,
	}}}
	if err := n.objects.Create(ctx, node); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	if err := n.objects.Get(ctx, client.ObjectKeyFromObject(node), node); err != nil {
		return err
	}
	before := node.DeepCopy()
	now := metav1.Now()
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: n.address}}
	node.Status.NodeInfo.OperatingSystem, node.Status.NodeInfo.Architecture = "linux", runtime.GOARCH
	node.Status.Capacity = corev1.ResourceList{corev1.ResourcePods: resource.MustParse("110")}
	node.Status.Allocatable = node.Status.Capacity
	node.Status.Conditions = []corev1.NodeCondition{{
		Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "LocalNode", Message: "pods run as processes of this machine",
		LastHeartbeatTime: now, LastTransitionTime: now,
	}}
	return n.objects.Status().Patch(ctx, node, client.MergeFrom(before))
}

// renewLease renews the node's Lease until ctx ends. Without it, the pods are
// evicted.
func (n *Node) renewLease(ctx context.Context) error {
	start := time.Now()
	for {
		err := n.renew(ctx)
		wait := renewPeriod
		if err != nil {
			if ctx.Err() == nil && time.Since(start) > startupGrace {
				n.log.Warn("Failed to renew the node lease", "error", err)
			}
			wait = reportPause
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// renew renews the Lease once, and creates it if it does not exist.
func (n *Node) renew(ctx context.Context) error {
	before := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: leaseNamespace, Name: n.options.Name}}
	lease := before.DeepCopy()
	lease.Spec = coordinationv1.LeaseSpec{
		HolderIdentity: &n.options.Name, LeaseDurationSeconds: ptr.To[int32](leaseSeconds), RenewTime: ptr.To(metav1.NowMicro()),
	}
	err := n.objects.Patch(ctx, lease.DeepCopy(), client.MergeFrom(before))
	if apierrors.IsNotFound(err) {
		err = n.objects.Create(ctx, lease)
	}
	return err
}
