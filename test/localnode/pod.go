package localnode

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// How long a container that has failed waits: twice as long each time, up to a limit
// lower than a kubelet's 5 minutes, since somebody looks on. One that has run for
// steadyAfter starts again with the first.
const (
	firstBackOff = time.Second
	lastBackOff  = 10 * time.Second
	steadyAfter  = 30 * time.Second
)

// runner runs one pod until its context ends.
type runner struct {
	node     *Node
	pod      *corev1.Pod
	rival    rival
	dir      string
	volumes  *mounter
	reporter *reporter
	log      *slog.Logger
}

// run prepares the pod, waits for its turn, and keeps its process running. What fails
// is tried again and again.
func (r *runner) run(ctx context.Context) {
	if err := refuse(r.pod); err != nil {
		r.waits(reasonRefused, err)
		r.log.Error("The pod cannot run here", "error", err)
		<-ctx.Done()
		return
	}
	main := &r.pod.Spec.Containers[0]
	var line *commandLine
	if !r.retry(ctx, func() (err error) { line, err = r.prepare(ctx, main); return err }) {
		return
	}
	kept, stop := context.WithCancel(ctx)
	defer stop()
	go r.volumes.keep(kept, func(err error) { r.log.Warn("A volume stays as it is", "error", err) })
	for ctx.Err() == nil {
		r.waits(reasonTurn, errors.New("another pod of the same Deployment runs on this machine"))
		turn, err := r.node.turns.take(ctx, r.rival)
		if err != nil {
			return
		}
		r.serve(ctx, turn, line)
		r.node.turns.giveBack(turn)
	}
}

