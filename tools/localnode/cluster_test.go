package localnode_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/suite"
	"trust-manager.io/tools/localnode"
)

const (
	root  = "../.."
	chart = root + "/deploy/charts/trust-manager"
	helm  = root + "/bin/helm"
	// patience is many times the usual duration of any step.
	patience = 60 * time.Second
)

// cluster is a control plane with a local node.
type cluster struct {
	t          *testing.T
	dir        string
	kubeconfig string
	config     *rest.Config
	api        client.Client
	// out contains the node's log.
	out *locked
}

// newCluster starts a control plane, and builds the images of the operator and of
// two versions of a default CA package.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	log.SetLogger(logr.Discard()) // of the caches
	suite.RequireFor(t, "test-integration", suite.Assets, suite.Built("helm"))
	c := &cluster{t: t, dir: t.TempDir(), out: &locked{}}
	c.kubeconfig = filepath.Join(c.dir, "kubeconfig")
	c.buildImages("1", "2")
	c.startControlPlane()
	var err error
	if c.config, err = clientcmd.BuildConfigFromFlags("", c.kubeconfig); err != nil {
		t.Fatal(err)
	}
	scheme := apiruntime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	if c.api, err = client.New(c.config, client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	return c
}

// startNode runs a node until the returned function is called.
func (c *cluster) startNode() (stop func()) {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- localnode.Run(ctx, c.config, localnode.Options{
			Name: "here", Images: filepath.Join(c.dir, "images"), Dir: filepath.Join(c.dir, "node"),
			Arguments: []string{"--kubeconfig=$(KUBECONFIG)"},
		}, slog.New(slog.NewTextHandler(c.out, nil)))
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			c.t.Errorf("the node failed: %v", err)
		}
	})
	c.t.Cleanup(func() {
		stop()
		if c.t.Failed() {
			c.t.Logf("log of the node:\n%s", c.out.String())
		}
	})
	return stop
}

// startControlPlane starts a control plane that is stopped at the end of the
// test.
func (c *cluster) startControlPlane() {
	c.t.Helper()
	binary := filepath.Join(c.dir, "cluster-command")
	c.must("go", "build", "-C", root+"/tools/kubernetes", "-o", binary, ".")
	command := exec.Command(binary, "run", "--dir", filepath.Join(c.dir, "cluster"), "--kubeconfig", c.kubeconfig, "--apiserver-arg=--enable-aggregator-routing=true")
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		if err := errors.Join(input.Close(), command.Wait()); err != nil {
			c.t.Errorf("the control plane did not stop cleanly: %v", err)
		}
	})
	if line, _ := bufio.NewReader(output).ReadString('\n'); line != "ready\n" {
		c.t.Fatal("the control plane did not become ready; see the output above")
	}
}

// buildImages builds the operator's image and one package image per version.
func (c *cluster) buildImages(versions ...string) {
	c.t.Helper()
	binaries, packages, images := filepath.Join(c.dir, "binaries"), filepath.Join(c.dir, "packages"), filepath.Join(c.dir, "images")
	c.must("go", "build", "-C", root, "-o", filepath.Join(binaries, runtime.GOARCH)+"/", "./cmd/trust-manager", "./cmd/trust-package-copy")
	builder := filepath.Join(c.dir, "trust-package")
	c.must("go", "build", "-C", root, "-o", builder, "./cmd/trust-package")
	roots := filepath.Join(c.dir, "roots.pem")
	c.must("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=root", "-keyout", "/dev/null", "-out", roots)
	if err := errors.Join(os.MkdirAll(packages, 0o755), os.MkdirAll(images, 0o755)); err != nil {
		c.t.Fatal(err)
	}
	for _, version := range versions {
		c.must(builder, "pem", "--name", "roots", "--version", version, "--out", filepath.Join(packages, "roots.json"), roots)
		if err := os.WriteFile(filepath.Join(packages, "roots.source"), []byte("roots "+version+" pkg:generic/roots@"+version+" none\n"), 0o600); err != nil {
			c.t.Fatal(err)
		}
		out := filepath.Join(c.dir, "built-"+version)
		if err := os.MkdirAll(out, 0o755); err != nil {
			c.t.Fatal(err)
		}
		c.must("go", "-C", root+"/hack/tools", "run", "./images", "build", "--binaries", binaries, "--packages", packages, "--out", out, "--version", "0.1.0", "--revision", "test")
		for _, name := range []string{"trust-manager", "roots"} {
			if err := os.Rename(filepath.Join(out, name+".tar"), filepath.Join(images, name+"-"+version+".tar")); err != nil {
				c.t.Fatal(err)
			}
		}
	}
}

// must runs a command and fails the test on error.
func (c *cluster) must(name string, args ...string) string {
	c.t.Helper()
	text, err := c.run(name, args...)
	if err != nil {
		c.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, text)
	}
	return text
}

func (c *cluster) run(name string, args ...string) (string, error) {
	command := exec.CommandContext(c.t.Context(), name, args...)
	home := filepath.Join(c.dir, "helm")
	command.Env = append(os.Environ(), "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home, "HELM_CACHE_HOME="+home, "KUBECONFIG="+c.kubeconfig, "GOWORK=off")
	text, err := command.CombinedOutput()
	return string(text), err
}

// upgrade installs or upgrades the release with the given version of the package.
func (c *cluster) upgrade(version string, args ...string) {
	c.t.Helper()
	c.must(helm, append([]string{
		"upgrade", "-i", "-n", "cert-manager", "--create-namespace", "trust-manager", chart,
		"--set", "defaultPackageImage.name=roots", "--set-string", "defaultPackageImage.tag=" + version,
		"--set", "app.webhook.port=" + port(0), "--set", "app.metrics.port=" + port(1), "--set", "app.readinessProbe.port=" + port(2),
	}, args...)...)
}

// port returns a port for this test process, below those of control planes and
// the ephemeral range.
func port(i int) string { return fmt.Sprint(12000 + os.Getpid()%2600*3 + i) }

// locked is a buffer for concurrent use.
type locked struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *locked) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(text)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
