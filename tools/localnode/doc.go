// Package localnode runs pods as processes of this machine, where there is no node:
// beside a control plane it is what makes a Deployment run.
//
// To the API server it is a node like any other. It registers a Node, binds the pods
// that wait for one, runs them, and reports what became of them; the controllers of
// the control plane do the rest (rolling updates, the Deployment's status, the
// EndpointSlices of Services), so that `kubectl rollout status`, `kubectl get pods`
// and `helm upgrade --wait` work as they do elsewhere.
//
// What always holds:
//   - An image comes from an OCI archive in one folder, and its program is run with
//     the very command line of image and pod; only paths in it are replaced, those of
//     volumes and those of the image's own files, by where they lie on this machine.
//   - A process has the rights of its pod's service account and no others: it gets
//     the token that the pod mounts, renewed in time, by a kubeconfig in KUBECONFIG.
//   - What is asked of a pod and cannot be done here stops the pod, with a reason in
//     its status (see refuse); nothing is left out silently but what follows.
//   - All processes end with this one (on Linux, however it ends).
//
// How it differs from a node, since pods share this machine with each other:
//   - A process has the user, the file system, the network and the resources of the
//     one who runs this: security contexts, resources, node selectors, priorities and
//     pull policies have no meaning here. The address of every pod is the machine's.
//   - Pods of one Deployment would listen on the same ports, so one of them runs at a
//     time. In a rolling update the old process serves until the new pod's images are
//     there and its init containers have succeeded; then it is stopped, without its
//     preStop hook, and the new one started. Should the new pod go, the old one runs again.
//   - A readiness probe that has not succeeded yet is tried each second.
package localnode
