package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"syscall"
)

// relaunchSignal makes `cluster run` start the processes in the state file that
// have no process ID. They must be its own children in order to end with it.
const relaunchSignal = syscall.SIGUSR1

// restart stops one process if it is running, starts it again, and waits until it and the
// running processes that depend on it are ready. Its arguments are the same, except that the
// given ones, if there are any, replace the additional arguments of the API server.
func (c *cluster) restart(ctx context.Context, name string, serverArguments []string) error {
	if len(serverArguments) > 0 && name != apiServer {
		return fmt.Errorf("--apiserver-arg has no effect on %s", name)
	}
	if err := c.replace(ctx, name, serverArguments); err != nil {
		return err
	}
	if err := c.awaitLaunch(ctx, name); err != nil {
		return err
	}
	st, err := c.state()
	if err != nil {
		return err
	}
	prober, err := newProber(filepath.Join(c.dir, pkiFolder))
	if err != nil {
		return err
	}
	reached := false
	for _, p := range st.Processes {
		reached = reached || p.Name == name
		if p.Name == name || reached && p.alive() {
			if err := prober.await(ctx, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// replace stops the process and starts it again, or makes its owner start it.
func (c *cluster) replace(ctx context.Context, name string, serverArguments []string) error {
	if _, err := c.state(); err != nil {
		return err
	}
	lock, err := lockFolder(ctx, c.dir, c.progress)
	if err != nil {
		return err
	}
	defer lock.Close()
	st, err := c.state()
	if err != nil {
		return err
	}
	p, err := st.find(name)
	if err != nil {
		return err
	}
	if err := p.stop(); err != nil {
		return fmt.Errorf("stopping %s: %w", name, err)
	}
	if len(serverArguments) > 0 {
		own := p.Args[:len(p.Args)-len(st.Options.APIServerArgs)]
		p.Args, st.Options.APIServerArgs = slices.Concat(own, serverArguments), serverArguments
	}
	if st.Owner == (identity{}) {
		return errors.Join(c.launch(p), st.save(c.dir))
	}
	p.identity = identity{}
	if err := st.save(c.dir); err != nil {
		return err
	}
	if err := st.Owner.signal(relaunchSignal); err != nil {
		return fmt.Errorf("signaling `cluster run` (process %[2]d) to start %[1]s: %[3]w", name, st.Owner.PID, err)
	}
	return nil
}

// awaitLaunch waits until the process has been started.
func (c *cluster) awaitLaunch(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("%s was not started within %s", name, readyTimeout))
	defer cancel()
	for {
		st, err := c.state()
		if err != nil {
			return err
		}
		p, err := st.find(name)
		if err != nil || p.PID != 0 {
			return err
		}
		if err := sleep(ctx, probePause); err != nil {
			return err
		}
	}
}
