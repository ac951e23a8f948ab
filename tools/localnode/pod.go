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

// run prepares the pod, waits for its turn, and keeps its process running. It
// retries whatever fails.
func (r *runner) run(ctx context.Context) {
	if err := refuse(r.pod); err != nil {
		r.setWaiting(reasonRefused, err)
		r.log.Error("The pod is not supported", "error", err)
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
	go r.volumes.keep(kept, func(err error) { r.log.Warn("Failed to update a volume", "error", err) })
	for ctx.Err() == nil {
		r.setWaiting(reasonTurn, errors.New("another pod of the same Deployment is running on this machine"))
		turn, err := r.node.turns.take(ctx, r.rival)
		if err != nil {
			return
		}
		r.serve(ctx, turn, line)
		r.node.turns.release(turn)
	}
}

// retry calls attempt until it succeeds or ctx ends, with exponential backoff,
// and reports whether it has succeeded.
func (r *runner) retry(ctx context.Context, attempt func() error) bool {
	for pause := firstBackOff; ; pause = min(2*pause, lastBackOff) {
		err := attempt()
		if err == nil {
			return true
		}
		if ctx.Err() == nil {
			r.log.Warn("Failed to prepare the pod, retrying", "error", err)
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
	}
}

// setWaiting sets the state of the pod's container to waiting.
func (r *runner) setWaiting(reason string, err error) {
	r.reporter.change(func(s *podState) {
		s.ready = false
		for i := range s.containers {
			s.containers[i].running, s.containers[i].reason, s.containers[i].message = false, reason, err.Error()
		}
	})
}

// prepare finds the images, writes the volumes and runs the init containers. It
// returns the command line of the main container.
func (r *runner) prepare(ctx context.Context, main *corev1.Container) (*commandLine, error) {
	images := map[string]*image{}
	for i, c := range slices.Concat(r.pod.Spec.InitContainers, r.pod.Spec.Containers) {
		img, err := findImage(r.node.options.Images, c.Image)
		if err != nil {
			r.reporter.change(func(s *podState) { s.at(i).reason, s.at(i).message = reasonImage, err.Error() })
			return nil, err
		}
		images[c.Name] = img
	}
	if err := r.volumes.refresh(ctx); err != nil {
		r.setWaiting(reasonCreating, err)
		return nil, err
	}
	for i := range r.pod.Spec.InitContainers {
		if err := r.initialize(ctx, i, images); err != nil {
			return nil, err
		}
	}
	line, err := r.line(main, images[main.Name], r.node.options.Arguments)
	if err != nil {
		r.setWaiting(reasonRefused, err)
	}
	return line, err
}

// line unpacks the image of a container and returns its command line.
func (r *runner) line(c *corev1.Container, img *image, arguments []string) (*commandLine, error) {
	root, err := img.unpack(filepath.Join(r.node.options.Dir, "images"))
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
	return newCommandLine(img.config, c, at, append(variables, "HOSTNAME="+r.pod.Name), arguments)
}

// initialize runs one init container and waits for its end.
func (r *runner) initialize(ctx context.Context, i int, images map[string]*image) error {
	c := &r.pod.Spec.InitContainers[i]
	change := func(apply func(*containerState)) { r.reporter.change(func(s *podState) { apply(&s.init[i]) }) }
	line, err := r.line(c, images[c.Name], nil)
	var p *process
	if err == nil {
		p, err = r.node.starter.launch(line, r.logFile(c))
	}
	if err != nil {
		change(func(s *containerState) { s.reason, s.message = reasonStart, err.Error() })
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
		return fmt.Errorf("init container %s exited with code %d (log: %s)", c.Name, exit, r.logFile(c))
	}
	return nil
}

// logFile returns the log file of a container. The pods of one Deployment share
// it, so that its path does not change.
func (r *runner) logFile(c *corev1.Container) string {
	return filepath.Join(r.node.options.Dir, "logs", r.pod.Namespace+"_"+filepath.Base(r.rival.workload)+"_"+c.Name+".log")
}

// forget removes the pod's files.
func (r *runner) forget() {
	if err := os.RemoveAll(r.dir); err != nil {
		r.log.Warn("Failed to remove the pod's files", "error", err)
	}
}
