// Package rig runs a control plane and the operator for tests: etcd and a Kubernetes API
// server on loopback, the CRD and the RBAC rules that Helm renders from the chart, and the
// operator as a child process under the chart's service account.
//
// [Start] returns a [Rig], usually in TestMain. With it a test can
//   - start, stop, kill and pause operators ([Rig.StartOperator], [Operator]);
//   - read the operator's requests from the API server's audit log ([Audit]), and compare
//     them with the rights that the chart grants ([Grants], [Unused]);
//   - make writes in a namespace fail or hang ([Admission]);
//   - inject faults between the operator and the API server ([Proxy], [Fault]);
//   - restart processes of the control plane ([Rig.Restart]);
//   - run an operator with other rights or an expiring token ([Rig.Account],
//     [Rig.ExpiringToken]), or a release with other values ([Rig.Install]).
//
// The cluster and the operator are built from this checkout. Faults come from outside,
// never from a hook in the product. All processes end with the test process; on macOS, the
// operator does so only if the test process ends normally. What the operator should do is
// for the tests to define.
package rig
