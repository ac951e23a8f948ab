package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
)

// foreground starts a control plane that ends with this process, writes the line
// "ready" to out once it can be used, and stops it when in or ctx ends. The logs
// stay. It must run on the main goroutine: on Linux the processes are killed when
// the thread that has started them ends, and the main one lasts.
func (c *cluster) foreground(ctx context.Context, opts options, in io.Reader, out io.Writer) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, in) // any end will do
		cancel(errors.New("standard input has ended"))
	}()
	var err error
	if c.owner, err = identify(os.Getpid()); err != nil {
		return err
	}
	relaunch := make(chan os.Signal, 1)
	signal.Notify(relaunch, relaunchSignal)
	defer signal.Stop(relaunch)
	ended := make(chan error)
	c.ended = func(p *process, how *os.ProcessState) { ended <- end(p, how) }

	st, err := c.startOwned(ctx, opts)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, "ready"); err != nil {
		return errors.Join(err, c.finish(ctx, st))
	}
	for {
		select {
		case <-ctx.Done():
			return c.finish(context.WithoutCancel(ctx), st)
		case <-relaunch:
			if st, err = c.relaunch(ctx, st); err != nil {
				c.say("%v", err)
			}
		case err := <-ended:
			// Tests end processes on purpose, so this one lives on.
			c.say("%v", err)
		}
	}
}

// end describes the end of a process, with its log if it gave up by itself.
func end(p *process, how *os.ProcessState) error {
	cause := fmt.Errorf("process %d has ended: %v", p.PID, how)
	if how.Exited() && !how.Success() {
		return &failure{name: p.Name, log: p.Log, cause: cause}
	}
	return fmt.Errorf("%s: %w (log: %s)", p.Name, cause, p.Log)
}

func (c *cluster) startOwned(ctx context.Context, opts options) (*state, error) {
	lock, err := lockFolder(ctx, c.dir, c.progress)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	old, err := loadState(c.dir)
	if err != nil {
		return nil, err
	}
	if old != nil && (old.Owner.alive() || len(old.Processes) > 0 && old.dead() == nil) {
		return nil, fmt.Errorf("a control plane runs in %s: stop it with `cluster down --dir %[1]s`, or choose another --dir", c.dir)
	}
	return c.start(ctx, old, opts)
}

// relaunch starts the processes that have no process id in the state file, and
// returns the state with them started.
func (c *cluster) relaunch(ctx context.Context, last *state) (*state, error) {
	lock, err := lockFolder(ctx, c.dir, c.progress)
	if err != nil {
		return last, err
	}
	defer lock.Close()
	st, err := c.state()
	if err != nil {
		return last, err
	}
	for _, p := range st.Processes {
		if p.PID == 0 {
			err = errors.Join(err, c.launch(p))
		}
	}
	return st, errors.Join(err, st.save(c.dir))
}

// finish stops everything. The processes in last are stopped even if the folder
// has been removed meanwhile, as temporary folders of tests are.
func (c *cluster) finish(ctx context.Context, last *state) error {
	lock, err := lockFolder(ctx, c.dir, c.progress)
	if err != nil {
		return errors.Join(err, last.stop())
	}
	defer lock.Close()
	st, err := loadState(c.dir)
	if err != nil || st == nil {
		return errors.Join(err, c.clear(last), os.Remove(c.dir))
	}
	return errors.Join(c.clear(st), st.save(c.dir))
}
