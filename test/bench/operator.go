package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"trust-manager.io/test/framework/port"
	"trust-manager.io/test/framework/rig"
)

// operator is a running operator.
type operator struct {
	process *rig.Operator
	// started and ready are the times at which it was started and became ready.
	started, ready time.Time
	// probe and metrics are the URLs of its readiness probe and of its metrics.
	probe, metrics string
}

// startOperator starts an operator and waits until it is ready.
func (s *stage) startOperator(ctx context.Context) error {
	ports, err := port.Free("127.0.0.1", 2)
	if err != nil {
		return err
	}
	o := &operator{
		probe:   fmt.Sprintf("http://127.0.0.1:%d/readyz", ports[0]),
		metrics: fmt.Sprintf("http://127.0.0.1:%d/metrics", ports[1]),
		started: time.Now(),
	}
	o.process, err = s.rig.StartOperator("--log-level=1", "--default-package-location", s.packagePath, "--cluster-trust-bundles-enabled",
		"--readiness-probe-port", strconv.Itoa(ports[0]), "--metrics-port", strconv.Itoa(ports[1]))
	if err != nil {
		return err
	}
	s.operator = o
	return o.awaitReady(ctx)
}

func (o *operator) awaitReady(ctx context.Context) error {
	for deadline := time.Now().Add(time.Minute); ; {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, o.probe, nil)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				o.ready = time.Now()
				return nil
			}
		}
		if o.process.Ended() || ctx.Err() != nil || time.Now().After(deadline) {
			return errors.New("the operator did not become ready\n" + o.tail())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// tail returns the end of the operator's log.
func (o *operator) tail() string {
	const most = 4000
	text := o.process.Log()
	return "the end of the operator's log:\n" + text[max(0, len(text)-most):]
}

// writes returns the number of write requests for targets.
func (o *operator) writes(ctx context.Context) (float64, error) {
	return o.metric(ctx, "trust_manager_target_writes_total")
}

// liveHeap returns the live heap, in bytes, after the operator's last garbage
// collection. Each request for metrics allocates some memory, so it keeps
// requesting them until two collections have run.
func (o *operator) liveHeap(ctx context.Context) (float64, error) {
	const cycles, live = "go_gc_cycles_total_gc_cycles_total", "go_gc_heap_live_bytes"
	first, err := o.metric(ctx, cycles)
	if err != nil {
		return 0, err
	}
	for deadline := time.Now().Add(5 * time.Minute); ; {
		now, err := o.metric(ctx, cycles)
		if err != nil || now >= first+2 {
			bytes, liveErr := o.metric(ctx, live)
			return bytes, errors.Join(err, liveErr)
		}
		if time.Now().After(deadline) {
			return 0, errors.New("timed out waiting for a garbage collection of the operator")
		}
	}
}

// metric returns the sum of all series of a metric.
func (o *operator) metric(ctx context.Context, name string) (float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, o.metrics, nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	return sumOf(string(text), name)
}

// sumOf returns the sum of the series of a metric in Prometheus' text format. It
// returns 0 for a metric without series.
func sumOf(text, name string) (sum float64, err error) {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndexByte(rest, ' '):]), 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		sum += value
	}
	return sum, nil
}
