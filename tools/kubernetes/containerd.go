package main

import (
	"context"
	"fmt"
	"path/filepath"
)

const (
	containerd = "containerd"
	// imageNamespace is the containerd namespace of the CRI plugin's images.
	imageNamespace = "k8s.io"
)

// socket returns the path of containerd's socket.
func (n *node) socket() string { return n.path("containerd.sock") }

// containerdText is the template of containerd's configuration. It keeps
// everything in the cluster's directory and requires no more than root in a
// container: it never lowers an OOM score, and cgroups work without systemd.
const containerdText = `version = 2
root = %[1]q
state = %[2]q
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]

[grpc]
  address = %[3]q

[metrics]
  address = "127.0.0.1:%[4]d"

[plugins."io.containerd.internal.v1.opt"]
  path = %[5]q

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %[6]q
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = %[7]q
    conf_dir = %[8]q
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "runc"
      SystemdCgroup = false
      Root = %[9]q
`

// containerdConfig returns the configuration of containerd.
func (n *node) containerdConfig(metricsPort int) string {
	return fmt.Sprintf(containerdText, n.path("root"), n.path("state"), n.socket(), metricsPort,
		n.path("opt"), sandboxImage, pluginsDir, n.path("net.d"), n.path("runc"))
}

// containerd returns the process of containerd.
func (p *plan) containerd() *process {
	// containerd serves metrics once its plugins are loaded.
	probes := []string{fmt.Sprintf("http://127.0.0.1:%d/v1/metrics", p.metricsPort)}
	part := p.part(containerd, probes, []string{"--config", p.node.path("containerd.toml")})
	if path, err := program(containerd); err == nil {
		part.Path = path
	}
	return part
}

// load imports an image archive into the node's image store under the names in
// the archive.
func (n *node) load(ctx context.Context, archive string) error {
	if err := n.command(ctx, "ctr", "--address", n.socket(), "--namespace", imageNamespace, "images", "import", archive); err != nil {
		return fmt.Errorf("image %s: %w", filepath.Base(archive), err)
	}
	return nil
}
