// Package upgrade tests that targets stay intact while the operator's release is
// installed, upgraded, rolled back and uninstalled. Helm runs on a real control
// plane, the operator runs as specified by its Deployment (tools/localnode), and
// a watch of all targets observes every event. A target must contain all of its
// certificates at all times, and must never be deleted or re-created.
//
// The tests share one control plane and the name of the release, so they run
// sequentially.
package upgrade

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/test/framework/port"
	"trust-manager.io/test/framework/rig"
	"trust-manager.io/test/framework/suite"
	"trust-manager.io/tools/localnode"
)

const (
	root = "../.."
	// before and after are the versions of the chart and of the operator's image
	// before and after an upgrade.
	before, after = "0.1.0", "0.2.0"
)

// Set by TestMain.
var (
	env *rig.Rig
	api client.WithWatch
	// folder is a directory for files of the tests. ports are values of the chart.
	folder string
	ports  []string
)

func TestMain(m *testing.M) {
	suite.Require("test/upgrade", "test-integration", suite.Assets, suite.Built("helm"), suite.Built("certmanager"))
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "test/upgrade:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	log.SetLogger(logr.Discard()) // of the client
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if folder, err = os.MkdirTemp("", "trust-manager-upgrade-"); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if ports, err = portValues("app.webhook.port", "app.metrics.port", "app.readinessProbe.port"); err != nil {
		return 1, err
	}
	images := filepath.Join(folder, "images")
	if err := buildImages(ctx, images); err != nil {
		return 1, err
	}
	// Without kube-proxy, the webhook is called at the addresses of its pods.
	env, err = rig.StartEmpty(ctx, os.Stderr, "--enable-aggregator-routing=true")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, env.Stop()) }()
	api = env.Client
	stop := startNode(images)
	defer stop()
	return m.Run(), nil
}

// portValues returns values that set each key to a free port, since pods listen
// on the machine's own addresses.
func portValues(keys ...string) ([]string, error) {
	free, err := port.Free("", len(keys))
	if err != nil {
		return nil, err
	}
	var values []string
	for i, key := range keys {
		values = append(values, key+"="+strconv.Itoa(free[i]))
	}
	return values, nil
}

// buildImages builds the operator of this checkout and an image of it for each
// version.
func buildImages(ctx context.Context, images string) error {
	binaries, packages := filepath.Join(folder, "binaries"), filepath.Join(folder, "packages")
	for _, dir := range []string{packages, images} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	if err := runGo(ctx, "build", "-o", filepath.Join(binaries, runtime.GOARCH)+"/", "./cmd/trust-manager", "./cmd/trust-package-copy"); err != nil {
		return err
	}
	for _, version := range []string{before, after} {
		out := filepath.Join(folder, version)
		if err := os.MkdirAll(out, 0o700); err != nil {
			return err
		}
		err := runGo(ctx, "run", "-C", "hack/tools", "./images", "build", "--binaries", binaries, "--packages", packages, "--out", out, "--version", version, "--revision", "test")
		if err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(out, "trust-manager.tar"), filepath.Join(images, version+".tar")); err != nil {
			return err
		}
	}
	return nil
}

// runGo runs the go command in the root of the checkout.
func runGo(ctx context.Context, arguments ...string) error {
	command := exec.CommandContext(ctx, "go", arguments...)
	command.Dir, command.Stderr = root, os.Stderr
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if err := command.Run(); err != nil {
		return fmt.Errorf("building the operator's images: go %s: %w", arguments[0], err)
	}
	return nil
}

// startNode runs the pods of the release until stop is called.
func startNode(images string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	options := localnode.Options{
		Name: "upgrade", Namespace: namespace, Images: images, Dir: filepath.Join(folder, "node"),
		Arguments: []string{"--kubeconfig=$(KUBECONFIG)"},
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	var node sync.WaitGroup
	node.Go(func() {
		if err := localnode.Run(ctx, env.Config, options, logger); err != nil {
			logger.Error("The node failed", "error", err)
		}
	})
	return func() { cancel(); node.Wait() }
}

// startCertManager runs the real cert-manager until the test ends.
func startCertManager(t *testing.T) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, "bin", "certmanager"))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatal("bin/certmanager is missing: run `make test-integration`, which builds it")
	}
	command := exec.Command(path, "cert-manager", "--kubeconfig", env.Kubeconfig(), "--until-stdin-ends")
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var input io.WriteCloser
	if input, err = command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(input.Close(), command.Wait()); err != nil {
			t.Error(err)
		}
	})
	if line, _ := bufio.NewReader(output).ReadString('\n'); line != "ready\n" {
		t.Fatal("cert-manager did not become ready; see the output above")
	}
}
