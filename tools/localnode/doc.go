// Package localnode runs pods as processes of this machine. It makes Deployments
// run on a control plane that has no node.
//
// To the API server it is a node like any other. It registers a Node, binds
// unscheduled pods, runs them, and reports their status. The controllers of the
// control plane do the rest (rolling updates, the Deployment's status, the
// EndpointSlices of Services), so `kubectl rollout status`, `kubectl get pods`
// and `helm upgrade --wait` work as usual.
//
// Invariants:
//   - An image comes from an OCI archive in one directory. Its program runs with the exact
//     command line of image and pod, in which only paths are replaced: those in volumes and
//     those of the image's own files become their paths on this machine.
//   - A process has exactly the permissions of its pod's service account. It uses the token
//     that the pod mounts, which is renewed before it expires, through a kubeconfig in
//     KUBECONFIG.
//   - A pod with an unsupported field does not start, and its status contains the reason
//     (see refuse). Apart from the differences below, nothing is ignored silently.
//   - All processes end with this one (on Linux even if it is killed).
//
// Differences to a node, since pods share this machine:
//   - A process has the user, the file system, the network and the resources of the caller.
//     Security contexts, resources, node selectors, priorities and pull policies have no
//     effect. All pods have the machine's address.
//   - Pods of one Deployment would listen on the same ports, so only one runs at a time. In
//     a rolling update the old process serves until the new pod's images are available and
//     its init containers have succeeded. Then it is stopped, without its preStop hook, and
//     the new one is started. If the new pod is deleted, the old one runs again.
//   - A readiness probe that has not succeeded yet runs every second.
package localnode
