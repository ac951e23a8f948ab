package rig

import (
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// WithoutAudit are arguments of the API server that turn its audit log off, for
// benchmarks: the log makes it encode each object that is written a second time. Audit
// then returns nothing.
var WithoutAudit = []string{"--audit-policy-file=", "--audit-log-path="}

// AccountConfig returns a client configuration for the operator's service account, without
// a rate limit.
func (r *Rig) AccountConfig() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", r.Main.Kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	return config, nil
}

// UseOperator makes the Rig start another program as the operator, for example one with
// profiling, and returns the path of the previous one.
func (r *Rig) UseOperator(path string) (before string) {
	before, r.commands.operator = r.commands.operator, path
	return before
}

// PID returns the operator's process ID.
func (o *Operator) PID() int { return o.command.Process.Pid }

// Done returns a channel that is closed when the operator ends.
func (o *Operator) Done() <-chan struct{} { return o.ended }
