package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Places that kubelet, containerd and the CNI library use whatever they are told.
const (
	deviceFolder  = "/var/lib/kubelet/device-plugins"
	deviceSocket  = deviceFolder + "/kubelet.sock"
	logLinks      = "/var/log/containers"
	networkCache  = "/var/lib/cni/results"
	shimSockets   = "/run/containerd/s"
	kernelFolder  = "/proc/sys"
	shimAddresses = "io.containerd.runtime.v2.task/*/*/address"
)

// kernelSettings are those that kubelet changes.
var kernelSettings = []string{
	"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
	"kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
}

func readSettings() map[string]string {
	settings := map[string]string{}
	for _, name := range kernelSettings {
		if text, err := os.ReadFile(filepath.Join(kernelFolder, name)); err == nil {
			settings[name] = string(text)
		}
	}
	return settings
}

func restoreSettings(settings map[string]string) error {
	var failed error
	for name, value := range settings {
		file := filepath.Join(kernelFolder, name)
		if text, err := os.ReadFile(file); err == nil && string(text) == value {
			continue
		}
		failed = errors.Join(failed, os.WriteFile(file, []byte(value), 0o600))
	}
	return failed
}

// absentFolders are the folders with a fixed place that do not exist yet, the
// deepest first.
func absentFolders() []string {
	var absent []string
	for _, folder := range []string{
		deviceFolder, filepath.Dir(deviceFolder), logLinks,
		networkCache, filepath.Dir(networkCache), shimSockets, filepath.Dir(shimSockets),
	} {
		if _, err := os.Lstat(folder); errors.Is(err, os.ErrNotExist) {
			absent = append(absent, folder)
		}
	}
	return absent
}

// shimSockets are the sockets of the shims of this node.
func (n *node) shimSockets() []string {
	files, _ := filepath.Glob(n.path("state", shimAddresses)) // the pattern is right
	var sockets []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if path := strings.TrimPrefix(string(text), "unix://"); err == nil && filepath.Dir(path) == shimSockets {
			sockets = append(sockets, path)
		}
	}
	return sockets
}

// networkResults are what the CNI library remembers of each pod: a file named by
// network, pod and interface, for the pod's loopback too.
func (n *node) networkResults() []string {
	results, _ := filepath.Glob(filepath.Join(networkCache, n.Name+"-*")) // the pattern is right
	for _, result := range results {
		pod := strings.TrimPrefix(filepath.Base(result), n.Name+"-")
		pod, _, _ = strings.Cut(pod, "-")
		results = append(results, filepath.Join(networkCache, "cni-loopback-"+pod+"-lo"))
	}
	return results
}

// removeFiles removes the files of this node that have a fixed place, and then
// their folders, if they were not there before and nothing of others is in them.
func (n *node) removeFiles(files []string) error {
	files = append(files, n.networkResults()...)
	links, _ := filepath.Glob(filepath.Join(logLinks, "*")) // the pattern is right
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && strings.HasPrefix(to, n.Dir+"/") {
			files = append(files, link)
		}
	}
	if slices.Contains(n.Folders, deviceFolder) { // else it may be another kubelet's
		files = append(files, deviceSocket, filepath.Join(deviceFolder, "kubelet_internal_checkpoint"))
	}
	var failed error
	for _, file := range files {
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			failed = errors.Join(failed, err)
		}
	}
	for _, folder := range n.Folders {
		_ = os.Remove(folder) // it may hold things of others, or never have been made
	}
	return failed
}
