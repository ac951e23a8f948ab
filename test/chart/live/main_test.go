// Package live tests that a real API server accepts what the chart renders: every
// object of each set of values, with strict validation, so that unknown fields
// are rejected and not dropped. The API server has the custom resource
// definitions of cert-manager, approver-policy and Prometheus Operator.
//
// Helm discovers the capabilities of this API server, as it does for users. Other
// tests cover whether the operator works with the objects.
package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/test/framework/helm"
	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/suite"
)

// Set by TestMain.
var (
	chart *helm.Helm
	// api is an administrator's client, and kubeconfig the path of the
	// administrator's kubeconfig.
	api        client.Client
	kubeconfig string
)

const root = "../../.."

func TestMain(m *testing.M) {
	suite.Require("test/chart/live", "test-integration", suite.Assets, suite.Built("helm"), suite.Built("certmanager"))
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "test/chart/live:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	log.SetLogger(logr.Discard())
	dir, err := os.MkdirTemp("", "trust-manager-chart-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if chart, err = helm.New(root, filepath.Join(dir, "helm")); err != nil {
		return 1, err
	}
	neighbours, err := neighbourDefinitions()
	if err != nil {
		return 1, err
	}
	env := newEnvironment()
	defer func() { err = errors.Join(err, env.Stop()) }()
	if api, kubeconfig, err = start(env, dir); err != nil {
		return 1, err
	}
	if err := define(context.Background(), neighbours); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// neighbourDefinitions returns the definitions of the other projects, as YAML.
func neighbourDefinitions() (string, error) {
	command, err := filepath.Abs(filepath.Join(root, "bin", "certmanager"))
	if err != nil {
		return "", err
	}
	var out, fault bytes.Buffer
	printed := exec.Command(command, "crds")
	printed.Dir = root
	printed.Stdout, printed.Stderr = &out, &fault
	if err := printed.Run(); err != nil {
		return "", fmt.Errorf("certmanager crds: %w: %s", err, fault.String())
	}
	return out.String(), nil
}

func newEnvironment() *envtest.Environment {
	env := &envtest.Environment{
		// Seconds are enough unless other tests keep the machine busy.
		ControlPlaneStartTimeout: 2 * time.Minute,
		ControlPlaneStopTimeout:  time.Minute,
	}
	env.ControlPlane.GetAPIServer().Configure().Set("service-cluster-ip-range", "10.0.0.0/24,fd00:10::/108")
	return env
}

// start starts etcd and an API server. It returns a client and the path of a kubeconfig
// in dir, both with an administrator's rights.
func start(env *envtest.Environment, dir string) (client.Client, string, error) {
	config, err := env.Start()
	if err != nil {
		return nil, "", fmt.Errorf("start the API server: %w", err)
	}
	config.QPS = -1
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, "", err
	}
	administrator, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, "", err
	}
	user, err := env.AddUser(envtest.User{Name: "helm", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		return nil, "", err
	}
	text, err := user.KubeConfig()
	if err != nil {
		return nil, "", err
	}
	path := filepath.Join(dir, "kubeconfig")
	return administrator, path, os.WriteFile(path, text, 0o600)
}

// define creates custom resource definitions and waits until they are
// established.
func define(ctx context.Context, text string) error {
	all, err := helm.Parse(text)
	if err != nil {
		return err
	}
	if len(all) < 8 {
		return fmt.Errorf("got %d definitions of other projects, want at least 8", len(all))
	}
	for _, object := range all {
		if err := api.Create(ctx, object); err != nil {
			return fmt.Errorf("%s: %w", object.GetName(), err)
		}
	}
	for _, object := range all {
		if err := awaitServed(ctx, object.GetName()); err != nil {
			return err
		}
	}
	return nil
}

func awaitServed(ctx context.Context, name string) error {
	return poll.UntilWithin(ctx, time.Minute, name+" to be established", func() error {
		definition := &unstructured.Unstructured{}
		definition.SetAPIVersion("apiextensions.k8s.io/v1")
		definition.SetKind("CustomResourceDefinition")
		if err := api.Get(ctx, types.NamespacedName{Name: name}, definition); err != nil {
			return err
		}
		conditions, _, err := unstructured.NestedSlice(definition.Object, "status", "conditions")
		if err != nil {
			return err
		}
		for _, condition := range conditions {
			if condition, ok := condition.(map[string]any); ok && condition["type"] == "Established" && condition["status"] == "True" {
				return nil
			}
		}
		return errors.New("not established")
	})
}
