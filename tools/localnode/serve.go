package localnode

import (
	"context"
	"fmt"
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
