package main

import (
	"errors"
	"path/filepath"
	"slices"
)

// options say what kind of control plane to start.
type options struct {
	Kubeconfig               path
	WithoutControllerManager bool
	// Node asks for a node, on which pods run.
	Node          bool
	APIServerArgs []string
}

// sameCluster tells whether a control plane started with p serves one who asks
// for o. Where the kubeconfig goes does not matter: it can be written again.
func (o options) sameCluster(p options) bool {
	return o.WithoutControllerManager == p.WithoutControllerManager && o.Node == p.Node && slices.Equal(o.APIServerArgs, p.APIServerArgs)
}

// path is an absolute path, as a flag value.
type path string

func (p *path) String() string { return string(*p) }

// Set refuses the empty path: made absolute, it would be the working directory.
func (p *path) Set(value string) error {
	if value == "" {
		return errors.New("it is empty")
	}
	absolute, err := filepath.Abs(value)
	*p = path(absolute)
	return err
}
