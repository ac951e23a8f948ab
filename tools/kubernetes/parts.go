package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	// serviceRange is the API server's default. serviceAddress is the first address
	// in it, which the Service "kubernetes" gets.
	serviceRange   = "10.0.0.0/24"
	serviceAddress = "10.0.0.1"

	serviceAccountIssuer = "https://kubernetes.default.svc.cluster.local"

	// etcdQuota is the size limit of etcd's data, old revisions included.
	etcdQuota = 32 << 30
)

// plan describes the processes of a control plane before they are started.
type plan struct {
	dir, assets, workDir string
	options              options
	etcdPort             int
	apiPort              int
	managerPort          int
	// The following fields are only set in a cluster with a node.
	node          *node
	schedulerPort int
	metricsPort   int // of containerd
	kubeletPort   int
}

// newPlan returns a plan with free ports, and with --node a free subnet.
func newPlan(dir, assets string, opts options) (*plan, error) {
	if !opts.WithoutControllerManager {
		if err := has(assets, controllerManager); err != nil {
			return nil, fmt.Errorf("%w, or use --without-controller-manager", err)
		}
	}
	workDir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(6)
	if err != nil {
		return nil, err
	}
	p := &plan{
		dir: dir, assets: assets, workDir: workDir, options: opts,
		etcdPort: ports[0], apiPort: ports[1], managerPort: ports[2],
		schedulerPort: ports[3], metricsPort: ports[4], kubeletPort: ports[5],
	}
	if opts.Node {
		p.node, err = newNode(dir, p.apiPort)
	}
	return p, err
}

// write creates the log directory and writes the keys, the kubeconfigs and the
// configuration of the node.
func (p *plan) write() error {
	pki := filepath.Join(p.dir, pkiFolder)
	if err := os.MkdirAll(filepath.Join(p.dir, logFolder), 0o700); err != nil {
		return err
	}
	users := map[string]string{
		"controller-manager-client": p.pki("controller-manager.kubeconfig"),
		"admin":                     filepath.Join(p.dir, adminConfig),
	}
	var gateway net.IP
	if p.node != nil {
		gateway = net.ParseIP(p.node.Gateway)
		users["scheduler-client"] = p.pki("scheduler.kubeconfig")
		users["kubelet-client"] = p.pki("kubelet.kubeconfig")
	}
	if err := writePKI(pki, time.Now(), gateway); err != nil {
		return err
	}
	for user, file := range users {
		text, err := kubeconfig(p.server(), pki, user)
		if err != nil {
			return err
		}
		if err := writeFile(file, text); err != nil {
			return err
		}
	}
	if p.node != nil {
		return p.node.write(p)
	}
	return nil
}

// processes returns the processes in the order of their dependencies, without the
// kubelet, which needs the sandbox image first.
func (p *plan) processes() []*process {
	parts := []*process{p.etcd(), p.apiServer()}
	if !p.options.WithoutControllerManager {
		parts = append(parts, p.controllerManager())
	}
	if p.node != nil {
		parts = append(parts, p.scheduler(), p.containerd())
	}
	return parts
}

// server returns the URL of the API server.
func (p *plan) server() string {
	if p.node != nil {
		return fmt.Sprintf("https://%s:%d", p.node.Gateway, p.apiPort)
	}
	return local(p.apiPort, "")
}

// pki returns the path of a file in the PKI directory.
func (p *plan) pki(name string) string { return filepath.Join(p.dir, pkiFolder, name) }

// part returns the process that runs the named binary.
func (p *plan) part(name string, probes, args []string) *process {
	return &process{
		Name: name, Path: filepath.Join(p.assets, name), Args: args, Dir: p.workDir,
		Log: filepath.Join(p.dir, logFolder, name+".log"), Probes: probes,
	}
}

