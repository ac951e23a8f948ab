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
// "ready" to out once it is ready, and stops it when in or ctx ends. The logs are
// kept. It must run on the main goroutine: on Linux the processes are killed when
// the thread that started them ends, and only the main thread is permanent.
func (c *cluster) foreground(ctx context.Context, opts options, in io.Reader, out io.Writer) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, in) // an error ends the input too
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
	c.ended = func(p *process, result *os.ProcessState) { ended <- describeEnd(p, result) }

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
				c.logf("%v", err)
			}
		case err := <-ended:
			// Tests kill processes on purpose, so this one continues.
			c.logf("%v", err)
		}
	}
}

// describeEnd returns an error that describes the end of a process. It includes
// the end of the log if the process exited by itself with an error.
func describeEnd(p *process, result *os.ProcessState) error {
	cause := fmt.Errorf("process %d has ended: %v", p.PID, result)
	if result.Exited() && !result.Success() {
		return &failure{name: p.Name, log: p.Log, cause: cause}
	}
	return fmt.Errorf("%s: %w (log: %s)", p.Name, cause, p.Log)
}

// startOwned starts a control plane that this process owns, unless one is running.
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
		return nil, fmt.Errorf("a control plane is running in %s: stop it with `cluster down --dir %[1]s`, or choose another --dir", c.dir)
	}
	return c.start(ctx, old, opts)
}

// relaunch starts the processes that have no process ID in the state file, and
// returns the updated state.
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

// finish stops everything. It stops the processes in last even if the directory
// has been removed, as tests do with temporary directories.
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
