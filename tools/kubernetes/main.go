// Command cluster builds and runs a real Kubernetes control plane for
// development and tests: etcd, kube-apiserver and kube-controller-manager,
// built from source at the versions that this module's go.mod pins, on
// loopback, with TLS everywhere, RBAC and working service-account tokens.
//
// It always holds that everything about one control plane lies in the folder
// given as --dir (and the kubeconfig given as --kubeconfig), that several can
// run at once in different folders, and that no process is signalled unless it
// is the one that was started (see identity).
//
// Without --node it runs no node: objects are stored, defaulted, admitted,
// published and garbage-collected as in any cluster, but no pod starts. With it,
// kube-scheduler, containerd and kubelet run too, and so do pods: see node. That
// needs root on Linux and some packages of the system; what it makes outside of
// the folder is in the state file, and all of it goes when the cluster does.
//
// It needs Linux or macOS; only Linux ties the processes of `cluster run` to its
// life.
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
            a cache (once), and with --node what a node needs; print the folder
            that holds them
  up        start a control plane in the background
  down      stop it and remove its folder
  run       start one in the foreground, print "ready", and stop it when
            standard input ends or on SIGTERM or SIGINT
  signal    send a signal to one process of a control plane
  restart   stop one process if it runs, and start it on the same port and data
  load      put image archives into the node of a cluster
  pack      make an image archive of files, of which the first is what it runs

"cluster COMMAND -h" lists the flags.

  TRUST_MANAGER_CACHE  the cache folder, if not trust-manager in the user's own
  KUBEBUILDER_ASSETS   a folder with binaries to use, instead of building them
`

// stdio is what a command reads and writes: results on out, progress on err.
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
