package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// These tests require no node. The tests in test/e2e cover that a node runs and
// that nothing of it is left on the machine.

// The error lists the missing packages and how to install them.
func TestNodeRequirements(t *testing.T) {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		err := nodePossible("/x")
		if err == nil || !strings.Contains(err.Error(), "omit --node") {
			t.Errorf("got %v, want an error that names the alternative", err)
		}
		return
	}
	t.Setenv("PATH", t.TempDir())
	err := nodePossible("/x")
	// Programs in /usr/sbin and /sbin are still found.
	if want := "apt-get install --no-install-recommends containerd"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestLoadWithoutNode(t *testing.T) {
	dir := t.TempDir()
	c := &cluster{dir: dir, progress: t.Output()}
	if err := c.load(t.Context(), []string{"x.tar"}); err == nil || !strings.Contains(err.Error(), "cluster up") {
		t.Errorf("with no cluster: got %v, want an error that names the command to start one", err)
	}
	if err := (&state{Version: stateVersion}).save(dir); err != nil {
		t.Fatal(err)
	}
	if err := c.load(t.Context(), []string{"x.tar"}); err == nil || !strings.Contains(err.Error(), "--node") {
		t.Errorf("with no node: got %v, want an error that names --node", err)
	}
}

// The subnet overlaps with no address of the machine.
func TestFreeSubnet(t *testing.T) {
	subnet, err := freeSubnet()
	if err != nil {
		t.Fatal(err)
	}
	if ones, _ := subnet.Mask.Size(); ones != 24 || subnet.IP[3] != 0 {
		t.Errorf("got %s, want a network of 256 addresses", subnet)
	}
	used, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range used {
		if ip, _, err := net.ParseCIDR(address.String()); err != nil || subnet.Contains(ip) {
			t.Errorf("%s contains %s, an address of the machine", subnet, address)
		}
	}
}

// In a cluster with a node, the API server listens on the bridge, which only pods
// and the machine can reach.
func TestPlanWithNode(t *testing.T) {
	p, err := newPlan("/x", "/assets", options{WithoutControllerManager: true, Node: true})
	if err != nil {
		t.Fatal(err)
	}
	args := strings.Join(p.apiServer().Args, " ")
	for _, want := range []string{"--bind-address=" + p.node.Gateway, "--advertise-address=" + p.node.Gateway} {
		if !strings.Contains(args, want) {
			t.Errorf("%q lacks %q", args, want)
		}
	}
	if !strings.HasPrefix(p.server(), "https://"+p.node.Gateway+":") {
		t.Errorf("got server %s, want it at %s", p.server(), p.node.Gateway)
	}
	if longest := len(p.node.Name); longest > 15 {
		t.Errorf("%s has %d bytes, and an interface name has at most 15", p.node.Name, longest)
	}
}

func TestSandboxImage(t *testing.T) {
	dir := t.TempDir()
	place(t, filepath.Join(dir, pause), "program")
	file := filepath.Join(dir, "image.tar")
	if err := writeSandboxImage(filepath.Join(dir, pause), file); err != nil {
		t.Fatal(err)
	}
	files := unpack(t, []byte(contents(t, file)))
	if !strings.Contains(files["manifest.json"], sandboxImage) {
		t.Errorf("the manifest %s lacks the name %s", files["manifest.json"], sandboxImage)
	}
	if got := unpack(t, []byte(files["layer.tar"]))["pause"]; got != "program" {
		t.Errorf("got the program %q", got)
	}
}

// An image contains the named files, and keeps which of them are executable.
func TestPack(t *testing.T) {
	dir := t.TempDir()
	place(t, filepath.Join(dir, "data"), "text")
	place(t, filepath.Join(dir, "tool"), "program")
	if err := os.Chmod(filepath.Join(dir, "tool"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "image.tar")
	args := []string{"pack", "--image=example.org/x:1", "--out=" + file, "/bin/x=" + dir + "/tool", "etc/x=" + dir + "/data"}
	if err := dispatch(t.Context(), stdio{strings.NewReader(""), t.Output(), t.Output()}, args); err != nil {
		t.Fatal(err)
	}
	image := unpack(t, []byte(contents(t, file)))
	if !strings.Contains(image["config.json"], `"Cmd":["/bin/x"]`) {
		t.Errorf("got the configuration %s, want one that runs /bin/x", image["config.json"])
	}
	layer := unpack(t, []byte(image["layer.tar"]))
	if layer["bin/x"] != "program" || layer["etc/x"] != "text" {
		t.Errorf("got the files %v", layer)
	}
	args[3] = "no-file"
	if err := dispatch(t.Context(), stdio{strings.NewReader(""), t.Output(), t.Output()}, args); err == nil || !strings.Contains(err.Error(), "PATH=FILE") {
		t.Errorf("got %v, want an error about the form", err)
	}
}

func unpack(t *testing.T, text []byte) map[string]string {
	t.Helper()
	files := map[string]string{}
	reader := tar.NewReader(bytes.NewReader(text))
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files
		} else if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = string(data)
	}
}

// A repeated teardown, or one after a crash before anything was created, succeeds
// without output.
func TestTearDownOfNothing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("a node requires Linux")
	}
	dir := filepath.Join(t.TempDir(), nodeFolder)
	n := &node{Dir: dir, Name: "tm-none", Subnet: "192.0.2.0/24", Gateway: "192.0.2.1", APIPort: 1}
	if err := n.tearDown(t.Context()); err != nil {
		t.Error(err)
	}
}
