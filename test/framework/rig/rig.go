// Package rig runs the real thing for tests: a Kubernetes control plane on
// loopback, in it the CRD and the RBAC rules that Helm renders from the chart, and
// the operator as a child process under the chart's service account.
//
// What always holds: cluster and operator are built from this checkout; what the
// operator asks of the API server is told by the API server's audit log, not by
// the operator; faults come from outside, never from a hook in the product; all
// processes end with the test process (on macOS, the operator only if that ends
// in good order).
//
// It knows nothing of what the operator should do: that is for the tests to say.
package rig

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
	"trust-manager.io/test/framework/checkout"
	"trust-manager.io/test/framework/helm"
)

// The account that the operator runs under, as the chart has it.
const (
	// TrustNamespace is the namespace of the account, and of the sources.
	TrustNamespace = "cert-manager"
	accountName    = "trust-manager"
	accountUser    = accountUsers + accountName
	accountUsers   = "system:serviceaccount:" + TrustNamespace + ":"
)

// ownersPlugin has the API server refuse an owner reference that blocks the owner's
// deletion, unless the writer may update the owner's finalizers. OpenShift has it on.
const ownersPlugin = "OwnerReferencesPermissionEnforcement"

// UserOf gives the user that a service account of TrustNamespace is.
func UserOf(account string) string { return accountUsers + account }

// Rig is one control plane and what is needed to run operators against it.
type Rig struct {
	// Client acts as the administrator of the cluster, without a rate limit, and
	// Config is what other clients like it are made of.
	Client client.WithWatch
	Config *rest.Config
	// Audit has the requests of the operators' accounts.
	Audit *Audit
	// Helm is the real one, for the chart of this checkout.
	Helm *helm.Helm
	// Main is the release that StartOperator runs the operator of.
	Main *Release
	// Admission makes writes of the operator fail or hang.
	Admission *Admission

	dir          string
	commands     commands
	controlPlane *controlPlane
	spawner      *spawner
}

// Start builds the commands, starts a control plane and installs what the
// operator needs. What takes long is told on progress. Arguments of the API server come
// after those of the rig and so win. The Rig must be stopped.
func Start(ctx context.Context, progress io.Writer, serverArguments ...string) (*Rig, error) {
	return started(func(r *Rig) error { return r.start(ctx, progress, serverArguments) })
}

// StartEmpty starts a control plane, with these arguments of the API server, that has
// nothing of the operator in it: for tests that have Helm install it. The Rig has a
// Client, a Config, a Kubeconfig and Helm, and cannot start operators.
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
	// The garbage collector looks for new kinds of objects only every 30 s, but
	// finds all of them when it starts.
	if err := r.Restart(ControllerManager); err != nil {
		return err
	}
	r.Admission, err = startAdmission(ctx, r.Client)
	return err
}

// startCluster builds the commands, and starts a control plane with nothing in it.
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
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	return client.NewWithWatch(config, client.Options{Scheme: scheme})
}

// Stop ends the control plane and removes all files.
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

// Kubeconfig gives the path of the administrator's kubeconfig.
func (r *Rig) Kubeconfig() string { return r.controlPlane.kubeconfig }

// Signal sends a signal, such as "STOP" and "CONT", to a process of the control
// plane, such as ControllerManager.
func (r *Rig) Signal(process, signal string) error {
	return r.controlPlane.control("signal", "--process", process, "--signal", signal)
}

// Restart stops a process of the control plane, such as APIServer, starts it again
// on the same data, and waits until it can be used.
func (r *Rig) Restart(process string) error {
	return r.controlPlane.control("restart", "--process", process)
}
