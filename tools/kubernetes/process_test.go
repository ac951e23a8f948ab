package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startShell starts a process that runs a shell script, and reaps it when it
// ends.
func startShell(t *testing.T, script string) *process {
	t.Helper()
	p := &process{
		Name: "shell", Path: "/bin/sh", Args: []string{"-c", script},
		Dir: t.TempDir(), Log: filepath.Join(t.TempDir(), "log"),
	}
	cmd, err := p.start(false)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return p
}

func TestReusedProcessIDIsNotSignalled(t *testing.T) {
	p := startShell(t, "exec sleep 60")
	stale := identity{PID: p.PID, Started: p.Started + "1"}
	if stale.alive() {
		t.Error("a process ID with another start time is considered alive")
	}
	if err := stale.signal(syscall.SIGKILL); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("signal: got %v, want os.ErrProcessDone", err)
	}
	if err := stale.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if time.Sleep(100 * time.Millisecond); !p.alive() {
		t.Fatal("the process that now has this ID was killed")
	}
}

func TestZeroIdentityIsNotSignalled(t *testing.T) {
	none := identity{}
	if none.alive() {
		t.Error("process ID 0 is considered alive: a signal to it reaches the whole process group")
	}
	if err := none.signal(syscall.SIGCONT); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("got %v, want os.ErrProcessDone", err)
	}
}

func TestStop(t *testing.T) {
	cases := map[string]struct {
		script string
		stop   bool
	}{
		"ends on SIGTERM":                  {"exec sleep 60", false},
		"is stopped and ends on SIGTERM":   {"exec sleep 60", true},
		"ignores SIGTERM and gets SIGKILL": {"trap '' TERM; while :; do sleep 1; done", false},
		"has already ended":                {"exit 3", false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startShell(t, c.script)
			if c.stop {
				if err := p.signal(syscall.SIGSTOP); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(200 * time.Millisecond) // let the shell set its trap
			if err := p.stop(); err != nil {
				t.Error(err)
			}
			if p.alive() {
				t.Error("it is still running")
			}
		})
	}
}

func TestZombieIsNotAlive(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", "exit 0")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	id, err := identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if !id.endsWithin(5 * time.Second) {
		t.Error("a process that has ended but not been reaped is considered alive")
	}
}

func TestEnvironmentOmitsUserSettings(t *testing.T) {
	t.Setenv("ETCD_NAME", "x")
	t.Setenv("KUBE_FEATURE_X", "true")
	for _, variable := range environment() {
		if strings.HasPrefix(variable, "ETCD_") || strings.HasPrefix(variable, "KUBE") {
			t.Errorf("got %s", variable)
		}
	}
}

func TestFailureShowsEndOfLog(t *testing.T) {
	log := filepath.Join(t.TempDir(), "etcd.log")
	place(t, log, strings.Repeat("early\n", 5000)+strings.Repeat("late\n", tailLines))
	text := (&failure{name: etcd, log: log, cause: errors.New("it ended")}).Error()
	if strings.Count(text, "late") != tailLines || strings.Contains(text, "early") {
		t.Errorf("want exactly the last %d lines:\n%s", tailLines, text)
	}
	for _, want := range []string{"etcd: it ended", log} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
}

func TestFailureWithoutLog(t *testing.T) {
	text := (&failure{name: etcd, log: "/nowhere", cause: errors.New("it ended")}).Error()
	if !strings.Contains(text, "etcd: it ended") || !strings.Contains(text, "/nowhere") {
		t.Errorf("got %s", text)
	}
}

// Another program may take a port after it was chosen and before it is used.
func TestRetryAfterPortConflict(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("KUBEBUILDER_ASSETS", bin)
	for name, output := range map[string]string{etcd: "bind: address already in use", apiServer: "never started"} {
		script := "#!/bin/sh\necho '" + output + "'; exit 1\n"
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	c := &cluster{dir: dir, progress: t.Output()}
	err := c.up(t.Context(), options{Kubeconfig: path(filepath.Join(dir, "kubeconfig")), WithoutControllerManager: true})
	var failed *failure
	if !errors.As(err, &failed) || failed.name != etcd {
		t.Errorf("got %v, want a failure of etcd", err)
	}
	if got := strings.Count(contents(t, filepath.Join(dir, logFolder, etcd+".log")), "in use"); got != 3 {
		t.Errorf("got %d attempts, want 3", got)
	}
}
