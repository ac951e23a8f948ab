package main

import (
	"errors"
	"path/filepath"
	"slices"
)

// options describe the control plane to start.
type options struct {
	Kubeconfig               path
	WithoutControllerManager bool
	// Node requests a node, on which pods run.
	Node          bool
	APIServerArgs []string
}

// sameCluster reports whether a control plane started with p meets a request for
// o. The kubeconfig is not compared, since it can be written again.
func (o options) sameCluster(p options) bool {
	return o.WithoutControllerManager == p.WithoutControllerManager && o.Node == p.Node && slices.Equal(o.APIServerArgs, p.APIServerArgs)
}

// path is an absolute path, as a flag value.
type path string

func (p *path) String() string { return string(*p) }

// Set rejects the empty path, which would become the working directory.
func (p *path) Set(value string) error {
	if value == "" {
		return errors.New("must not be empty")
	}
	absolute, err := filepath.Abs(value)
	*p = path(absolute)
	return err
}
