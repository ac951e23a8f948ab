package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// cluster is one control plane, in one folder. Whoever changes it holds the lock
// on the folder; whoever only reads finds a whole state file at any moment.
type cluster struct {
	dir      string
	progress io.Writer
	// owner is this process if the control plane ends with it, and zero if not.
	owner identity
	// ended, if set, is called when a process that was started here has ended.
	ended func(*process, *os.ProcessState)
}

func (c *cluster) say(format string, args ...any) {
	fmt.Fprintf(c.progress, format+"\n", args...)
}

// up makes sure that a control plane runs in the background: an earlier one that
// is whole is kept, any other is replaced by a new and empty one.
func (c *cluster) up(ctx context.Context, opts options) error {
	began := time.Now()
	lock, err := lockFolder(ctx, c.dir, c.progress)
	if err != nil {
		return err
	}
	defer lock.Close()
	old, err := loadState(c.dir)
	if err != nil {
		return err
	}
	if kept, err := c.keep(ctx, old, opts); kept || err != nil {
		return err
	}
	st, err := c.start(ctx, old, opts)
	if err != nil {
		return err
	}
	c.say("%s is up after %s; kubeconfig: %s", st.Server, time.Since(began).Round(100*time.Millisecond), opts.Kubeconfig)
	return nil
}

// keep tells whether old still runs, can be used, and is what opts ask for. If
// it is something else, that is an error: its data is not ours to throw away.
func (c *cluster) keep(ctx context.Context, old *state, opts options) (bool, error) {
	if old == nil || len(old.Processes) == 0 {
		return false, nil
	}
	if old.Owner.alive() {
		return false, fmt.Errorf("%s is in use by `cluster run` (process %d): choose another --dir", c.dir, old.Owner.PID)
	}
	if err := c.whole(ctx, old); ctx.Err() != nil {
		return false, ctx.Err()
	} else if err != nil {
		c.say("starting anew, since the earlier control plane is not whole: %v", err)
		return false, nil
	}
	assets, err := assetsDir()
	if err != nil {
		return false, err
	}
	if !old.Options.sameCluster(opts) || old.Assets != assets {
		return false, fmt.Errorf("%s is up with other flags or binaries: run `cluster down --dir %[1]s` first", c.dir)
	}
	if err := c.publish(opts); err != nil {
		return false, err
	}
	old.Options.Kubeconfig = opts.Kubeconfig
	c.say("%s is already up; kubeconfig: %s", old.Server, opts.Kubeconfig)
	return true, old.save(c.dir)
}

// whole returns nil if every process of st runs and can be used now.
func (c *cluster) whole(ctx context.Context, st *state) error {
	if p := st.dead(); p != nil {
		return fmt.Errorf("%s has ended (log: %s)", p.Name, p.Log)
	}
	prober, err := newProber(filepath.Join(c.dir, pkiFolder))
	if err != nil {
		return err
	}
	for _, p := range st.Processes {
		if err := prober.probe(ctx, p); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	return nil
}

// start stops what is left of old and starts a new control plane. If that fails,
// nothing runs, and the logs and the state file stay.
func (c *cluster) start(ctx context.Context, old *state, opts options) (*state, error) {
	if err := replaceable(string(opts.Kubeconfig)); err != nil {
		return nil, err
	}
	if old != nil {
		if err := old.stop(); err != nil {
			return nil, err
		}
	}
	if opts.Node {
		if err := nodePossible(c.dir); err != nil {
			return nil, err
		}
	}
	assets, err := assets(ctx, opts.Node, c.progress)
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		st, err := c.attempt(ctx, assets, opts)
		var failed *failure
		if attempt == 3 || !errors.As(err, &failed) || !failed.portTaken() {
			return st, err
		}
		c.say("another program has taken a port meanwhile; starting again on other ports")
	}
}

// attempt lays out the folder, starts the processes one by one, each when the
// one before can be used, and publishes the kubeconfig.
func (c *cluster) attempt(ctx context.Context, assets string, opts options) (*state, error) {
	layout, err := newPlan(c.dir, assets, opts)
	if err != nil {
		return nil, err
	}
	st := &state{Version: stateVersion, Options: opts, Assets: assets, Server: layout.server(), Owner: c.owner, Node: layout.node}
	// The state comes first: it marks the folder as one to clean up.
	if err := errors.Join(st.save(c.dir), c.erase(etcdFolder, pkiFolder, nodeFolder), layout.write()); err != nil {
		return nil, err
	}
	if err := c.bring(ctx, st, layout); err != nil {
		return nil, errors.Join(err, st.stop(), st.save(c.dir))
	}
	if err := c.publish(opts); err != nil {
		return nil, errors.Join(err, st.stop(), st.save(c.dir))
	}
	return st, nil
}

