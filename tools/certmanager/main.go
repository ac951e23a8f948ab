// Command certmanager runs what users have beside the operator in their
// clusters: cert-manager, approver-policy, and the custom resource definitions of
// both and of Prometheus Operator.
//
// It always holds that they are the real ones, at the versions that this module's
// go.mod pins: the controllers are linked in from their modules' packages, and the
// definitions are those modules' own files. Each runs as the service account, and
// with no more rights than it needs, so that what the chart grants it counts.
//
// What cannot be had as a package is left out: cert-manager's webhook. Nothing
// defaults or checks its objects but the schemas of its definitions; that a
// CertificateRequest carries its maker's name, which the webhook sees to and
// approver-policy relies on, is seen to by an admission policy. The issuers are
// the self-signed one and the one with a CA in a Secret.
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
  approver-policy  run approver-policy, beside "cert-manager --without-approver"

The last two bring their custom resource definitions with them, print "ready"
once they watch, and end on SIGTERM or SIGINT. "certmanager COMMAND -h" lists the
flags. "crds" asks the go command where the modules' files are.
`

// errUsage is the error of a wrong command line whose explanation has been
// written to the standard error stream already.
var errUsage = errors.New("wrong usage")

func main() {
	// They tell of each step; what goes wrong is enough.
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

// running holds the flags of a command that runs something in a cluster.
type running struct {
	flags      *flag.FlagSet
	kubeconfig string
	untilEOF   bool
}

func newRunning(command string) *running {
	r := &running{flags: flag.NewFlagSet("certmanager "+command, flag.ContinueOnError)}
	r.flags.StringVar(&r.kubeconfig, "kubeconfig", "", "the `file` of an administrator of the cluster (required)")
	r.flags.BoolVar(&r.untilEOF, "until-stdin-ends", false, "end with standard input too, and so with the process that holds it")
	return r
}

// parse reads args. It returns flag.ErrHelp after -h, and errUsage once it has
// said what is wrong.
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
			_, _ = io.Copy(io.Discard, os.Stdin) // any end will do
			_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
		}()
	}
	return nil
}

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
