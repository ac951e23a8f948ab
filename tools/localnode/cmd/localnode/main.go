// Command localnode runs the pods of a control plane without nodes as processes
// of this machine, until it receives SIGTERM or SIGINT. See package localnode.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/tools/localnode"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	default:
		fmt.Fprintln(os.Stderr, "localnode:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var options localnode.Options
	flags := flag.NewFlagSet("localnode", flag.ContinueOnError)
	kubeconfig := flags.String("kubeconfig", "", "`file` with the administrator's kubeconfig (required)")
	flags.StringVar(&options.Name, "name", "localnode", "name of the Node")
	flags.StringVar(&options.Namespace, "namespace", "", "run only the pods of this namespace; all namespaces if empty")
	flags.Func("images", "`directory` of OCI archives, <name>.tar (required)", absolute(&options.Images))
	flags.Func("dir", "`directory` for the node's own files: unpacked images, volumes, logs (required)", absolute(&options.Dir))
	flags.Func("arg", "an `argument` to append to the command line of each main container; $(NAME) refers to a variable of the process, such as KUBECONFIG; repeatable",
		func(arg string) error { options.Arguments = append(options.Arguments, arg); return nil })
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if *kubeconfig == "" {
		return errors.New("--kubeconfig is missing")
	}
	if err := options.Validate(); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return fmt.Errorf("--kubeconfig: %w", err)
	}
	text := slog.NewTextHandler(os.Stderr, nil)
	log.SetLogger(logr.FromSlogHandler(text))
	klog.SetSlogLogger(slog.New(text))
	return localnode.Run(ctx, config, options, slog.New(text))
}

// absolute returns a flag function that stores an absolute path.
func absolute(path *string) func(string) error {
	return func(value string) (err error) {
		if value == "" {
			return errors.New("must not be empty")
		}
		*path, err = filepath.Abs(value)
		return err
	}
}