// bring starts everything, with what a node needs in between.
func (c *cluster) bring(ctx context.Context, st *state, layout *plan) error {
	if st.Node == nil {
		return c.startAll(ctx, st, layout.processes())
	}
	if err := st.Node.setUp(ctx); err != nil {
		return err
	}
	if err := c.startAll(ctx, st, layout.processes()); err != nil {
		return err
	}
	if err := st.Node.load(ctx, st.Node.path("sandbox.tar")); err != nil {
		return err
	}
	if err := c.startAll(ctx, st, []*process{layout.kubelet()}); err != nil {
		return err
	}
	prober, err := newProber(filepath.Join(c.dir, pkiFolder))
	if err != nil {
		return err
	}
	return prober.awaitNode(ctx, st.Server, st.Processes...)
}

func (c *cluster) startAll(ctx context.Context, st *state, parts []*process) error {
	prober, err := newProber(filepath.Join(c.dir, pkiFolder))
	if err != nil {
		return err
	}
	for _, p := range parts {
		if err := c.launch(p); err != nil {
			return err
		}
		st.Processes = append(st.Processes, p)
		if err := st.save(c.dir); err != nil {
			return err
		}
		if err := prober.await(ctx, st.Processes...); err != nil {
			return err
		}
	}
	return nil
}

// launch starts one process. Its end is waited for only if somebody wants to
// know of it: a background control plane outlives this command.
func (c *cluster) launch(p *process) error {
	cmd, err := p.start(c.owner != identity{})
	if err != nil {
		return err
	}
	if c.ended != nil {
		go func() {
			_ = cmd.Wait() // the process state says it all
			c.ended(p, cmd.ProcessState)
		}()
	}
	return nil
}

func (c *cluster) publish(opts options) error {
	text, err := os.ReadFile(filepath.Join(c.dir, adminConfig))
	if err != nil {
		return err
	}
	return publishKubeconfig(string(opts.Kubeconfig), text)
}

// down stops the control plane and removes its folder. It is fine if none runs.
func (c *cluster) down(ctx context.Context) error {
	if _, err := os.Stat(c.dir); errors.Is(err, os.ErrNotExist) {
		c.say("nothing runs in %s", c.dir)
		return nil
	}
	for {
		owner, err := c.downUnowned(ctx)
		if err != nil || owner == (identity{}) {
			return err
		}
		c.say("asking `cluster run` (process %d) to stop", owner.PID)
		if err := owner.stop(); err != nil {
			return err
		}
	}
}

// downUnowned does the work of down, unless there is an owner, which it returns:
// that process needs the lock in order to stop.
func (c *cluster) downUnowned(ctx context.Context) (identity, error) {
	lock, err := lockFolder(ctx, c.dir, c.progress)
	if err != nil {
		return identity{}, err
	}
	defer lock.Close()
	st, err := loadState(c.dir)
	if err != nil {
		return identity{}, err
	}
	if st == nil {
		return identity{}, os.Remove(c.dir)
	}
	if st.Owner.alive() {
		return st.Owner, nil
	}
	if err := c.clear(st); err != nil {
		return identity{}, err
	}
	if err := c.erase(logFolder, stateFile, stateFile+".new"); err != nil {
		return identity{}, err
	}
	if err := unused(c.dir); err != nil {
		c.say("left in place: %v", err)
		return identity{}, nil
	}
	return identity{}, os.Remove(c.dir)
}

// clear stops all processes and removes everything but their logs.
func (c *cluster) clear(st *state) error {
	if err := st.stop(); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(c.dir, adminConfig))
	if err == nil {
		err = withdrawKubeconfig(string(st.Options.Kubeconfig), text)
	} else if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, c.erase(etcdFolder, pkiFolder, pluginFolder, nodeFolder, adminConfig))
}

func (c *cluster) erase(names ...string) error {
	for _, name := range names {
		if err := os.RemoveAll(filepath.Join(c.dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// load puts image archives into the node.
func (c *cluster) load(ctx context.Context, archives []string) error {
	st, err := c.state()
	if err != nil {
		return err
	}
	if st.Node == nil {
		return fmt.Errorf("the cluster in %s has no node to load images into: start it with --node", c.dir)
	}
	for _, archive := range archives {
		if err := st.Node.load(ctx, archive); err != nil {
			return err
		}
	}
	return nil
}

// signal sends a signal to the process called name. After SIGKILL it waits until
// the process is gone.
func (c *cluster) signal(name string, sig syscall.Signal) error {
	st, err := c.state()
	if err != nil {
		return err
	}
	p, err := st.find(name)
	if err != nil {
		return err
	}
	if err := p.signal(sig); err != nil {
		return fmt.Errorf("%s (process %d): %w", name, p.PID, err)
	}
	if sig == syscall.SIGKILL && !p.endsWithin(grace) {
		return fmt.Errorf("%s (process %d) still runs %s after SIGKILL", name, p.PID, grace)
	}
	return nil
}

// state is loadState for commands that need a control plane.
func (c *cluster) state() (*state, error) {
	st, err := loadState(c.dir)
	if err == nil && st == nil {
		err = fmt.Errorf("no control plane in %s: start one with `cluster up`", c.dir)
	}
	return st, err
}
