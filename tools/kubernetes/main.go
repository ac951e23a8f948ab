// Command cluster builds and runs a real Kubernetes control plane for development
// and tests: etcd, kube-apiserver and kube-controller-manager, built from source
// at the versions pinned in this module's go.mod, listening on loopback, with TLS
// everywhere, RBAC and working service account tokens.
//
// Everything that belongs to one control plane is in the directory given as --dir
// and the kubeconfig given as --kubeconfig. Several control planes can run at
// once in different directories. The command signals only processes that it
// started (see identity).
//
// Without --node the cluster has no node: objects are stored, defaulted,
// admitted, published and garbage collected as in any cluster, but no pod starts.
// With --node, kube-scheduler, containerd and kubelet run too, and pods start
// (see node). A node requires root on Linux and a few system packages. Everything
// that it creates outside the directory is recorded in the state file and removed
// with the cluster.
//
// The command supports Linux and macOS. Only on Linux do the processes of
// `cluster run` end when `cluster run` is killed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `Usage: cluster COMMAND [FLAGS]

  build     build etcd, kube-apiserver, kube-controller-manager and kubectl into
            a cache (once), with --node also the binaries of a node; print the
            directory that contains them
  up        start a control plane in the background; if one runs without a
            controller manager, and one is wanted, only that is added
  down      stop it and remove its directory
  run       start one in the foreground, print "ready", and stop it when
            standard input ends or on SIGTERM or SIGINT
  signal    send a signal to one process of a control plane
  restart   stop one process if it runs, and start it with the same port and data
  load      load image archives into the node of a cluster
  pack      create an image archive from files; the first one is its command

"cluster COMMAND -h" lists the flags.

  TRUST_MANAGER_CACHE  the cache directory (default: trust-manager in the user's cache)
  KUBEBUILDER_ASSETS   a directory with binaries to use instead of building them
`

// stdio holds the streams of a command: it writes results to out and progress to
// err.
type stdio struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := dispatch(ctx, stdio{os.Stdin, os.Stdout, os.Stderr}, os.Args[1:])
	stop()
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}
