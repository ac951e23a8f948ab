package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/cert-manager/cert-manager/pkg/controller"
	"golang.org/x/sync/errgroup"

	// Each package registers its controller with package controller, as in
	// cert-manager's own command. Those of ACME, Vault, Venafi, Ingress and Gateway
	// are omitted.
	"github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/approver"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/ca"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/selfsigned"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/issuing"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/keymanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/readiness"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/requestmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/revisionmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/trigger"
	_ "github.com/cert-manager/cert-manager/pkg/controller/clusterissuers"
	_ "github.com/cert-manager/cert-manager/pkg/controller/issuers"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/ca"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/selfsigned"
)

const (
	// namespace is the default namespace of cert-manager, in which it also looks up
	// the Secrets of ClusterIssuers.
	namespace = "cert-manager"
	// workers is the number of workers per controller, as in cert-manager.
	workers = 5
	// requestsPerSecond limits the rate of requests.
	requestsPerSecond = 100
)

func certManagerCommand(ctx context.Context, args []string, out io.Writer) error {
	line := newRunning("cert-manager")
	withoutApprover := line.flags.Bool("without-approver", false,
		"let approver-policy approve CertificateRequests instead of approving all")
	if err := line.parse(args); err != nil {
		return err
	}
	api, err := connect(line.kubeconfig)
	if err != nil {
		return err
	}
	if err := install(ctx, api, "cert-manager", "cert-manager.yaml", "identity.yaml"); err != nil {
		return err
	}
	if err := awaitIdentity(ctx, api); err != nil {
		return err
	}
	kubeconfig, err := asAccount(line.kubeconfig, "cert-manager")
	if err != nil {
		return err
	}
	defer os.Remove(kubeconfig)

	group, ctx := errgroup.WithContext(ctx)
	if err := startControllers(ctx, group, kubeconfig, !*withoutApprover); err != nil {
		return err
	}
	if err := startInjector(ctx, group, kubeconfig); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, "ready"); err != nil {
		return err
	}
	return group.Wait()
}

// startControllers starts the controllers that issue certificates, and returns
// once their caches have synced.
func startControllers(ctx context.Context, group *errgroup.Group, kubeconfig string, approve bool) error {
	factory, err := controller.NewContextFactory(ctx, controller.ContextOptions{
		Kubeconfig:         kubeconfig,
		KubernetesAPIQPS:   requestsPerSecond,
		KubernetesAPIBurst: requestsPerSecond,
		IssuerOptions:      controller.IssuerOptions{ClusterResourceNamespace: namespace},
	})
	if err != nil {
		return err
	}
	root, err := factory.Build()
	if err != nil {
		return err
	}
	for name, construct := range controller.Known() {
		if name == approver.ControllerName && !approve {
			continue
		}
		run, err := construct(factory)
		if err != nil {
			return fmt.Errorf("controller %s: %w", name, err)
		}
		group.Go(func() error { return run.Run(workers, ctx) })
	}
	root.SharedInformerFactory.Start(ctx.Done())
	root.KubeSharedInformerFactory.Start(ctx.Done())
	root.SharedInformerFactory.WaitForCacheSync(ctx.Done())
	root.KubeSharedInformerFactory.WaitForCacheSync(ctx.Done())
	return ctx.Err()
}
