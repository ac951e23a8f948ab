package machine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// traces identify the resources of a cluster on this machine.
type traces struct {
	// folder is in the command lines of its processes and in the paths of its mounts.
	folder string
	// name is that of the bridge and the cgroup, and part of the rule of iptables.
	name string
	// settings are the original kernel settings that kubelet changes.
	settings map[string]string
	// before are the earlier resources that do not have the name.
	before []string
}

// readTraces reads them from the state file of a running cluster.
func readTraces(folder string) (traces, error) {
	text, err := os.ReadFile(filepath.Join(folder, "state.json"))
	if err != nil {
		return traces{}, err
	}
	var state struct {
		Node struct {
			Name     string
			Settings map[string]string
		}
	}
	if err := json.Unmarshal(text, &state); err != nil {
		return traces{}, err
	}
	return traces{folder: folder, name: state.Node.Name, settings: state.Node.Settings}, nil
}

// Left lists the resources that a stopped cluster has left on this machine: processes,
// mounts, network interfaces, rules of iptables, cgroups, files, kernel settings.
func (m *Machine) Left() []string {
	if m.traces.name == "" {
		return nil // it never started
	}
	left := slices.Concat(
		m.processes(),
		matching("mount", read("/proc/self/mounts"), m.traces.folder+"/"),
		matching("interface", run("ip", "-oneline", "link"), m.traces.name),
		matching("rule", run("iptables", "--wait", "--table", "nat", "--list-rules"), m.traces.name),
		found("cgroup", "/sys/fs/cgroup/"+m.traces.name, "/sys/fs/cgroup/*/"+m.traces.name),
		m.settings(),
	)
	for _, line := range m.fixed() {
		if !slices.Contains(m.traces.before, line) {
			left = append(left, line)
		}
	}
	return left
}

// fixed returns the resources that no name attributes to a cluster.
func (m *Machine) fixed() []string {
	return append(
		found("file", "/var/lib/cni/results/*", "/var/log/containers/*", "/run/containerd/s/*", "/var/lib/kubelet/*"),
		matching("interface", run("ip", "-brief", "link", "show", "type", "veth"), "")...)
}

// processes returns the running processes that have the folder in their command line,
// or are in the cgroup of the pods. The command line of one that has ended is empty.
func (m *Machine) processes() []string {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is right
	var found []string
	for _, file := range files {
		line := strings.ReplaceAll(read(file), "\x00", " ")
		inside := strings.Contains(read(filepath.Join(filepath.Dir(file), "cgroup")), "/"+m.traces.name+"/")
		if line != "" && (inside || strings.Contains(line, m.traces.folder+"/")) {
			found = append(found, "process "+filepath.Base(filepath.Dir(file))+": "+line)
		}
	}
	return found
}

func (m *Machine) settings() []string {
	var changed []string
	for name, before := range m.traces.settings {
		if now := read(filepath.Join("/proc/sys", name)); now != before {
			changed = append(changed, fmt.Sprintf("setting: %s was %s and is %s", name, strings.TrimSpace(before), strings.TrimSpace(now)))
		}
	}
	return changed
}

// matching returns the lines that contain a part.
func matching(kind, text, part string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			lines = append(lines, kind+": "+strings.TrimSpace(line))
		}
	}
	return lines
}

func found(kind string, patterns ...string) []string {
	var paths []string
	for _, pattern := range patterns {
		matches, _ := filepath.Glob(pattern) // the patterns are right
		for _, match := range matches {
			paths = append(paths, kind+": "+match)
		}
	}
	return paths
}

// read returns the content of a file, and nothing if it does not exist.
func read(file string) string {
	text, _ := os.ReadFile(file)
	return string(text)
}

// run returns the output of a command, or its error, so that a failure does not count
// as an empty result.
func run(name string, args ...string) string {
	var out bytes.Buffer
	command := exec.Command(name, args...)
	command.Stdout, command.Stderr = &out, &out
	if err := command.Run(); err != nil {
		return fmt.Sprintf("%s: %v: %s", name, err, strings.ReplaceAll(out.String(), "\n", " "))
	}
	return out.String()
}
