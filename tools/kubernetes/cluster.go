package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// cluster is one control plane in one directory. A command that changes it holds
// the lock on the directory. Reads need no lock, since the state file is replaced
// atomically.
type cluster struct {
	dir      string
	progress io.Writer
	// owner is this process if the control plane ends with it, and zero otherwise.
	owner identity
	// ended, if set, is called when a process started here has ended.
	ended func(*process, *os.ProcessState)
}

func (c *cluster) logf(format string, args ...any) {
	fmt.Fprintf(c.progress, format+"\n", args...)
}

// up ensures that a control plane runs in the background. It keeps an existing
// healthy one and replaces any other with a new, empty one.
func (c *cluster) up(ctx context.Context, opts options) error {
	start := time.Now()
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
	c.logf("%s is up after %s; kubeconfig: %s", st.Server, time.Since(start).Round(100*time.Millisecond), opts.Kubeconfig)
	return nil
}

// keep reports whether old is running, healthy and equivalent to what opts
// request. A healthy control plane with different options is an error: its data
// must not be discarded.
func (c *cluster) keep(ctx context.Context, old *state, opts options) (bool, error) {
	if old == nil || len(old.Processes) == 0 {
		return false, nil
	}
	if old.Owner.alive() {
		return false, fmt.Errorf("%s is used by `cluster run` (process %d): choose another --dir", c.dir, old.Owner.PID)
	}
	if err := old.dropUnfinished(); err != nil {
		return false, err
	}
	if err := c.checkHealth(ctx, old); ctx.Err() != nil {
		return false, ctx.Err()
	} else if err != nil {
		c.logf("replacing the existing control plane, which is not healthy: %v", err)
		return false, nil
	}
	assets, err := assetsDir()
	if err != nil {
		return false, err
	}
	if old.Options.lacksOnlyControllerManager(opts) && old.Assets == assets {
		return true, c.complete(ctx, old, opts)
	}
	if !old.Options.sameCluster(opts) || old.Assets != assets {
		return false, fmt.Errorf("%s is up with other flags or binaries: run `cluster down --dir %[1]s` first", c.dir)
	}
	if err := c.publish(opts); err != nil {
		return false, err
	}
	old.Options.Kubeconfig = opts.Kubeconfig
	c.logf("%s is already up; kubeconfig: %s", old.Server, opts.Kubeconfig)
	return true, old.save(c.dir)
}

// complete adds the controller manager to a control plane that was started without. If that fails,
// the rest keeps running.
func (c *cluster) complete(ctx context.Context, st *state, opts options) error {
	if _, err := assets(ctx, opts, c.progress); err != nil {
		return err
	}
	plan, err := newPlan(c.dir, st.Assets, opts)
	if err != nil {
		return err
	}
	if plan.apiPort, err = portOf(st.Server); err != nil {
		return err
	}
	manager := plan.controllerManager()
	if err := c.startAll(ctx, st, []*process{manager}); err != nil {
		st.Processes = slices.DeleteFunc(st.Processes, func(p *process) bool { return p == manager })
		return errors.Join(err, manager.stop(), st.save(c.dir))
	}
	if err := c.publish(opts); err != nil {
		return err
	}
	st.Options = opts
	c.logf("%s has a controller manager now; kubeconfig: %s", st.Server, opts.Kubeconfig)
	return st.save(c.dir)
}

// portOf returns the port of a URL.
func portOf(server string) (int, error) {
	parsed, err := url.Parse(server)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(parsed.Port())
}

// checkHealth returns an error unless every process of st is running and ready.
func (c *cluster) checkHealth(ctx context.Context, st *state) error {
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

// start stops what is left of old and starts a new control plane. If it fails, no
// process is left running; the logs and the state file are kept.
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
	assets, err := assets(ctx, opts, c.progress)
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		st, err := c.attempt(ctx, assets, opts)
		var failed *failure
		if attempt == 3 || !errors.As(err, &failed) || !failed.portTaken() {
			return st, err
		}
		c.logf("another program has taken one of the ports; retrying with other ports")
	}
}