// etcd returns the process of etcd. It listens on TCP and requires client
// certificates: many temporary directories have longer paths than a unix socket
// allows. The peer port is never used.
func (p *plan) etcd() *process {
	url := local(p.etcdPort, "")
	return p.part(etcd, []string{url + "/health"}, []string{
		"--name=default",
		"--data-dir=" + filepath.Join(p.dir, etcdFolder),
		"--unsafe-no-fsync", // the data need not survive a crash of the machine
		// A benchmark writes gigabytes between two compactions. The default is 2 GiB.
		fmt.Sprintf("--quota-backend-bytes=%d", etcdQuota),
		"--listen-client-urls=" + url,
		"--advertise-client-urls=" + url,
		"--cert-file=" + p.pki("etcd.crt"),
		"--key-file=" + p.pki("etcd.key"),
		"--client-cert-auth",
		"--trusted-ca-file=" + p.pki("etcd-ca.crt"),
		"--listen-peer-urls=" + local(0, ""),
		"--peer-cert-file=" + p.pki("etcd.crt"),
		"--peer-key-file=" + p.pki("etcd.key"),
		"--peer-client-cert-auth",
		"--peer-trusted-ca-file=" + p.pki("etcd-ca.crt"),
	})
}

// apiServer returns the process of kube-apiserver.
func (p *plan) apiServer() *process {
	probes := []string{p.server() + "/readyz", p.server() + "/api/v1/namespaces/default"}
	args := []string{
		"--etcd-servers=" + local(p.etcdPort, ""),
		"--etcd-cafile=" + p.pki("etcd-ca.crt"),
		"--etcd-certfile=" + p.pki("etcd-client.crt"),
		"--etcd-keyfile=" + p.pki("etcd-client.key"),
		fmt.Sprintf("--secure-port=%d", p.apiPort),
		"--tls-cert-file=" + p.pki("apiserver.crt"),
		"--tls-private-key-file=" + p.pki("apiserver.key"),
		"--client-ca-file=" + p.pki("ca.crt"),
		"--authorization-mode=Node,RBAC",
		"--service-cluster-ip-range=" + serviceRange,
		"--service-account-issuer=" + serviceAccountIssuer,
		"--service-account-key-file=" + p.pki("sa.pub"),
		"--service-account-signing-key-file=" + p.pki("sa.key"),
	}
	if p.node != nil {
		args = append(args, p.apiServerNodeArgs()...)
	} else {
		args = append(args,
			"--bind-address=127.0.0.1",
			"--advertise-address=127.0.0.1",
			// Endpoints cannot contain a loopback address, and there are no pods to use it.
			"--endpoint-reconciler-type=none")
	}
	return p.part(apiServer, probes, append(args, p.options.APIServerArgs...))
}

// controllerManager returns the process of kube-controller-manager.
func (p *plan) controllerManager() *process {
	probes := []string{
		local(p.managerPort, "/healthz"),
		p.server() + "/api/v1/namespaces/default/serviceaccounts/default",
	}
	return p.part(controllerManager, probes, []string{
		"--kubeconfig=" + p.pki("controller-manager.kubeconfig"),
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", p.managerPort),
		"--tls-cert-file=" + p.pki("controller-manager.crt"),
		"--tls-private-key-file=" + p.pki("controller-manager.key"),
		"--leader-elect=false", // the only replica starts without delay
		"--root-ca-file=" + p.pki("ca.crt"),
		"--service-account-private-key-file=" + p.pki("sa.key"),
		"--use-service-account-credentials",
		// With the default limit of 20 requests per second it takes 5 s longer to start,
		// since it first creates a service account for each of its controllers.
		"--kube-api-qps=200",
		"--kube-api-burst=400",
		// The default is a system directory, which it would create.
		"--flex-volume-plugin-dir=" + filepath.Join(p.dir, pluginFolder),
	})
}

// local returns the URL of a path on a loopback port.
func local(port int, path string) string {
	return fmt.Sprintf("https://127.0.0.1:%d%s", port, path)
}

// freePorts returns n TCP ports that are currently free on loopback. They are
// below the ephemeral port range, so that no outgoing connection takes one before
// it is used or while its process restarts.
func freePorts(n int) ([]int, error) {
	const low, high = 20000, 32000
	var ports []int
	for tries := 0; len(ports) < n; tries++ {
		if tries > 1000 {
			return nil, fmt.Errorf("fewer than %d free ports between %d and %d on 127.0.0.1", n, low, high)
		}
		port := low + rand.IntN(high-low)
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		defer listener.Close() // closed on return, so that no port is chosen twice
		ports = append(ports, port)
	}
	return ports, nil
}
