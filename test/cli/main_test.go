// Package cli tests the commands of `kubectl trust` that read a cluster: as a program, with the
// kubeconfig of a real API server on which the operator runs.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/go-logr/logr"
	"github.com/rogpeppe/go-internal/testscript"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/internal/capackage"
	"trust-manager.io/internal/cli"
	"trust-manager.io/test/framework/ca"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/rig"
	"trust-manager.io/test/framework/script"
	"trust-manager.io/test/framework/suite"
)

// env is set before the tests run.
var env *rig.Rig

var update = flag.Bool("update", false, "write the output of the program into the scripts that compare it")

// tests starts the cluster for the tests only: testscript runs the same binary as the program.
type tests struct{ *testing.M }

// Run implements [testscript.TestingM].
func (t tests) Run() int {
	suite.Require("test/cli", "test-integration", suite.Assets, suite.Built("helm"))
	code, err := t.run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "test/cli:", err)
		code = 1
	}
	return code
}

func (t tests) run() (code int, err error) {
	log.SetLogger(logr.Discard()) // the client's
	if env, err = rig.Start(context.Background(), os.Stderr); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, env.Stop()) }()
	path, err := writePackage()
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(filepath.Dir(path))) }()
	operator, err := env.StartOperator("--default-package-location", path)
	if err != nil {
		return 1, err
	}
	code = t.M.Run()
	return code, operator.Stop()
}

// writePackage writes the default CA package, and returns its path.
func writePackage() (path string, err error) {
	dir, err := os.MkdirTemp("", "trust-manager-cli-")
	if err != nil {
		return "", err
	}
	data, err := capackage.Encode(capackage.Package{Name: "test", Version: "1", Bundle: ca.Roots(21, 22, 23, 25)})
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "package.json")
	return path, os.WriteFile(path, data, 0o600)
}

func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){"kubectl-trust": program})
}

// program is the main function of kubectl-trust.
func program() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := cli.Run(ctx, os.Args[1:], genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}, clock.RealClock{})
	stop()
	os.Exit(status)
}

// L2, L3, L4, L5, L6, L7, L9, L10, L11, L12: the output and exit status of commands that read a cluster.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Setup: func(script *testscript.Env) error {
			script.Setenv("KUBECONFIG", env.Kubeconfig())
			script.Setenv("HOME", script.WorkDir)
			return errors.Join(writeCertificates(script.WorkDir), writeMany(script.WorkDir))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"apply": func(ts *testscript.TestScript, _ bool, args []string) { forEach(ts, args, apply) },
			"drop":  func(ts *testscript.TestScript, _ bool, args []string) { forEach(ts, args, remove) },
			"expand": func(ts *testscript.TestScript, _ bool, args []string) {
				forEach(ts, args, func(context.Context, *unstructured.Unstructured) error { return nil })
			},
			"ready": ready,
			"exits": script.Exits,
			"serve": serve,
		},
	})
}

// forEach writes the certificates of variables into manifests, and calls a function with their objects.
func forEach(ts *testscript.TestScript, files []string, do func(context.Context, *unstructured.Unstructured) error) {
	for _, file := range files {
		text := os.Expand(ts.ReadFile(file), func(name string) string { return indented(ts.ReadFile(name + ".pem")) })
		infos, err := resource.NewLocalBuilder().Unstructured().Stream(strings.NewReader(text), file).Flatten().Do().Infos()
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(text), 0o600))
		for _, info := range infos {
			ts.Check(do(context.Background(), info.Object.(*unstructured.Unstructured))) //nolint:forcetypeassert // of Unstructured
		}
	}
}

// indented returns a PEM text for a block of YAML.
func indented(text string) string {
	return strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n      ")
}

// apply creates or replaces an object.
func apply(ctx context.Context, object *unstructured.Unstructured) error {
	err := env.Client.Create(ctx, object.DeepCopy())
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	return poll.Until(ctx, "an update", func() error {
		present := object.DeepCopy()
		if err := env.Client.Get(ctx, client.ObjectKeyFromObject(object), present); err != nil {
			return err
		}
		changed := object.DeepCopy()
		changed.SetResourceVersion(present.GetResourceVersion())
		return env.Client.Update(ctx, changed)
	})
}

func remove(ctx context.Context, object *unstructured.Unstructured) error {
	return client.IgnoreNotFound(env.Client.Delete(ctx, object))
}