// attempt writes the files of the directory, starts the processes one after
// another, each once the previous one is ready, and publishes the kubeconfig.
func (c *cluster) attempt(ctx context.Context, assets string, opts options) (*state, error) {
	plan, err := newPlan(c.dir, assets, opts)
	if err != nil {
		return nil, err
	}
	st := &state{Version: stateVersion, Options: opts, Assets: assets, Server: plan.server(), Owner: c.owner, Node: plan.node}
	// The state is saved first: it marks the directory as one to clean up.
	if err := errors.Join(st.save(c.dir), c.erase(etcdFolder, pkiFolder, nodeFolder), plan.write()); err != nil {
		return nil, err
	}
	if err := c.startPlan(ctx, st, plan); err != nil {
		return nil, errors.Join(err, st.stop(), st.save(c.dir))
	}
	if err := c.publish(opts); err != nil {
		return nil, errors.Join(err, st.stop(), st.save(c.dir))
	}
	return st, nil
}

// startPlan starts all processes of p. With a node, it also sets up the network
// and the cgroup, and loads the sandbox image.
func (c *cluster) startPlan(ctx context.Context, st *state, p *plan) error {
	if st.Node == nil {
		return c.startAll(ctx, st, p.processes())
	}
	if err := st.Node.setUp(ctx); err != nil {
		return err
	}
	if err := c.startAll(ctx, st, p.processes()); err != nil {
		return err
	}
	if err := st.Node.load(ctx, st.Node.path("sandbox.tar")); err != nil {
		return err
	}
	if err := c.startAll(ctx, st, []*process{p.kubelet()}); err != nil {
		return err
	}
	prober, err := newProber(filepath.Join(c.dir, pkiFolder))
	if err != nil {
		return err
	}
	return prober.awaitNode(ctx, st.Server, st.Processes...)
}

// startAll starts the processes one after another and records each in st.
func (c *cluster) startAll(ctx context.Context, st *state, processes []*process) error {
	prober, err := newProber(filepath.Join(c.dir, pkiFolder))
	if err != nil {
		return err
	}
	for _, p := range processes {
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

// launch starts one process. It waits for its end only if c.ended is set: a
// background control plane outlives this command.
func (c *cluster) launch(p *process) error {
	cmd, err := p.start(c.owner != identity{})
	if err != nil {
		return err
	}
	if c.ended != nil {
		go func() {
			_ = cmd.Wait() // the process state contains the exit status
			c.ended(p, cmd.ProcessState)
		}()
	}
	return nil
}

// publish writes the admin's kubeconfig to the file given in opts.
func (c *cluster) publish(opts options) error {
	text, err := os.ReadFile(filepath.Join(c.dir, adminConfig))
	if err != nil {
		return err
	}
	return publishKubeconfig(string(opts.Kubeconfig), text)
}

// down stops the control plane and removes its directory. It succeeds if none
// runs.
func (c *cluster) down(ctx context.Context) error {
	if _, err := os.Stat(c.dir); errors.Is(err, os.ErrNotExist) {
		c.logf("no control plane in %s", c.dir)
		return nil
	}
	for {
		owner, err := c.downUnowned(ctx)
		if err != nil || owner == (identity{}) {
			return err
		}
		c.logf("asking `cluster run` (process %d) to stop", owner.PID)
		if err := owner.stop(); err != nil {
			return err
		}
	}
}

// downUnowned does the work of down unless a live owner exists, which it returns:
// the owner needs the lock in order to stop.
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
		c.logf("not removed: %v", err)
		return identity{}, nil
	}
	return identity{}, os.Remove(c.dir)
}

// clear stops all processes and removes everything except their logs.
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

// erase removes the named files and directories of the control plane.
func (c *cluster) erase(names ...string) error {
	for _, name := range names {
		if err := os.RemoveAll(filepath.Join(c.dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// load loads image archives into the node.
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

// signal sends sig to the named process. After SIGKILL it waits until the process
// has ended.
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
		return fmt.Errorf("%s (process %d) is still running %s after SIGKILL", name, p.PID, grace)
	}
	return nil
}

// state returns the saved state, or an error if the directory holds no control
// plane.
func (c *cluster) state() (*state, error) {
	st, err := loadState(c.dir)
	if err == nil && st == nil {
		err = fmt.Errorf("no control plane in %s: start one with `cluster up`", c.dir)
	}
	return st, err
}
