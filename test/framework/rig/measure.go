package rig

import (
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// WithoutAudit are the arguments of an API server that keeps no audit log: for one
// it encodes each object that is written a second time, which is no part of what a
// benchmark is to measure. Audit then sees nothing.
var WithoutAudit = []string{"--audit-policy-file=", "--audit-log-path="}

// AccountConfig gives the configuration of clients that act as the operator does,
// under its own account, without a rate limit.
func (r *Rig) AccountConfig() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", r.Main.Kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	return config, nil
}

// UseOperator has another program started as the operator from now on, such as one
// that takes profiles of it, and gives the one of before.
func (r *Rig) UseOperator(path string) (before string) {
	before, r.commands.operator = r.commands.operator, path
	return before
}

// PID gives the operator's process.
func (o *Operator) PID() int { return o.command.Process.Pid }

// Done gives a channel that is closed when the operator has ended.
func (o *Operator) Done() <-chan struct{} { return o.ended }
