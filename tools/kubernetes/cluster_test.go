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
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// These tests run the command with the real binaries. With this variable set, the
// test binary acts as the command.
const asCommand = "CLUSTER_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestRun(t *testing.T) {
	// This is longer than the path of a unix socket may be.
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 40), "dir")
	audit := filepath.Join(t.TempDir(), "audit.log")
	c := startRun(t, dir, "--apiserver-arg=--audit-log-path="+audit, "--apiserver-arg=--audit-policy-file="+auditPolicy(t))

	t.Run("at the pinned version", func(t *testing.T) {
		want, err := pinnedVersions()
		if err != nil {
			t.Fatal(err)
		}
		if got := c.kubectl(t, "version"); !strings.Contains(got, "Server Version: "+want.kubernetes) {
			t.Errorf("got %q, want server %s", got, want.kubernetes)
		}
	})
	t.Run("with the given arguments", func(t *testing.T) {
		if info, err := os.Stat(audit); err != nil || info.Size() == 0 {
			t.Errorf("no audit log: %v", err)
		}
	})
	t.Run("publishes the CA in a new namespace", func(t *testing.T) {
		c.kubectl(t, "create", "namespace", "fresh")
		eventually(t, "kube-root-ca.crt in the namespace", func() bool {
			return c.try(t.Context(), "-n", "fresh", "get", "configmap", "kube-root-ca.crt") == nil
		})
		got := c.kubectl(t, "-n", "fresh", "get", "configmap", "kube-root-ca.crt", "-o", `jsonpath={.data.ca\.crt}`)
		if want := contents(t, filepath.Join(dir, pkiFolder, "ca.crt")); strings.TrimSpace(got) != strings.TrimSpace(want) {
			t.Errorf("got %q, want the CA of the API server", got)
		}
	})
	t.Run("collects garbage", c.testGarbageCollection)
	t.Run("issues tokens, under RBAC", c.testTokens)
	t.Run("deletes namespaces", func(t *testing.T) {
		c.kubectl(t, "create", "namespace", "short-lived")
		c.kubectl(t, "delete", "namespace", "short-lived", "--timeout=60s")
	})
	t.Run("keeps its data across restarts", c.testRestarts)

	c.closeInput(t)
	c.wantNothingLeft(t)
	if _, err := os.Stat(c.kubeconfig); !os.IsNotExist(err) {
		t.Errorf("the kubeconfig: got %v, want it removed", err)
	}
	if _, err := os.Stat(filepath.Join(dir, logFolder, apiServer+".log")); err != nil {
		t.Errorf("want the logs kept: %v", err)
	}
}

func (c *testCluster) testGarbageCollection(t *testing.T) {
	c.kubectl(t, "create", "configmap", "owner")
	uid := c.kubectl(t, "get", "configmap", "owner", "-o", "jsonpath={.metadata.uid}")
	c.kubectl(t, "create", "configmap", "owned")
	c.kubectl(t, "patch", "configmap", "owned", "--type=merge", "-p", fmt.Sprintf(
		`{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"owner","uid":%q}]}}`, uid))
	c.kubectl(t, "delete", "configmap", "owner")
	eventually(t, "the owned object to be collected", func() bool {
		return c.try(t.Context(), "get", "configmap", "owned") != nil
	})
}

func (c *testCluster) testTokens(t *testing.T) {
	token := strings.TrimSpace(c.kubectl(t, "create", "token", "default"))
	asToken := func(args ...string) error {
		// The kubeconfig's user would take precedence over a token.
		args = append([]string{"--kubeconfig", os.DevNull, "--server", c.state.Server, "--token", token,
			"--certificate-authority", filepath.Join(c.dir, pkiFolder, "ca.crt")}, args...)
		return c.try(t.Context(), args...)
	}
	if err := asToken("auth", "can-i", "create", "selfsubjectaccessreviews.authorization.k8s.io"); err != nil {
		t.Errorf("the token is not accepted: %v", err)
	}
	if err := asToken("auth", "can-i", "get", "configmaps"); err == nil || !strings.HasSuffix(err.Error(), ": no\n") {
		t.Errorf("reading ConfigMaps without a role: got %v, want the answer no", err)
	}
	c.kubectl(t, "create", "clusterrolebinding", "reader", "--clusterrole=view", "--serviceaccount=default:default")
	eventually(t, "the role to take effect", func() bool { return asToken("auth", "can-i", "get", "configmaps") == nil })
}

