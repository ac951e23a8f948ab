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

// lacksOnlyControllerManager reports whether a control plane started with o needs a controller
// manager, and nothing else, to meet a request for p. One with a node is not completed.
func (o options) lacksOnlyControllerManager(p options) bool {
	missing := o.WithoutControllerManager && !p.WithoutControllerManager && !o.Node
	o.WithoutControllerManager = p.WithoutControllerManager
	return missing && o.sameCluster(p)
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
