package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// What lies in a control plane's folder. Everything else there is not ours.
const (
	stateFile    = "state.json"
	adminConfig  = "admin.kubeconfig"
	pkiFolder    = "pki"
	etcdFolder   = "etcd"
	logFolder    = "logs"
	pluginFolder = "volume-plugins"
	nodeFolder   = "node"
	stateVersion = 1
)

// state is what a control plane's folder remembers of it. The file is also the
// mark by which the folder is known to be one.
type state struct {
	Version int
	Options options
	// Assets is the folder of the binaries.
	Assets string
	// Server is the URL of the API server.
	Server string
	// Owner is the `cluster run` that the processes belong to, if any.
	Owner identity
	// Node is what a node has outside of the folder, if there is one.
	Node *node
	// Processes are in the order in which they are started. One with no process
	// id is to be started by the owner.
	Processes []*process
}

// loadState returns nil if dir holds no control plane, and an error if it holds
// something else.
func loadState(dir string) (*state, error) {
	text, err := os.ReadFile(filepath.Join(dir, stateFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, unused(dir)
	} else if err != nil {
		return nil, err
	}
	st := &state{}
	if err := json.Unmarshal(text, st); err != nil {
		return nil, fmt.Errorf("state of the control plane %s: %w", filepath.Join(dir, stateFile), err)
	}
	if st.Version != stateVersion {
		return nil, fmt.Errorf("%s has version %d, this command writes %d: stop its processes with the command that started them",
			filepath.Join(dir, stateFile), st.Version, stateVersion)
	}
	return st, nil
}

// unused returns an error if dir holds anything.
func unused(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("it holds other files, such as %s", entries[0].Name())
	}
	if err != nil {
		return fmt.Errorf("%s is not a control plane's folder: %w; choose another --dir", dir, err)
	}
	return nil
}

func (s *state) save(dir string) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, stateFile), text)
}

// find returns the process called name.
func (s *state) find(name string) (*process, error) {
	at := slices.IndexFunc(s.Processes, func(p *process) bool { return p.Name == name })
	if at < 0 {
		return nil, fmt.Errorf("no process %s in this control plane", name)
	}
	return s.Processes[at], nil
}

// dead returns the first process that does not run, or nil.
func (s *state) dead() *process {
	for _, p := range s.Processes {
		if !p.alive() {
			return p
		}
	}
	return nil
}

// stop ends all processes, the last one started first, and what a node has left
// on the machine, and forgets them.
func (s *state) stop() error {
	var failed error
	for _, p := range slices.Backward(s.Processes) {
		if err := p.stop(); err != nil {
			failed = errors.Join(failed, fmt.Errorf("stopping %s: %w", p.Name, err))
		}
	}
	if failed == nil && s.Node != nil {
		// Also where the command has been asked to end.
		if err := s.Node.tearDown(context.Background()); err != nil {
			failed = fmt.Errorf("clearing up after the node: %w", err)
		}
	}
	if failed == nil {
		s.Node = nil
		s.Processes, s.Owner = nil, identity{}
	}
	return failed
}