func (c *testCluster) testRestarts(t *testing.T) {
	c.kubectl(t, "create", "configmap", "lasting")
	for _, name := range []string{etcd, apiServer, controllerManager} {
		before := find(t, c.dir, name).identity
		c.command(t, "signal", "--dir", c.dir, "--process", name, "--signal", "KILL")
		if before.alive() {
			t.Errorf("%s is still running after SIGKILL", name)
		}
		c.command(t, "restart", "--dir", c.dir, "--process", name)
		if after := find(t, c.dir, name); !after.alive() || after.identity == before {
			t.Errorf("%s was not restarted: %+v", name, after.identity)
		}
		c.kubectl(t, "get", "configmap", "lasting")
	}
	c.state = stateOf(t, c.dir)
}

func TestRunsSideBySide(t *testing.T) {
	a, b := prepareRun(t, filepath.Join(t.TempDir(), "a")), prepareRun(t, filepath.Join(t.TempDir(), "b"))
	a.awaitReady(t)
	b.awaitReady(t)
	a.kubectl(t, "create", "namespace", "only-in-a")
	if b.try(t.Context(), "get", "namespace", "only-in-a") == nil {
		t.Error("b has a namespace of a: they share a resource")
	}
	if runtime.GOOS == "linux" { // other systems cannot kill processes with their parent
		if err := a.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "all processes to die with `cluster run`", func() bool { return !anyAlive(a.state) })
		a.wantNothingLeft(t)
	}
	b.kubectl(t, "get", "namespace", "default")
	b.command(t, "down", "--dir", b.dir)
	b.wantNothingLeft(t)
	if _, err := os.Stat(b.dir); !os.IsNotExist(err) {
		t.Errorf("the directory: got %v, want it removed", err)
	}
}

func TestUpAndDown(t *testing.T) {
	c := newTestCluster(t, filepath.Join(t.TempDir(), "dir"))
	up := []string{"up", "--dir", c.dir, "--kubeconfig", c.kubeconfig}
	t.Cleanup(func() { _, _ = c.output("down", "--dir", c.dir) })
	c.command(t, up...)
	c.state = stateOf(t, c.dir)
	c.kubectl(t, "create", "configmap", "lasting")

	if got := c.command(t, up...); !strings.Contains(got, "already up") || !reflect.DeepEqual(stateOf(t, c.dir), c.state) {
		t.Errorf("second up: got %q; want that it is already up, with the same processes", got)
	}
	c.kubectl(t, "get", "configmap", "lasting")
	if got, err := c.output(append(up, "--without-controller-manager")...); err == nil || !strings.Contains(got, "other flags") {
		t.Errorf("up with other flags: got %v, %q; want an error", err, got)
	}

	c.command(t, "signal", "--dir", c.dir, "--process", apiServer, "--signal", "KILL")
	if got := c.command(t, up...); !strings.Contains(got, "kube-apiserver has ended") {
		t.Errorf("up after the API server was killed: got %q; want the reason", got)
	}
	c.wantNothingLeft(t) // of the first control plane
	c.state = stateOf(t, c.dir)
	if c.try(t.Context(), "get", "configmap", "lasting") == nil {
		t.Error("the new control plane has data of the previous one")
	}

	c.command(t, "restart", "--dir", c.dir, "--process", apiServer)
	c.state = stateOf(t, c.dir)
	c.command(t, "down", "--dir", c.dir)
	c.wantNothingLeft(t)
	for _, name := range []string{c.dir, c.kubeconfig} {
		if _, err := os.Stat(name); !os.IsNotExist(err) {
			t.Errorf("%s: got %v, want it removed", name, err)
		}
	}
	c.command(t, "down", "--dir", c.dir)
}

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
