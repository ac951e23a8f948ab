package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestStateRoundTrip(t *testing.T) {
	dir := t.TempDir()
	want := &state{
		Version: stateVersion, Server: "https://127.0.0.1:1", Assets: "/assets",
		Options: options{Kubeconfig: "/k", WithoutControllerManager: true, APIServerArgs: []string{"--v=2"}},
		Owner:   identity{PID: 1, Started: "boot 1"},
		Processes: []*process{{
			Name: etcd, Path: "/assets/etcd", Args: []string{"--name=x"}, Dir: "/", Log: "/log",
			Probes: []string{"https://127.0.0.1:2/health"}, identity: identity{PID: 2, Started: "boot 2"},
		}},
	}
	if err := want.save(dir); err != nil {
		t.Fatal(err)
	}
	got, err := loadState(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestLoadState(t *testing.T) {
	cases := map[string]struct {
		files map[string]string
		err   string
	}{
		"an empty directory":        {nil, ""},
		"a foreign directory":       {map[string]string{"thesis.txt": ""}, "choose another --dir"},
		"a damaged state":           {map[string]string{stateFile: "{"}, stateFile},
		"a state of another format": {map[string]string{stateFile: `{"Version": 99}`}, "version 99"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range c.files {
				place(t, filepath.Join(dir, file), text)
			}
			st, err := loadState(dir)
			if c.err == "" && (err != nil || st != nil) {
				t.Errorf("got %v, %v; want neither state nor error", st, err)
			}
			if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("got error %v, want one with %q", err, c.err)
			}
		})
	}
}

// A typo in --dir must not delete other files.
func TestDownLeavesOtherFilesAlone(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "thesis.txt")
	place(t, other, "")
	c := &cluster{dir: dir, progress: t.Output()}
	if err := c.down(t.Context()); err == nil {
		t.Error("a directory without a control plane: got no error")
	}
	if err := (&state{Version: stateVersion}).save(dir); err != nil {
		t.Fatal(err)
	}
	if err := c.down(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Errorf("the other file is gone: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, stateFile)); !os.IsNotExist(err) {
		t.Errorf("the state file: got %v, want it removed", err)
	}
}

func TestDownWhenNothingRuns(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	c := &cluster{dir: dir, progress: t.Output()}
	if err := c.down(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("down has created the directory: %v", err)
	}
}
