// Package e2e tests the product as users install it: images in a real node, the chart
// installed by the real Helm, and pods that trust the certificates of a Bundle.
//
// TestAsUsersHaveIt runs the steps in order on one cluster; each step leaves it as the
// next one expects it. All observations come from outside: from the API server, from
// the pods' logs, and from the machine that they run on.
package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/e2e/machine"
	"trust-manager.io/test/framework/suite"
)

// Set by TestMain.
var (
	node *machine.Machine
	// api acts as the administrator of the cluster.
	api client.WithWatch
)

// handshakeImage holds the program of test/e2e/handshake.
const handshakeImage = "trust-manager.io/test/handshake:1"

func TestMain(m *testing.M) {
	suite.Require("test/e2e", "e2e", suite.Requested("TEST_E2E"))
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "test/e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	log.SetLogger(logr.Discard()) // the client's
	ctx := context.Background()
	if err := timed("cluster with a node", func() (err error) {
		node, err = machine.Start(ctx, os.Stderr)
		return err
	}); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, timed("taking it all down", node.Stop)) }()
	if err := timed("images", func() error { return loadImages(ctx) }); err != nil {
		return 1, err
	}
	if api, err = newClient(node.Kubeconfig); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// timed runs do, and prints what it does and how long it takes.
func timed(what string, do func() error) error {
	began := time.Now()
	err := do()
	fmt.Fprintf(os.Stderr, "test/e2e: %s: %s\n", what, time.Since(began).Round(100*time.Millisecond))
	return err
}

// loadImages loads the images of `make images` into the node, and the image of the
// program that the test's pods run.
func loadImages(ctx context.Context) error {
	for _, name := range []string{operatorImage, packageImage} {
		archive := filepath.Join(node.Root, "bin", "images", name+".tar")
		if _, err := os.Stat(archive); err != nil {
			return fmt.Errorf("%w: run `make images` first, or `make e2e`, which does", err)
		}
		if err := node.Load(ctx, archive); err != nil {
			return err
		}
	}
	program := filepath.Join(node.Dir, "handshake")
	if err := node.Build(ctx, ".", "./test/e2e/handshake", program); err != nil {
		return err
	}
	return node.Pack(ctx, handshakeImage, "handshake="+program)
}

func newClient(kubeconfig string) (client.WithWatch, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS = -1
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	return client.NewWithWatch(config, client.Options{Scheme: scheme})
}
