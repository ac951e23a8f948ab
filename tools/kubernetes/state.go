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

// The contents of a control plane's directory. Any other file there is foreign.
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

// state is the persisted state of a control plane. The state file also marks its
// directory as that of a control plane.
type state struct {
	Version int
	Options options
	// Assets is the directory of the binaries.
	Assets string
	// Server is the URL of the API server.
	Server string
	// Owner is the `cluster run` that the processes belong to, or zero.
	Owner identity
	// Node describes what the node has outside the directory. It is nil without a
	// node.
	Node *node
	// Processes are in start order. One with process ID 0 is waiting to be started by
	// the owner.
	Processes []*process
}

// loadState returns nil if dir is empty or absent, and an error if it holds
// something else than a control plane.
func loadState(dir string) (*state, error) {
	text, err := os.ReadFile(filepath.Join(dir, stateFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, unused(dir)
	} else if err != nil {
		return nil, err
	}
	st := &state{}
	if err := json.Unmarshal(text, st); err != nil {
		return nil, fmt.Errorf("reading the state file %s: %w", filepath.Join(dir, stateFile), err)
	}
	if st.Version != stateVersion {
		return nil, fmt.Errorf("%s has format version %d, and this command supports version %d: stop the control plane with the command that started it",
			filepath.Join(dir, stateFile), st.Version, stateVersion)
	}
	return st, nil
}

// unused returns an error if dir contains any file.
func unused(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("it contains other files, such as %s", entries[0].Name())
	}
	if err != nil {
		return fmt.Errorf("%s is not the directory of a control plane: %w; choose another --dir", dir, err)
	}
	return nil
}

// save writes the state file in dir.
func (s *state) save(dir string) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, stateFile), text)
}

// find returns the process with the given name.
func (s *state) find(name string) (*process, error) {
	i := slices.IndexFunc(s.Processes, func(p *process) bool { return p.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("no process %s in this control plane", name)
	}
	return s.Processes[i], nil
}

// dead returns the first process that is not running, or nil.
func (s *state) dead() *process {
	for _, p := range s.Processes {
		if !p.alive() {
			return p
		}
	}
	return nil
}

// stop stops all processes, in reverse start order, removes what the node has
// left on the machine, and clears both from the state.
func (s *state) stop() error {
	var errs error
	for _, p := range slices.Backward(s.Processes) {
		if err := p.stop(); err != nil {
			errs = errors.Join(errs, fmt.Errorf("stopping %s: %w", p.Name, err))
		}
	}
	if errs == nil && s.Node != nil {
		// This has to happen even if the command has been canceled.
		if err := s.Node.tearDown(context.Background()); err != nil {
			errs = fmt.Errorf("cleaning up after the node: %w", err)
		}
	}
	if errs == nil {
		s.Node = nil
		s.Processes, s.Owner = nil, identity{}
	}
	return errs
}

// dropUnfinished stops and forgets a controller manager that a command has started without
// recording that there is to be one, because it was killed meanwhile.
func (st *state) dropUnfinished() error {
	if !st.Options.WithoutControllerManager {
		return nil
	}
	for _, p := range st.Processes {
		if p.Name == controllerManager {
			if err := p.stop(); err != nil {
				return err
			}
		}
	}
	st.Processes = slices.DeleteFunc(st.Processes, func(p *process) bool { return p.Name == controllerManager })
	return nil
}
