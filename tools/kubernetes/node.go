package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// nodeName is the name of the only Node.
const nodeName = "node"

// pluginsDir is the directory in which Debian's package installs the CNI plugins.
const pluginsDir = "/usr/lib/cni"

// longestSocket is the maximum length of a unix socket's path (unix(7)), without
// the terminating byte.
const longestSocket = 107

// node describes what a cluster with a node creates on the machine outside its
// directory. The state file contains it before anything is created, and tearDown
// removes everything.
type node struct {
	// Dir is the directory of containerd and the kubelet.
	Dir string
	// Name is the name of the pods' bridge, of the CNI network and of the cgroup of
	// all pods. It is unique to the cluster.
	Name string
	// Subnet is the network of the pods. Gateway is the machine's address in it, on
	// which the API server and the kubelet listen.
	Subnet, Gateway string
	// APIPort is the port of the API server.
	APIPort int
	// Settings are the original values of the sysctls that the kubelet changes.
	Settings map[string]string
	// Folders are the fixed directories that did not exist before.
	Folders []string
}

// newNode returns a node with a subnet that the machine does not use.
func newNode(dir string, apiPort int) (*node, error) {
	subnet, err := freeSubnet()
	if err != nil {
		return nil, err
	}
	n := &node{
		Dir:     filepath.Join(dir, nodeFolder),
		Name:    fmt.Sprintf("tm-%x", sha256.Sum256([]byte(dir)))[:11],
		Subnet:  subnet.String(),
		Gateway: net.IPv4(subnet.IP[0], subnet.IP[1], subnet.IP[2], 1).String(),
		APIPort: apiPort,
	}
	n.Settings = readSettings()
	n.Folders = absentFolders()
	return n, nil
}

// freeSubnet returns a /24 network that does not overlap with the machine's
// networks.
func freeSubnet() (*net.IPNet, error) {
	used, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	for range 100 {
		subnet := &net.IPNet{IP: net.IPv4(10, 245, byte(rand.IntN(256)), 0).To4(), Mask: net.CIDRMask(24, 32)}
		free := true
		for _, address := range used {
			if other, ok := address.(*net.IPNet); ok && (other.Contains(subnet.IP) || subnet.Contains(other.IP)) {
				free = false
			}
		}
		if free {
			return subnet, nil
		}
	}
	return nil, errors.New("no free network for pods in 10.245.0.0/16")
}

// debianPackages are the system packages that a node requires, each with the
// files or programs that identify it.
var debianPackages = []struct {
	name  string
	needs []string
}{
	{"containerd", []string{"containerd", "ctr", "containerd-shim-runc-v2"}},
	{"runc", []string{"runc"}},
	{"containernetworking-plugins", []string{pluginsDir + "/bridge", pluginsDir + "/host-local", pluginsDir + "/loopback"}},
	{"iptables", []string{"iptables"}},
	{"iproute2", []string{"ip"}},
}

// nodePossible returns an error with a remedy if no node can run on this machine.
func nodePossible(dir string) error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("a node requires Linux, and this is %s: omit --node", runtime.GOOS)
	}
	if os.Geteuid() != 0 {
		return errors.New("a node requires root for containers, their network and their mounts: run the command as root, or omit --node")
	}
	var packages []string
	for _, p := range debianPackages {
		for _, file := range p.needs {
			if _, err := program(file); err != nil {
				packages = append(packages, p.name)
				break
			}
		}
	}
	if len(packages) > 0 {
		names := strings.Join(packages, " ")
		return fmt.Errorf("a node requires the packages %s: install them, on Debian with\n  apt-get install --no-install-recommends %s", names, names)
	}
	if longest := (&node{Dir: filepath.Join(dir, nodeFolder)}).socket() + ".ttrpc"; len(longest) > longestSocket {
		return fmt.Errorf("the path %s is too long for a socket: choose a --dir that is %d bytes shorter", longest, len(longest)-longestSocket)
	}
	return noOtherKubelet()
}

// noOtherKubelet returns an error if another kubelet runs on this machine. Two
// kubelets would use the same device plugin socket, whose path is fixed.
func noOtherKubelet() error {
	connection, err := net.DialTimeout("unix", deviceSocket, time.Second)
	if err != nil {
		return nil //nolint:nilerr // no kubelet listens on the socket
	}
	_ = connection.Close()
	return fmt.Errorf("another kubelet runs on this machine (it listens on %s), and only one is possible: stop it first", deviceSocket)
}

// program returns the path of an executable. It also searches directories that
// are usually only in root's path.
func program(name string) (string, error) {
	for _, dir := range strings.Split(searchPath(), ":") {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return exec.LookPath(name)
}

// searchPath returns PATH with the directories of system programs added.
func searchPath() string { return os.Getenv("PATH") + ":/usr/sbin:/sbin" }

// command runs a system program and waits for its end.
func (n *node) command(ctx context.Context, name string, args ...string) error {
	path, err := program(name)
	if err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, path, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// path returns a path in the node's directory.
func (n *node) path(parts ...string) string {
	return filepath.Join(append([]string{n.Dir}, parts...)...)
}

// write writes the sandbox image and the configuration of containerd, the network
// and the kubelet.
func (n *node) write(p *plan) error {
	files := map[string]string{
		n.path("containerd.toml"):                 n.containerdConfig(p.metricsPort),
		n.path("net.d", "10-pods.conflist"):       n.networkConfig(),
		n.path("kubelet.json"):                    n.kubeletConfig(p),
		n.path("kubelet", "volume-plugins", ".d"): "",
	}
	for file, text := range files {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return err
		}
		if err := writeFile(file, []byte(text)); err != nil {
			return err
		}
	}
	return writeSandboxImage(filepath.Join(p.assets, pause), n.path("sandbox.tar"))
}

// awaitNode waits until the API server reports the Node as ready. Pods can start
// then.
func (b *prober) awaitNode(ctx context.Context, server string, started ...*process) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("the node was not ready within %s", readyTimeout))
	defer cancel()
	for {
		err := b.nodeReady(ctx, server+"/api/v1/nodes/"+nodeName)
		if err == nil {
			return nil
		}
		for _, p := range started {
			if !p.alive() {
				return &failure{name: p.Name, log: p.Log, cause: errors.New("it ended before the node was ready")}
			}
		}
		if ended := sleep(ctx, probePause); ended != nil {
			last := started[len(started)-1]
			return &failure{name: last.Name, log: last.Log, cause: fmt.Errorf("%w; last status: %w", ended, err)}
		}
	}
}

// nodeReady returns an error unless the Node at url is ready.
func (b *prober) nodeReady(ctx context.Context, url string) error {
	text, err := b.read(ctx, url)
	if err != nil {
		return err
	}
	var object struct {
		Status struct {
			Conditions []struct{ Type, Status, Message string }
		}
	}
	if err := json.Unmarshal(text, &object); err != nil {
		return err
	}
	for _, condition := range object.Status.Conditions {
		if condition.Type == "Ready" && condition.Status == "True" {
			return nil
		} else if condition.Type == "Ready" {
			return errors.New(condition.Message)
		}
	}
	return errors.New("the Node has no Ready condition yet")
}
