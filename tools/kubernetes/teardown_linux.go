package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tearDown removes everything that a node has created outside the cluster's
// directory, also after a crash, when only the directory is left:
//
//  1. containerd's shims, and all processes of pods, by their cgroup
//  2. the mounts below the directory, which removes the pods' networks
//  3. the cgroup, the iptables rule, the bridge and its interfaces
//  4. files at fixed paths, and the sysctls
//
// The kubelet and containerd must have ended. What is already gone is not an
// error.
func (n *node) tearDown(ctx context.Context) error {
	if err := errors.Join(endAll(n.shims), endAll(n.podProcesses)); err != nil {
		return err
	}
	sockets := n.shimSockets()
	return errors.Join(n.unmount(), n.removeCgroup(), n.removeRule(ctx), n.removeBridge(ctx),
		n.removeFiles(sockets), restoreSettings(n.Settings))
}

// endAll kills the listed processes until none is left.
func endAll(list func() []int) error {
	for deadline := time.Now().Add(2 * grace); ; time.Sleep(10 * time.Millisecond) {
		pids := list()
		if len(pids) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v are still running %s after SIGKILL", pids, 2*grace)
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended already
		}
	}
}

// shims returns the process IDs of containerd's shims, the parents of containers.
func (n *node) shims() []int {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is valid
	var pids []int
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(text, []byte("-address\x00"+n.socket()+"\x00")) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// podProcesses returns all processes in the cgroup of the pods.
func (n *node) podProcesses() []int {
	var pids []int
	for _, root := range n.cgroups() {
		_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.IsDir() {
				return nil //nolint:nilerr // it is already gone
			}
			text, _ := os.ReadFile(filepath.Join(path, "cgroup.procs"))
			for _, field := range strings.Fields(string(text)) {
				if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
					pids = append(pids, pid)
				}
			}
			return nil
		})
	}
	slices.Sort(pids)
	return slices.Compact(pids)
}

// mounts returns the mount points of file systems of the given types, or of all
// types.
func mounts(kinds ...string) ([]string, error) {
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	var points []string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 2 && (len(kinds) == 0 || slices.Contains(kinds, fields[2])) {
			points = append(points, unescape(fields[1]))
		}
	}
	return points, nil
}

// unescape decodes the escape sequences of proc(5) in a path.
func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}

// unmount unmounts everything below the node's directory.
func (n *node) unmount() error {
	points, err := mounts()
	if err != nil {
		return err
	}
	// The most recent mount is unmounted first.
	for _, point := range slices.Backward(points) {
		if !strings.HasPrefix(point, n.Dir+"/") {
			continue
		}
		if err := syscall.Unmount(point, syscall.MNT_DETACH); err != nil {
			return fmt.Errorf("unmounting %s: %w", point, err)
		}
	}
	return nil
}

// cgroups returns the pods' cgroups: one per hierarchy in version 1, one in
// version 2.
func (n *node) cgroups() []string {
	points, err := mounts("cgroup", "cgroup2")
	if err != nil {
		return nil
	}
	for i := range points {
		points[i] = filepath.Join(points[i], n.Name)
	}
	return points
}

// makeCgroup creates the pods' cgroups.
func (n *node) makeCgroup() error {
	roots := n.cgroups()
	if len(roots) == 0 {
		return errors.New("no cgroups are mounted, and containers require them: mount them at /sys/fs/cgroup")
	}
	for _, root := range roots {
		if err := os.MkdirAll(root, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// removeCgroup removes the pods' cgroups. It retries until killed processes are
// gone.
func (n *node) removeCgroup() error {
	for deadline := time.Now().Add(grace); ; time.Sleep(10 * time.Millisecond) {
		var errs error
		for _, root := range n.cgroups() {
			errs = errors.Join(errs, removeFolders(root))
		}
		if errs == nil || time.Now().After(deadline) {
			return errs
		}
	}
}

// removeFolders removes a directory and its subdirectories, the deepest first.
// The files of a cgroup disappear with it and cannot be removed.
func removeFolders(root string) error {
	var folders []string
	_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			folders = append(folders, path)
		}
		return nil
	})
	var errs error
	for _, folder := range slices.Backward(folders) {
		if err := syscall.Rmdir(folder); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = errors.Join(errs, fmt.Errorf("removing %s: %w", folder, err))
		}
	}
	return errs
}

// removeRule removes the iptables rule, however often it exists.
func (n *node) removeRule(ctx context.Context) error {
	table := []string{"--wait", "--table", "nat"}
	for n.command(ctx, "iptables", slices.Concat(table, []string{"--check"}, n.rule())...) == nil {
		if err := n.command(ctx, "iptables", slices.Concat(table, []string{"--delete"}, n.rule())...); err != nil {
			return err
		}
	}
	return nil
}

// removeBridge removes the bridge and the host ends of the pods' veth pairs,
// since the kernel removes those only some time after the pods' networks.
func (n *node) removeBridge(ctx context.Context) error {
	ports, _ := filepath.Glob(filepath.Join("/sys/class/net", n.Name, "brif", "*")) // the pattern is valid
	var errs error
	for _, name := range append(ports, n.Name) {
		name = filepath.Base(name)
		if _, err := os.Stat(filepath.Join("/sys/class/net", name)); err != nil {
			continue
		}
		if err := n.command(ctx, "ip", "link", "delete", name); err != nil {
			if _, statErr := os.Stat(filepath.Join("/sys/class/net", name)); statErr == nil {
				errs = errors.Join(errs, err)
			}
		}
	}
	return errs
}
