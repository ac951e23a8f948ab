package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestFailedStartShowsLogAndLeavesNothing(t *testing.T) {
	c := newTestCluster(t, filepath.Join(t.TempDir(), "dir"))
	got, err := c.output("up", "--dir", c.dir, "--kubeconfig", c.kubeconfig, "--without-controller-manager",
		"--apiserver-arg=--audit-policy-file=/nowhere", "--apiserver-arg=--audit-log-path=-")
	if err == nil {
		t.Fatal("got no error")
	}
	log := filepath.Join(c.dir, logFolder, apiServer+".log")
	for _, want := range []string{"kube-apiserver: it ended before", log, "/nowhere"} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
	if st := stateOf(t, c.dir); len(st.Processes) > 0 {
		t.Errorf("the state still lists %d processes", len(st.Processes))
	}
	c.command(t, "down", "--dir", c.dir)
}

// testCluster is one control plane under test and the command that runs it.
type testCluster struct {
	dir, kubeconfig, kubectlPath string

	cmd    *exec.Cmd
	input  io.Closer
	ready  <-chan string
	stderr *bytes.Buffer
	state  *state
}

// newTestCluster skips the test if the binaries are missing, since building them
// takes too long. In CI it fails instead.
func newTestCluster(t *testing.T, dir string) *testCluster {
	t.Helper()
	assets, err := assetsDir()
	if err != nil {
		t.Fatal(err)
	}
	if len(missing(assets, tools)) > 0 {
		message := fmt.Sprintf("NOT TESTED against a real control plane: no binaries in %s; run `go run . build` first", assets)
		if os.Getenv("CI") == "true" {
			t.Fatal(message)
		}
		t.Skip(message)
	}
	return &testCluster{
		dir: dir, kubeconfig: filepath.Join(t.TempDir(), "kubeconfig"), kubectlPath: filepath.Join(assets, kubectl),
	}
}

// startRun starts `cluster run` and waits for its "ready".
func startRun(t *testing.T, dir string, args ...string) *testCluster {
	t.Helper()
	c := prepareRun(t, dir, args...)
	c.awaitReady(t)
	return c
}

// prepareRun starts `cluster run` and stops it at the end of the test.
func prepareRun(t *testing.T, dir string, args ...string) *testCluster {
	t.Helper()
	c := newTestCluster(t, dir)
	c.cmd = testCommand(append([]string{"run", "--dir", dir, "--kubeconfig", c.kubeconfig}, args...)...)
	c.stderr = &bytes.Buffer{}
	c.cmd.Stderr = c.stderr
	var err error
	if c.input, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.input.Close()
		_ = c.cmd.Wait()
	})
	ready := make(chan string, 1)
	c.ready = ready
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		ready <- line
	}()
	return c
}

func (c *testCluster) awaitReady(t *testing.T) {
	t.Helper()
	if line := <-c.ready; line != "ready\n" {
		_ = c.cmd.Wait()
		t.Fatalf("got %q, want the line ready:\n%s", line, c.stderr)
	}
	c.state = stateOf(t, c.dir)
}

func (c *testCluster) closeInput(t *testing.T) {
	t.Helper()
	if err := c.input.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Wait(); err != nil {
		t.Fatalf("cluster run: %v\n%s", err, c.stderr)
	}
}

func testCommand(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	return cmd
}

// output runs a command of the tool and returns its combined output.
func (c *testCluster) output(args ...string) (string, error) {
	out, err := testCommand(args...).CombinedOutput()
	return string(out), err
}

func (c *testCluster) command(t *testing.T, args ...string) string {
	t.Helper()
	out, err := c.output(args...)
	if err != nil {
		t.Fatalf("cluster %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// try runs kubectl as the admin, unless args contain another kubeconfig.
func (c *testCluster) try(ctx context.Context, args ...string) error {
	_, err := c.runKubectl(ctx, args...)
	return err
}

func (c *testCluster) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := c.runKubectl(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (c *testCluster) runKubectl(ctx context.Context, args ...string) (string, error) {
	if !slices.Contains(args, "--kubeconfig") {
		args = append([]string{"--kubeconfig", c.kubeconfig}, args...)
	}
	out, err := exec.CommandContext(ctx, c.kubectlPath, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), err
}

// wantNothingLeft checks that no process of the state is running and that no port
// is in use.
func (c *testCluster) wantNothingLeft(t *testing.T) {
	t.Helper()
	if len(c.state.Processes) == 0 {
		t.Fatal("the state contains no process to check")
	}
	for _, p := range c.state.Processes {
		if p.alive() {
			t.Errorf("%s (process %d) is still running", p.Name, p.PID)
		}
		probe, err := url.Parse(p.Probes[0])
		if err != nil {
			t.Fatal(err)
		}
		if conn, err := net.Dial("tcp", probe.Host); err == nil {
			_ = conn.Close()
			t.Errorf("the port of %s, %s, is still in use", p.Name, probe.Host)
		}
	}
}

func anyAlive(st *state) bool {
	return slices.ContainsFunc(st.Processes, func(p *process) bool { return p.alive() })
}

func stateOf(t *testing.T, dir string) *state {
	t.Helper()
	st, err := loadState(dir)
	if err != nil || st == nil {
		t.Fatalf("state of %s: %v, %v", dir, st, err)
	}
	return st
}

func find(t *testing.T, dir, name string) *process {
	t.Helper()
	p, err := stateOf(t, dir).find(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func auditPolicy(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "policy.yaml")
	place(t, file, "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n")
	return file
}

// eventually waits up to a minute for a condition.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting for %s", what)
		}
	}
}
