package rig

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/internal/apis"
	"trust-manager.io/test/framework/checkout"
	"trust-manager.io/test/framework/helm"
	"trust-manager.io/test/framework/kinds"
)

// The operator's service account in the chart.
const (
	// TrustNamespace is the namespace of the account and of the sources.
	TrustNamespace = "cert-manager"
	accountName    = "trust-manager"
	accountUser    = accountUsers + accountName
	accountUsers   = "system:serviceaccount:" + TrustNamespace + ":"
)

// ownersPlugin makes the API server deny an owner reference that blocks the owner's
// deletion, unless the writer may update the owner's finalizers. OpenShift enables it.
const ownersPlugin = "OwnerReferencesPermissionEnforcement"

// UserOf returns the user name of a service account in [TrustNamespace].
func UserOf(account string) string { return accountUsers + account }

// Rig is a control plane on which operators can run.
type Rig struct {
	// Client is a client of the cluster's administrator, without a rate limit, which stores
	// some Bundles as ClusterBundles, and Config its configuration.
	Client client.WithWatch
	Config *rest.Config
	// Audit holds the requests of the operators' accounts.
	Audit *Audit
	// Helm runs Helm on the chart of this checkout.
	Helm *helm.Helm
	// Main is the release of the operator that StartOperator starts.
	Main *Release
	// Admission can make writes of the operator fail or hang.
	Admission *Admission

	dir string
	// chart is the folder of the chart that Install installs, empty for this checkout's.
	chart        string
	commands     commands
	controlPlane *controlPlane
	// arguments are those of the API server, in addition to its usual ones.
	arguments []string
	spawner   *spawner
}

// Start builds the commands, starts a control plane and installs what the operator needs.
// It logs long steps to progress. Arguments of the API server override those of the Rig.
// The caller must stop the Rig.
func Start(ctx context.Context, progress io.Writer, serverArguments ...string) (*Rig, error) {
	return started(func(r *Rig) error { return r.start(ctx, progress, serverArguments) })
}

// StartEmpty starts a control plane without the operator, for tests that install it with
// Helm. The Rig has a Client, a Config, a Kubeconfig and Helm, and cannot start operators.
func StartEmpty(ctx context.Context, progress io.Writer, arguments ...string) (*Rig, error) {
	return started(func(r *Rig) error { return r.startCluster(ctx, progress, arguments...) })
}

func started(start func(*Rig) error) (*Rig, error) {
	dir, err := os.MkdirTemp("", "trust-manager-rig-")
	if err != nil {
		return nil, err
	}
	r := &Rig{dir: dir, spawner: newSpawner()}
	if err := start(r); err != nil {
		return nil, errors.Join(err, r.Stop())
	}
	return r, nil
}

func (r *Rig) start(ctx context.Context, progress io.Writer, serverArguments []string) (err error) {
	if r.Audit, err = newAudit(r.dir); err != nil {
		return err
	}
	arguments := append(r.Audit.arguments(), "--enable-admission-plugins="+ownersPlugin)
	if err := r.startCluster(ctx, progress, append(arguments, serverArguments...)...); err != nil {
		return err
	}
	if err := r.install(ctx); err != nil {
		return err
	}
	// The garbage collector discovers new kinds only every 30 s, and at its start.
	if err := r.Restart(ControllerManager); err != nil {
		return err
	}
	r.Admission, err = startAdmission(ctx, r.Client)
	return err
}

// startCluster builds the commands and starts an empty control plane.
func (r *Rig) startCluster(ctx context.Context, progress io.Writer, arguments ...string) error {
	root, err := checkout.Root()
	if err != nil {
		return err
	}
	if r.Helm, err = helm.New(root, filepath.Join(r.dir, "helm")); err != nil {
		return err
	}
	if r.commands, err = build(ctx, root, r.dir, progress); err != nil {
		return err
	}
	r.arguments = arguments
	if r.controlPlane, err = startControlPlane(r.commands.cluster, r.dir, progress, arguments...); err != nil {
		return err
	}
	if r.Config, err = clientcmd.BuildConfigFromFlags("", r.controlPlane.kubeconfig); err != nil {
		return err
	}
	r.Config.QPS = -1
	r.Client, err = newClient(r.Config)
	return err
}

func newClient(config *rest.Config) (client.WithWatch, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), apis.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	plain, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	return kinds.Client{WithWatch: plain}, err
}

// Stop stops the control plane and removes all files.
func (r *Rig) Stop() error {
	if r.Admission != nil {
		r.Admission.stop()
	}
	var err error
	if r.controlPlane != nil {
		err = r.controlPlane.stop()
	}
	return errors.Join(err, os.RemoveAll(r.dir))
}

// Kubeconfig returns the path of the administrator's kubeconfig.
func (r *Rig) Kubeconfig() string { return r.controlPlane.kubeconfig }

// Signal sends a signal such as "STOP" or "CONT" to a process of the control plane, such as
// [ControllerManager].
func (r *Rig) Signal(process, signal string) error {
	return r.controlPlane.control("signal", "--process", process, "--signal", signal)
}

// Restart stops a process of the control plane, such as [APIServer], starts it again with
// the same data, and waits until it is ready.
func (r *Rig) Restart(process string) error {
	return r.controlPlane.control("restart", "--process", process)
}

// RestartServer restarts the API server with more arguments than at the start of the Rig. They
// replace those of an earlier call.
func (r *Rig) RestartServer(arguments ...string) error {
	flags := []string{"--process", APIServer}
	for _, argument := range slices.Concat(r.arguments, arguments) {
		flags = append(flags, "--apiserver-arg", argument)
	}
	return r.controlPlane.control("restart", flags...)
}
