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

// tearDown removes all that a node has made outside of its cluster's folder, also
// after a crash, when nothing but the folder tells of it:
//
//  1. the shims of containerd, and all processes of pods, by their cgroup
//  2. the mounts beneath the folder, which end the pods' networks
//  3. the cgroup, the rule of iptables, the bridge and what is attached to it
//  4. files with a fixed place, and the settings of the kernel
//
// kubelet and containerd must have ended. What is gone already is fine.
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
			return fmt.Errorf("processes %v still run %s after SIGKILL", pids, 2*grace)
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL) // one that has ended meanwhile is fine
		}
	}
}

// shims are the processes of containerd that stand between it and containers.
func (n *node) shims() []int {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is right
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

// podProcesses are all processes in the cgroup of the pods.
func (n *node) podProcesses() []int {
	var pids []int
	for _, root := range n.cgroups() {
		_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.IsDir() {
				return nil //nolint:nilerr // it has gone meanwhile
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

// mounts returns where file systems of these kinds are mounted, or all of them.
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

// unescape undoes what proc(5) does to spaces and the like in paths.
func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}

func (n *node) unmount() error {
	points, err := mounts()
	if err != nil {
		return err
	}
	// The last one mounted comes first.
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

// cgroups are the pods' cgroups: one in each hierarchy of version 1, or the one of
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

func (n *node) makeCgroup() error {
	roots := n.cgroups()
	if len(roots) == 0 {
		return errors.New("no cgroups are mounted, and no container runs without: mount them at /sys/fs/cgroup")
	}
	for _, root := range roots {
		if err := os.MkdirAll(root, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// removeCgroup waits for what was killed to be gone.
func (n *node) removeCgroup() error {
	for deadline := time.Now().Add(grace); ; time.Sleep(10 * time.Millisecond) {
		var failed error
		for _, root := range n.cgroups() {
			failed = errors.Join(failed, removeFolders(root))
		}
		if failed == nil || time.Now().After(deadline) {
			return failed
		}
	}
}

// removeFolders removes a folder and those in it, the deepest first: a cgroup's
// files cannot be removed, and need not be.
func removeFolders(root string) error {
	var folders []string
	_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			folders = append(folders, path)
		}
		return nil
	})
	var failed error
	for _, folder := range slices.Backward(folders) {
		if err := syscall.Rmdir(folder); err != nil && !errors.Is(err, os.ErrNotExist) {
			failed = errors.Join(failed, fmt.Errorf("removing %s: %w", folder, err))
		}
	}
	return failed
}

func (n *node) removeRule(ctx context.Context) error {
	table := []string{"--wait", "--table", "nat"}
	for n.command(ctx, "iptables", slices.Concat(table, []string{"--check"}, n.rule())...) == nil {
		if err := n.command(ctx, "iptables", slices.Concat(table, []string{"--delete"}, n.rule())...); err != nil {
			return err
		}
	}
	return nil
}

// removeBridge removes the ends of the pods' cables too: their other ends go with
// the networks of the pods, but some time after their last mount.
func (n *node) removeBridge(ctx context.Context) error {
	ports, _ := filepath.Glob(filepath.Join("/sys/class/net", n.Name, "brif", "*")) // the pattern is right
	var failed error
	for _, name := range append(ports, n.Name) {
		name = filepath.Base(name)
		if _, err := os.Stat(filepath.Join("/sys/class/net", name)); err != nil {
			continue
		}
		if err := n.command(ctx, "ip", "link", "delete", name); err != nil {
			if _, gone := os.Stat(filepath.Join("/sys/class/net", name)); gone == nil {
				failed = errors.Join(failed, err)
			}
		}
	}
	return failed
}
