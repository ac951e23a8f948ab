package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Paths that the kubelet, containerd and the CNI library use regardless of their
// configuration.
const (
	deviceFolder  = "/var/lib/kubelet/device-plugins"
	deviceSocket  = deviceFolder + "/kubelet.sock"
	logLinks      = "/var/log/containers"
	networkCache  = "/var/lib/cni/results"
	shimSockets   = "/run/containerd/s"
	kernelFolder  = "/proc/sys"
	shimAddresses = "io.containerd.runtime.v2.task/*/*/address"
)

// kernelSettings are the sysctls that the kubelet changes.
var kernelSettings = []string{
	"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
	"kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
}

// readSettings returns the current values of kernelSettings.
func readSettings() map[string]string {
	settings := map[string]string{}
	for _, name := range kernelSettings {
		if text, err := os.ReadFile(filepath.Join(kernelFolder, name)); err == nil {
			settings[name] = string(text)
		}
	}
	return settings
}

// restoreSettings writes the settings that differ from the given values.
func restoreSettings(settings map[string]string) error {
	var errs error
	for name, value := range settings {
		file := filepath.Join(kernelFolder, name)
		if text, err := os.ReadFile(file); err == nil && string(text) == value {
			continue
		}
		errs = errors.Join(errs, os.WriteFile(file, []byte(value), 0o600))
	}
	return errs
}

// absentFolders returns the fixed directories that do not exist yet, the deepest
// first.
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

// shimSockets returns the sockets of this node's shims.
func (n *node) shimSockets() []string {
	files, _ := filepath.Glob(n.path("state", shimAddresses)) // the pattern is valid
	var sockets []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if path := strings.TrimPrefix(string(text), "unix://"); err == nil && filepath.Dir(path) == shimSockets {
			sockets = append(sockets, path)
		}
	}
	return sockets
}

// networkResults returns the CNI library's cache files of this node's pods. Each
// is named after the network, the pod and the interface; another one is for the
// pod's loopback.
func (n *node) networkResults() []string {
	results, _ := filepath.Glob(filepath.Join(networkCache, n.Name+"-*")) // the pattern is valid
	for _, result := range results {
		pod := strings.TrimPrefix(filepath.Base(result), n.Name+"-")
		pod, _, _ = strings.Cut(pod, "-")
		results = append(results, filepath.Join(networkCache, "cni-loopback-"+pod+"-lo"))
	}
	return results
}

// removeFiles removes this node's files at fixed paths, and then their
// directories if they did not exist before and are empty.
func (n *node) removeFiles(files []string) error {
	files = append(files, n.networkResults()...)
	links, _ := filepath.Glob(filepath.Join(logLinks, "*")) // the pattern is valid
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, n.Dir+"/") {
			files = append(files, link)
		}
	}
	if slices.Contains(n.Folders, deviceFolder) { // otherwise it may be another kubelet's
		files = append(files, deviceSocket, filepath.Join(deviceFolder, "kubelet_internal_checkpoint"))
	}
	var errs error
	for _, file := range files {
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = errors.Join(errs, err)
		}
	}
	for _, folder := range n.Folders {
		_ = os.Remove(folder) // it may contain foreign files, or never have been created
	}
	return errs
}
