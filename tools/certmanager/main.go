// Command certmanager runs what users have in their clusters besides the
// operator: cert-manager, approver-policy, and the custom resource definitions of
// both and of Prometheus Operator.
//
// All of them are the original ones at the versions pinned in this module's
// go.mod: the controllers are linked in from their modules' packages, and the
// definitions are files of those modules. Each controller acts as its service
// account with no more permissions than it needs, so that the permissions granted
// by the chart matter.
//
// cert-manager's webhook is not available as a package and is omitted. Only the
// schemas of the definitions default and validate its objects. An admission
// policy replaces the part of the webhook that approver-policy depends on: it
// records the requester in each CertificateRequest. The self-signed and CA
// issuers are available.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

const usage = `Usage: certmanager COMMAND [FLAGS]

  crds             print the custom resource definitions, as YAML
  cert-manager     run cert-manager's controllers and its CA injector
  approver-policy  run approver-policy, together with "cert-manager --without-approver"

The last two install their custom resource definitions, print "ready" once they
watch, and end on SIGTERM or SIGINT. "certmanager COMMAND -h" lists the flags.
"crds" uses the go command to locate the modules' files.
`

// errUsage reports a wrong command line that has already been explained on
// standard error.
var errUsage = errors.New("wrong usage")

func main() {
	// The controllers log each step. Warnings and errors are enough.
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	klog.SetSlogLogger(logger)
	ctrl.SetLogger(klog.Background())

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := dispatch(ctx, os.Args[1:], os.Stdout)
	stop()
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "certmanager:", err)
		os.Exit(1)
	}
}

// dispatch runs the command named by the first argument.
func dispatch(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return errUsage
	}
	switch args[0] {
	case "crds":
		return crdsCommand(ctx, args[1:], out)
	case "cert-manager":
		return certManagerCommand(ctx, args[1:], out)
	case "approver-policy":
		return approverPolicyCommand(ctx, args[1:], out)
	case "help", "-h", "-help", "--help":
		_, err := fmt.Fprint(out, usage)
		return err
	}
	fmt.Fprintf(os.Stderr, "certmanager: no command %q\n\n%s", args[0], usage)
	return errUsage
}

// running holds the flags of a command that runs controllers in a cluster.
type running struct {
	flags      *flag.FlagSet
	kubeconfig string
	untilEOF   bool
}

// newRunning returns the flags of the named command.
func newRunning(command string) *running {
	r := &running{flags: flag.NewFlagSet("certmanager "+command, flag.ContinueOnError)}
	r.flags.StringVar(&r.kubeconfig, "kubeconfig", "", "the kubeconfig `file` of a cluster administrator (required)")
	r.flags.BoolVar(&r.untilEOF, "until-stdin-ends", false, "also end when standard input ends, and so with the parent process")
	return r
}

// parse parses args. It returns flag.ErrHelp after -h, and errUsage once it has
// printed the problem.
func (r *running) parse(args []string) error {
	if err := parse(r.flags, args); err != nil {
		return err
	}
	if r.kubeconfig == "" {
		fmt.Fprintf(r.flags.Output(), "%s: --kubeconfig is missing\n", r.flags.Name())
		return errUsage
	}
	if r.untilEOF {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin) // an error ends the input too
			_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
		}()
	}
	return nil
}

// parse parses args and rejects arguments that are not flags.
func parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return errUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(flags.Output(), "%s: unexpected argument %q\n", flags.Name(), flags.Arg(0))
		return errUsage
	}
	return nil
}
