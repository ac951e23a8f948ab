// Package machine runs a cluster with a real node on this machine, for tests: the
// control plane of tools/kubernetes with scheduler, containerd and kubelet, so that
// pods run.
//
// Invariants: commands are built from this checkout; the cluster ends whenever the
// test process ends; the tests check the machine for leftovers afterwards
// ([Machine.Left]).
//
// It needs root on Linux and some packages of the system. If they are missing,
// `cluster run` lists them and the tests fail instead of being skipped.
package machine

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"trust-manager.io/test/framework/checkout"
	"trust-manager.io/test/framework/helm"
)

// stopLimit is much longer than the cluster takes to stop.
const stopLimit = time.Minute

// Machine is one cluster. Everything of it is in one folder.
type Machine struct {
	// Root is the folder of the checkout, and Dir one for files of the tests.
	Root, Dir string
	// Kubeconfig is that of the administrator.
	Kubeconfig string

	progress io.Writer
	cluster  string // the command
	kubectl  string
	helm     *helm.Helm
	command  *exec.Cmd
	input    io.Closer
	traces   traces
}

// Start builds what is missing and waits until pods can run. It reports slow steps
// on progress. The caller must stop the Machine.
func Start(ctx context.Context, progress io.Writer) (*Machine, error) {
	root, err := checkout.Root()
	if err != nil {
		return nil, err
	}
	// The name is short, since the length of socket paths is limited.
	dir, err := os.MkdirTemp("", "tm-e2e-")
	if err != nil {
		return nil, err
	}
	m := &Machine{
		Root: root, Dir: dir, Kubeconfig: filepath.Join(dir, "kubeconfig"),
		progress: progress, cluster: filepath.Join(dir, "cluster-command"),
	}
	if err := m.start(ctx); err != nil {
		return nil, errors.Join(err, m.Stop())
	}
	return m, nil
}

func (m *Machine) start(ctx context.Context) (err error) {
	if m.helm, err = helm.New(m.Root, filepath.Join(m.Dir, "helm")); err != nil {
		return err
	}
	if err := m.Build(ctx, "tools/kubernetes", ".", m.cluster); err != nil {
		return err
	}
	build := exec.CommandContext(ctx, m.cluster, "build", "--node")
	build.Stderr = m.progress
	assets, err := build.Output()
	if err != nil {
		return fmt.Errorf("building Kubernetes: %w; see the lines above", err)
	}
	m.kubectl = filepath.Join(strings.TrimSpace(string(assets)), "kubectl")
	before := m.fixed()
	if err := m.run(); err != nil {
		return err
	}
	m.traces, err = readTraces(m.folder())
	m.traces.before = before
	return err
}

// folder is that of the cluster.
func (m *Machine) folder() string { return filepath.Join(m.Dir, "c") }

// run starts the cluster, which ends with its standard input, and so with this
// process.
func (m *Machine) run() error {
	m.command = exec.Command(m.cluster, "run", "--node", "--dir", m.folder(), "--kubeconfig", m.Kubeconfig)
	m.command.Stderr = m.progress
	output, err := m.command.StdoutPipe()
	if err != nil {
		return err
	}
	if m.input, err = m.command.StdinPipe(); err != nil {
		return err
	}
	if err := m.command.Start(); err != nil {
		return err
	}
	if line, _ := bufio.NewReader(output).ReadString('\n'); line != "ready\n" {
		return errors.New("the cluster did not get ready; see the lines above")
	}
	return nil
}

// Build compiles a command of this checkout, as a static program.
func (m *Machine) Build(ctx context.Context, module, source, output string) error {
	command := exec.CommandContext(ctx, "go", "build", "-C", filepath.Join(m.Root, module), "-trimpath", "-o", output, source)
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	return m.finish(command)
}

// Load loads image archives into the node.
func (m *Machine) Load(ctx context.Context, archives ...string) error {
	return m.finish(exec.CommandContext(ctx, m.cluster, append([]string{"load", "--dir", m.folder()}, archives...)...))
}

// Pack builds an image of files, each as PATH=FILE, and loads it into the node. The
// image runs the first file.
func (m *Machine) Pack(ctx context.Context, name string, files ...string) error {
	archive := filepath.Join(m.Dir, "image.tar")
	args := append([]string{"pack", "--image", name, "--out", archive}, files...)
	if err := m.finish(exec.CommandContext(ctx, m.cluster, args...)); err != nil {
		return err
	}
	return m.Load(ctx, archive)
}

// Restart restarts a process of the cluster, and waits until it and those that depend on it
// are ready.
func (m *Machine) Restart(ctx context.Context, process string) error {
	return m.finish(exec.CommandContext(ctx, m.cluster, "restart", "--dir", m.folder(), "--process", process))
}

// Kubectl runs kubectl as the administrator and returns its output. The error contains
// its standard error.
func (m *Machine) Kubectl(ctx context.Context, args ...string) (string, error) {
	return output(exec.CommandContext(ctx, m.kubectl, append([]string{"--kubeconfig", m.Kubeconfig}, args...)...))
}

// Helm runs Helm as the administrator.
func (m *Machine) Helm(ctx context.Context, args ...string) (string, error) {
	return m.helm.Run(ctx, append(args, "--kubeconfig", m.Kubeconfig)...)
}

func output(command *exec.Cmd) (string, error) {
	var out, fault bytes.Buffer
	command.Stdout, command.Stderr = &out, &fault
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", filepath.Base(command.Path), err, strings.TrimSpace(fault.String()))
	}
	return out.String(), nil
}

func (m *Machine) finish(command *exec.Cmd) error {
	if _, err := output(command); err != nil {
		return err
	}
	return nil
}

// Run runs a program to its end.
func (m *Machine) Run(ctx context.Context, program string, args ...string) error {
	return m.finish(exec.CommandContext(ctx, program, args...))
}

// Stop ends the cluster and removes all files. It returns an error if something is left
// on the machine, and then keeps the files for `cluster down`.
func (m *Machine) Stop() error {
	var failed error
	if m.input != nil {
		failed = m.input.Close()
		watchdog := time.AfterFunc(stopLimit, func() { _ = m.command.Process.Kill() })
		defer watchdog.Stop()
		if err := m.command.Wait(); err != nil {
			failed = errors.Join(failed, fmt.Errorf("the cluster did not stop in good order: %w", err))
		}
	}
	if left := m.Left(); len(left) > 0 {
		return errors.Join(failed, fmt.Errorf("left on this machine by the cluster in %s:\n%s", m.folder(), strings.Join(left, "\n")))
	}
	return errors.Join(failed, os.RemoveAll(m.Dir))
}

// Crash kills the cluster without a cleanup. The pods continue to run. [Machine.Down]
// cleans up afterwards.
func (m *Machine) Crash() error {
	err := m.command.Process.Kill()
	_ = m.command.Wait() // it was killed
	_ = m.input.Close()  // it may be closed already
	m.input = nil        // there is nothing to stop any more
	return err
}

// Down runs `cluster down`.
func (m *Machine) Down(ctx context.Context) error {
	return m.finish(exec.CommandContext(ctx, m.cluster, "down", "--dir", m.folder()))
}
