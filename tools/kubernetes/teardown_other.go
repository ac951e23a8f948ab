//go:build unix && !linux

package main

import (
	"context"
	"errors"
)

// There is no node but on Linux: nodePossible says so before any of these is called.
var errNoNode = errors.New("a node needs Linux")

func (n *node) tearDown(context.Context) error { return errNoNode }

func (n *node) makeCgroup() error { return errNoNode }
