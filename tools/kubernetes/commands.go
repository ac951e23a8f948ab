package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
)

// errUsage reports a wrong command line that has already been explained on
// standard error.
var errUsage = errors.New("wrong usage")

var commands = map[string]func(context.Context, stdio, []string) error{
	"build":   buildCommand,
	"up":      upCommand,
	"down":    downCommand,
	"run":     runCommand,
	"signal":  signalCommand,
	"restart": restartCommand,
	"load":    loadCommand,
	"pack":    packCommand,
}

// dispatch runs the command named by the first argument.
func dispatch(ctx context.Context, std stdio, args []string) error {
	if len(args) > 0 {
		if command, ok := commands[args[0]]; ok {
			return command(ctx, std, args[1:])
		}
		if slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]) {
			fmt.Fprint(std.out, usage)
			return nil
		}
		fmt.Fprintf(std.err, "cluster: no command %q\n\n", args[0])
	}
	fmt.Fprint(std.err, usage)
	return errUsage
}

func buildCommand(ctx context.Context, std stdio, args []string) error {
	line := newCommandLine("build", std)
	node := line.flags.Bool("node", false, "also build the binaries of a node: kube-scheduler and kubelet")
	without := line.flags.Bool("without-controller-manager", false, "build only etcd, kube-apiserver and kubectl, which come up first")
	if err := line.parse(args); err != nil {
		return err
	}
	dir, err := assets(ctx, options{Node: *node, WithoutControllerManager: *without}, std.err)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(std.out, dir)
	return err
}

func upCommand(ctx context.Context, std stdio, args []string) error {
	line := newCommandLine("up", std).withDir().withOptions()
	if err := line.parse(args, "dir", "kubeconfig"); err != nil {
		return err
	}
	return line.cluster(std).up(ctx, line.options)
}

func downCommand(ctx context.Context, std stdio, args []string) error {
	line := newCommandLine("down", std).withDir()
	if err := line.parse(args, "dir"); err != nil {
		return err
	}
	return line.cluster(std).down(ctx)
}

func runCommand(ctx context.Context, std stdio, args []string) error {
	line := newCommandLine("run", std).withDir().withOptions()
	if err := line.parse(args, "dir", "kubeconfig"); err != nil {
		return err
	}
	return line.cluster(std).foreground(ctx, line.options, std.in, std.out)
}

var signals = map[string]syscall.Signal{
	"KILL": syscall.SIGKILL,
	"STOP": syscall.SIGSTOP,
	"CONT": syscall.SIGCONT,
	"TERM": syscall.SIGTERM,
}

func signalCommand(_ context.Context, std stdio, args []string) error {
	names := strings.Join(slices.Sorted(maps.Keys(signals)), ", ")
	line := newCommandLine("signal", std).withDir().withProcess()
	name := line.flags.String("signal", "", "one of "+names+" (required)")
	if err := line.parse(args, "dir", "process", "signal"); err != nil {
		return err
	}
	number, ok := signals[*name]
	if !ok {
		return fmt.Errorf("--signal %s: want one of %s", *name, names)
	}
	return line.cluster(std).signal(line.process, number)
}

func restartCommand(ctx context.Context, std stdio, args []string) error {
	line := newCommandLine("restart", std).withDir().withProcess().withServerArguments("append, in place of earlier ones,")
	if err := line.parse(args, "dir", "process"); err != nil {
		return err
	}
	return line.cluster(std).restart(ctx, line.process, line.options.APIServerArgs)
}

func loadCommand(ctx context.Context, std stdio, args []string) error {
	line := newCommandLine("load", std).withDir()
	line.trailing = "image archive"
	if err := line.parse(args, "dir"); err != nil {
		return err
	}
	return line.cluster(std).load(ctx, line.flags.Args())
}

func packCommand(_ context.Context, std stdio, args []string) error {
	line := newCommandLine("pack", std)
	name := line.flags.String("image", "", "the `name` of the image, with a tag (required)")
	out := line.flags.String("out", "", "the `file` to write (required)")
	line.trailing = "PATH=FILE"
	if err := line.parse(args, "image", "out"); err != nil {
		return err
	}
	return packFiles(*name, *out, line.flags.Args())
}

func (l *commandLine) cluster(std stdio) *cluster {
	return &cluster{dir: string(l.dir), progress: std.err}
}

// commandLine holds the flags of one command.
type commandLine struct {
	flags   *flag.FlagSet
	dir     path
	process string
	options options
	// trailing describes the arguments after the flags, of which at least one is
	// required. If it is empty, no arguments are allowed.
	trailing string
}

func newCommandLine(command string, std stdio) *commandLine {
	flags := flag.NewFlagSet("cluster "+command, flag.ContinueOnError)
	flags.SetOutput(std.err)
	return &commandLine{flags: flags}
}

func (l *commandLine) withDir() *commandLine {
	l.flags.Var(&l.dir, "dir", "the `directory` of the control plane: its data, keys and logs (required)")
	return l
}

func (l *commandLine) withProcess() *commandLine {
	l.flags.StringVar(&l.process, "process", "", "the name of a process of the cluster, such as kube-apiserver (required)")
	return l
}

// withOptions adds the flags that configure a new control plane.
func (l *commandLine) withOptions() *commandLine {
	l.flags.Var(&l.options.Kubeconfig, "kubeconfig", "the `file` to write the admin's kubeconfig to (required)")
	l.flags.BoolVar(&l.options.WithoutControllerManager, "without-controller-manager", false,
		"start only etcd and kube-apiserver: no garbage collection, no namespace deletion, no default service accounts")
	l.flags.BoolVar(&l.options.Node, "node", false,
		"run pods: start kube-scheduler, containerd and kubelet too (requires Linux, root and a few system packages)")
	return l.withServerArguments("append")
}

// withServerArguments adds the flag for additional arguments of the API server. The verb describes
// for users how they are used.
func (l *commandLine) withServerArguments(verb string) *commandLine {
	l.flags.Func("apiserver-arg", "an `argument` such as --v=4 to "+verb+" to those of kube-apiserver; repeatable",
		func(arg string) error {
			if !strings.HasPrefix(arg, "--") {
				return errors.New("want the form --name=value")
			}
			l.options.APIServerArgs = append(l.options.APIServerArgs, arg)
			return nil
		})
	return l
}

// parse parses args and rejects unexpected arguments and missing required flags.
// It returns flag.ErrHelp after -h, and errUsage once it has printed the problem.
func (l *commandLine) parse(args []string, required ...string) error {
	if err := l.flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return errUsage
	}
	if l.trailing != "" && l.flags.NArg() == 0 {
		fmt.Fprintf(l.flags.Output(), "%s: at least one %s is required\n", l.flags.Name(), l.trailing)
		return errUsage
	}
	if l.trailing == "" && l.flags.NArg() > 0 {
		fmt.Fprintf(l.flags.Output(), "%s: unexpected argument %q\n", l.flags.Name(), l.flags.Arg(0))
		return errUsage
	}
	for _, name := range required {
		if l.flags.Lookup(name).Value.String() == "" {
			fmt.Fprintf(l.flags.Output(), "%s: --%s is missing\n", l.flags.Name(), name)
			return errUsage
		}
	}
	return nil
}
