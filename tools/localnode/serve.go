package localnode

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// The delay before a failed container is restarted. It doubles with each failure,
// up to a limit lower than a kubelet's 5 minutes, since the user is waiting. A
// container that has run for steadyAfter starts with firstBackOff again.
const (
	firstBackOff = time.Second
	lastBackOff  = 10 * time.Second
	steadyAfter  = 30 * time.Second
)

// serve keeps the main container running until the turn or ctx ends.
func (r *runner) serve(ctx context.Context, turn *turn, line *commandLine) {
	for pause := firstBackOff; ; pause = min(2*pause, lastBackOff) {
		start := time.Now()
		err := r.once(ctx, turn, line)
		if ctx.Err() != nil || turn.over() {
			return
		}
		if time.Since(start) > steadyAfter {
			pause = firstBackOff
		}
		r.log.Warn("The process has ended", "error", err, "restartIn", pause)
		r.setWaiting(reasonCrashing, err)
		select {
		case <-ctx.Done():
			return
		case <-turn.yield:
			return
		case <-time.After(pause):
		}
	}
}

// once runs the main container until it exits or the turn or ctx ends. It returns
// an error that describes the exit.
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
		r.log.Info("Stopping in favor of a newer pod")
		p.stop(r.grace())
	case <-ctx.Done():
		p.stop(r.grace() - r.preStop(p, main))
	}
	exit := p.exit
	stop()
	r.reporter.change(func(s *podState) {
		c := &s.containers[0]
		s.ready, c.running, c.ended, c.exit = false, false, time.Now(), exit
		c.restarts++
	})
	return fmt.Errorf("container %s exited with code %d (log: %s)", main.Name, exit, r.logFile(main))
}

// preStop runs the preStop hook and returns the time it took. It returns early
// when the node itself is stopping.
func (r *runner) preStop(p *process, c *corev1.Container) time.Duration {
	if c.Lifecycle == nil || c.Lifecycle.PreStop == nil {
		return 0
	}
	start := time.Now()
	select {
	case <-p.ended:
	case <-r.node.ending:
	case <-time.After(time.Duration(c.Lifecycle.PreStop.Sleep.Seconds) * time.Second):
	}
	return time.Since(start)
}

// grace returns the pod's termination grace period.
func (r *runner) grace() time.Duration {
	if seconds := r.pod.Spec.TerminationGracePeriodSeconds; seconds != nil {
		return time.Duration(*seconds) * time.Second
	}
	return corev1.DefaultTerminationGracePeriodSeconds * time.Second
}
