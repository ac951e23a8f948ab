package certmanager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/tools/localnode"
)

// namespace is that of cert-manager, of the release, and of the trust sources.
const namespace = "cert-manager"

// stand is a control plane with cert-manager and a node of processes.
type stand struct {
	dir, kubeconfig string
	config          *rest.Config
	api             client.Client
	cluster         *program
	certManager     *program
	ports           map[string]string
	stopNode        context.CancelFunc
	node            sync.WaitGroup
}

// newStand starts everything. It returns the stand to stop even if it fails.
func newStand(ctx context.Context) (*stand, error) {
	s := &stand{stopNode: func() {}}
	if _, err := bin("helm"); err != nil {
		return s, err
	}
	var err error
	if s.dir, err = os.MkdirTemp("", "certmanager-"); err != nil {
		return s, err
	}
	if s.ports, err = portValues(); err != nil {
		return s, err
	}
	s.kubeconfig = filepath.Join(s.dir, "kubeconfig")
	// The webhook is called at the addresses of its pods: nothing here routes the
	// address of a Service.
	s.cluster, err = start("cluster", "run", "--dir", filepath.Join(s.dir, "cluster"), "--kubeconfig", s.kubeconfig,
		"--apiserver-arg", "--enable-aggregator-routing=true")
	if err != nil {
		return s, err
	}
	if s.certManager, err = s.neighbour("cert-manager"); err != nil {
		return s, err
	}
	if s.config, err = clientcmd.BuildConfigFromFlags("", s.kubeconfig); err != nil {
		return s, err
	}
	s.config.QPS = -1
	utilruntime.Must(v1alpha1.AddToScheme(scheme.Scheme))
	if s.api, err = client.New(s.config, client.Options{Scheme: scheme.Scheme}); err != nil {
		return s, err
	}
	images := filepath.Join(s.dir, "images")
	if err := buildImage(ctx, s.dir, images); err != nil {
		return s, err
	}
	s.startNode(images)
	return s, nil
}

// neighbour starts one of the projects beside the operator.
func (s *stand) neighbour(command string, flags ...string) (*program, error) {
	return start("certmanager", append([]string{command, "--kubeconfig", s.kubeconfig, "--until-stdin-ends"}, flags...)...)
}

// startNode starts the node that runs pods.
func (s *stand) startNode(images string) {
	ctx, stop := context.WithCancel(context.Background())
	s.stopNode = stop
	options := localnode.Options{
		Name: "certmanager", Namespace: namespace, Images: images, Dir: filepath.Join(s.dir, "node"),
		Arguments: []string{"--kubeconfig=$(KUBECONFIG)"},
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	s.node.Go(func() {
		if err := localnode.Run(ctx, s.config, options, log); err != nil {
			log.Error("The node has ended", "error", err)
		}
	})
}

func (s *stand) stop() error {
	s.stopNode()
	s.node.Wait()
	err := errors.Join(s.certManager.stop(), s.cluster.stop())
	return errors.Join(err, os.RemoveAll(s.dir))
}

// buildImage builds the operator of this checkout, and its image under the name that
// the chart uses.
func buildImage(ctx context.Context, dir, out string) error {
	root := filepath.Join("..", "..")
	binaries, packages := filepath.Join(dir, "binaries"), filepath.Join(dir, "packages")
	for _, folder := range []string{out, packages} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	version, err := chartVersion(filepath.Join(root, chart, "Chart.yaml"))
	if err != nil {
		return err
	}
	for _, command := range [][]string{
		{"build", "-o", filepath.Join(binaries, runtime.GOARCH) + "/", "./cmd/trust-manager", "./cmd/trust-package-copy"},
		{"run", "-C", "hack/tools", "./images", "build", "--binaries", binaries, "--packages", packages, "--out", out, "--version", version, "--revision", "test"},
	} {
		goCommand := exec.CommandContext(ctx, "go", command...)
		goCommand.Dir, goCommand.Stderr = root, os.Stderr
		goCommand.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
		if err := goCommand.Run(); err != nil {
			return fmt.Errorf("building the operator's image: go %s: %w", command[0], err)
		}
	}
	return nil
}

// object returns an empty object of a neighbour's API to read into.
func object(apiVersion, kind, name string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetAPIVersion(apiVersion)
	o.SetKind(kind)
	o.SetNamespace(namespace)
	o.SetName(name)
	return o
}
