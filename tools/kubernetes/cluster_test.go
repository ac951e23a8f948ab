package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
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

// A control plane without a controller manager gets one, and keeps its processes and data.
func TestUpAddsControllerManager(t *testing.T) {
	c := newTestCluster(t, filepath.Join(t.TempDir(), "dir"))
	up := []string{"up", "--dir", c.dir, "--kubeconfig", c.kubeconfig, "--apiserver-arg=--v=1"}
	t.Cleanup(func() { _, _ = c.output("down", "--dir", c.dir) })
	c.command(t, append(up, "--without-controller-manager")...)
	before := stateOf(t, c.dir)
	c.kubectl(t, "create", "configmap", "lasting")

	if got, err := c.output(up[:len(up)-1]...); err == nil || !strings.Contains(got, "other flags") {
		t.Errorf("up with other flags as well: got %v, %q; want an error", err, got)
	}
	if got := c.command(t, up...); !strings.Contains(got, "has a controller manager now") {
		t.Errorf("got %q", got)
	}
	c.kubectl(t, "get", "configmap", "lasting")
	c.kubectl(t, "get", "serviceaccount", "default") // made by it
	c.state = stateOf(t, c.dir)
	if len(c.state.Processes) != 3 || !reflect.DeepEqual(c.state.Processes[:2], before.Processes) || c.state.Options.WithoutControllerManager {
		t.Errorf("state %+v, before %+v", c.state, before)
	}
	if got := c.command(t, up...); !strings.Contains(got, "already up") {
		t.Errorf("again: got %q", got)
	}

	// As if that command had been killed before it saved the options; then with its process too.
	for _, stop := range []func(*process) error{func(*process) error { return nil }, (*process).stop} {
		manager := c.state.Processes[2]
		c.state.Options.WithoutControllerManager = true
		if err := errors.Join(stop(manager), c.state.save(c.dir)); err != nil {
			t.Fatal(err)
		}
		c.command(t, up...)
		c.state = stateOf(t, c.dir)
		if len(c.state.Processes) != 3 || manager.alive() {
			t.Errorf("processes %+v; want the first controller manager replaced", c.state.Processes)
		}
		c.kubectl(t, "get", "configmap", "lasting")
	}
	c.command(t, "down", "--dir", c.dir)
	c.wantNothingLeft(t)
}
