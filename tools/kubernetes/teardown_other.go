//go:build unix && !linux

package main

import (
	"context"
	"errors"
)

// A node requires Linux: nodePossible returns an error before any of these is
// called.
var errNoNode = errors.New("a node requires Linux")

func (n *node) tearDown(context.Context) error { return errNoNode }

func (n *node) makeCgroup() error { return errNoNode }