// retry calls a function until it succeeds, with growing pauses, or the context ends.
func (r *runner) retry(ctx context.Context, attempt func() error) bool {
	for pause := firstBackOff; ; pause = min(2*pause, lastBackOff) {
		err := attempt()
		if err == nil {
			return true
		}
		if ctx.Err() == nil {
			r.log.Warn("The pod cannot run yet", "error", err)
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
	}
}

// waits says why the pod's container waits.
func (r *runner) waits(reason string, err error) {
	r.reporter.change(func(s *podState) {
		s.ready = false
		for i := range s.containers {
			s.containers[i].running, s.containers[i].reason, s.containers[i].message = false, reason, err.Error()
		}
	})
}

// prepare fetches the images, makes the volumes and runs the init containers; it
// gives the command line of the main container.
func (r *runner) prepare(ctx context.Context, main *corev1.Container) (*commandLine, error) {
	images := map[string]*image{}
	for i, c := range slices.Concat(r.pod.Spec.InitContainers, r.pod.Spec.Containers) {
		found, err := findImage(r.node.options.Images, c.Image)
		if err != nil {
			r.reporter.change(func(s *podState) { s.at(i).reason, s.at(i).message = reasonImage, err.Error() })
			return nil, err
		}
		images[c.Name] = found
	}
	if err := r.volumes.refresh(ctx); err != nil {
		r.waits(reasonCreating, err)
		return nil, err
	}
	for i := range r.pod.Spec.InitContainers {
		if err := r.initialize(ctx, i, images); err != nil {
			return nil, err
		}
	}
	line, err := r.line(main, images[main.Name], r.node.options.Arguments)
	if err != nil {
		r.waits(reasonRefused, err)
	}
	return line, err
}

// line unpacks the image of a container and gives its command line.
func (r *runner) line(c *corev1.Container, from *image, arguments []string) (*commandLine, error) {
	root, err := from.unpack(filepath.Join(r.node.options.Dir, "images"))
	if err != nil {
		return nil, err
	}
	at := place{root: root, mounts: map[string]string{}}
	for _, mount := range c.VolumeMounts {
		at.mounts[mount.MountPath] = r.volumes.folder(mount.Name)
	}
	variables, err := accountConfig(r.node.server, r.dir, c, r.pod, at)
	if err != nil {
		return nil, err
	}
	return newCommandLine(from.config, c, at, append(variables, "HOSTNAME="+r.pod.Name), arguments)
}

// initialize runs one init container to its end.
func (r *runner) initialize(ctx context.Context, i int, images map[string]*image) error {
	c := &r.pod.Spec.InitContainers[i]
	change := func(apply func(*containerState)) { r.reporter.change(func(s *podState) { apply(&s.init[i]) }) }
	line, err := r.line(c, images[c.Name], nil)
	var p *process
	if err == nil {
		p, err = r.node.starter.launch(line, r.logFile(c))
	}
	if err != nil {
		change(func(s *containerState) { s.reason, s.message = reasonCannot, err.Error() })
		return err
	}
	change(func(s *containerState) { s.running, s.started = true, time.Now() })
	select {
	case <-p.ended:
	case <-ctx.Done():
		p.stop(r.grace())
	}
	exit := p.exit
	change(func(s *containerState) {
		s.running, s.ended, s.exit, s.reason, s.message = false, time.Now(), exit, reasonCrashing, ""
		if exit != 0 {
			s.restarts++
		}
	})
	if exit != 0 {
		return fmt.Errorf("the init container %s has ended with code %d (log: %s)", c.Name, exit, r.logFile(c))
	}
	return nil
}

// serve keeps the main container running until the turn or the context ends.
func (r *runner) serve(ctx context.Context, turn *turn, line *commandLine) {
	for pause := firstBackOff; ; pause = min(2*pause, lastBackOff) {
		began := time.Now()
		err := r.once(ctx, turn, line)
		if ctx.Err() != nil || turn.over() {
			return
		}
		if time.Since(began) > steadyAfter {
			pause = firstBackOff
		}
		r.log.Warn("The process has ended", "error", err, "again", pause)
		r.waits(reasonCrashing, err)
		select {
		case <-ctx.Done():
			return
		case <-turn.yield:
			return
		case <-time.After(pause):
		}
	}
}

// once runs the main container until it ends, or the turn or the context does, and
// tells how it has ended.
func (r *runner) once(ctx context.Context, turn *turn, line *commandLine) error {
	main := &r.pod.Spec.Containers[0]
	p, err := r.node.starter.launch(line, r.logFile(main))
	if err != nil {
		return err
	}
	r.log.Info("Started", "process", p.command.Process.Pid, "program", line.args[0], "log", r.logFile(main))
	r.reporter.change(func(s *podState) { s.containers[0].running, s.containers[0].started = true, time.Now() })
	probing, stop := context.WithCancel(ctx)
	defer stop()
	go r.node.probe(probing, main, func(ready bool) {
		if probing.Err() == nil {
			r.reporter.change(func(s *podState) { s.ready = ready })
		}
	})
	select {
	case <-p.ended:
	case <-turn.yield:
		r.log.Info("Giving way to a newer pod")
		p.stop(r.grace())
	case <-ctx.Done():
		p.stop(r.grace() - r.linger(p, main))
	}
	exit := p.exit
	stop()
	r.reporter.change(func(s *podState) {
		c := &s.containers[0]
		s.ready, c.running, c.ended, c.exit = false, false, time.Now(), exit
		c.restarts++
	})
	return fmt.Errorf("the container %s has ended with code %d (log: %s)", main.Name, exit, r.logFile(main))
}

// linger heeds the preStop hook, and gives the time that it took. A node that ends
// itself does not wait for it.
func (r *runner) linger(p *process, c *corev1.Container) time.Duration {
	if c.Lifecycle == nil || c.Lifecycle.PreStop == nil {
		return 0
	}
	began := time.Now()
	select {
	case <-p.ended:
	case <-r.node.ending:
	case <-time.After(time.Duration(c.Lifecycle.PreStop.Sleep.Seconds) * time.Second):
	}
	return time.Since(began)
}

// grace is how long a process may take to end.
func (r *runner) grace() time.Duration {
	if seconds := r.pod.Spec.TerminationGracePeriodSeconds; seconds != nil {
		return time.Duration(*seconds) * time.Second
	}
	return corev1.DefaultTerminationGracePeriodSeconds * time.Second
}

// logFile is where a container writes to. The pods of one Deployment share it, so that
// its place stays the same.
func (r *runner) logFile(c *corev1.Container) string {
	return filepath.Join(r.node.options.Dir, "logs", r.pod.Namespace+"_"+filepath.Base(r.rival.workload)+"_"+c.Name+".log")
}

// forget removes the pod's files.
func (r *runner) forget() {
	if err := os.RemoveAll(r.dir); err != nil {
		r.log.Warn("Files of a pod are left", "error", err)
	}
}
