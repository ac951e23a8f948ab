// Command kubectl-trust is the kubectl plugin `kubectl trust`: it answers questions about the
// bundles of trust-manager.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"trust-manager.io/internal/cli"
)

func main() {
	klog.SetLogger(logr.Discard()) // errors of the client are returned as well
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	status := cli.Run(ctx, os.Args[1:], streams, clock.RealClock{})
	stop()
	os.Exit(status)
}
