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

// nodeName is the name of the one Node.
const nodeName = "node"

// pluginsDir is where Debian's package puts the CNI plugins.
const pluginsDir = "/usr/lib/cni"

// longestSocket is how long the path of a unix socket may be (unix(7)), without
// the byte that ends it.
const longestSocket = 107

// node is what a cluster has on the machine, outside of its folder, when it has a
// node. It is in the state file before any of it is made, and all of it goes in
// tearDown.
type node struct {
	// Dir is the folder of containerd and kubelet.
	Dir string
	// Name is that of the bridge that pods are attached to, of the CNI network and
	// of the cgroup that all pods are in. No other cluster has it.
	Name string
	// Subnet is that of the pods, and Gateway the machine's own address in it: the
	// API server and the kubelet listen there.
	Subnet, Gateway string
	// APIPort is the port of the API server.
	APIPort int
	// Settings are those of the kernel that kubelet changes, as they were.
	Settings map[string]string
	// Folders are those with a fixed place that were not there before.
	Folders []string
}

// newNode chooses a subnet that the machine does not use.
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

// freeSubnet returns a network of 254 addresses that overlaps with none of the
// machine's own.
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

// debianPackages are what a node needs of the system: for each package the files
// or programs by which it is known.
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

// nodePossible returns an error that says what to do if no node can run here.
func nodePossible(dir string) error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("a node needs Linux, and this is %s: leave --node off", runtime.GOOS)
	}
	if os.Geteuid() != 0 {
		return errors.New("a node needs root, for containers, their network and their mounts: run the command as root, or leave --node off")
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
		return fmt.Errorf("a node needs %s: install what is missing, on Debian with\n  apt-get install --no-install-recommends %s", names, names)
	}
	if longest := (&node{Dir: filepath.Join(dir, nodeFolder)}).socket() + ".ttrpc"; len(longest) > longestSocket {
		return fmt.Errorf("the path %s is too long for a socket: choose a --dir that is %d bytes shorter", longest, len(longest)-longestSocket)
	}
	return noOtherKubelet()
}

// noOtherKubelet makes sure that this is the only one: its socket for devices has a
// fixed place.
func noOtherKubelet() error {
	connection, err := net.DialTimeout("unix", deviceSocket, time.Second)
	if err != nil {
		return nil //nolint:nilerr // nobody answers: that is what was to be found out
	}
	_ = connection.Close()
	return fmt.Errorf("a kubelet runs on this machine already (it answers at %s), and there can be only one: stop it first", deviceSocket)
}

// program finds an executable, also where only root usually looks.
func program(name string) (string, error) {
	for _, dir := range strings.Split(searchPath(), ":") {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return exec.LookPath(name)
}

func searchPath() string { return os.Getenv("PATH") + ":/usr/sbin:/sbin" }

// command runs a program of the system to its end.
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

func (n *node) path(parts ...string) string {
	return filepath.Join(append([]string{n.Dir}, parts...)...)
}

// write lays out the configuration of containerd, the network and kubelet.
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

// awaitNode waits until the API server shows the Node as ready, which is when
// pods are started on it.
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
			return &failure{name: last.Name, log: last.Log, cause: fmt.Errorf("%w; last seen: %w", ended, err)}
		}
	}
}

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
	return errors.New("it has not told its state yet")
}
