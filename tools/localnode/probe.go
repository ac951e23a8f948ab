package localnode

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// eagerPeriod is the maximum period of a readiness probe until it succeeds.
const eagerPeriod = time.Second

// probe calls report with each change of a container's readiness until ctx ends.
// A container without a probe is ready immediately.
func (n *Node) probe(ctx context.Context, c *corev1.Container, report func(ready bool)) {
	probe := c.ReadinessProbe
	if probe == nil {
		report(true)
		return
	}
	wait := time.Duration(probe.InitialDelaySeconds) * time.Second
	period := time.Duration(max(probe.PeriodSeconds, 1)) * time.Second
	ready, failures, successes := false, int32(0), int32(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		if n.succeeds(ctx, probe, c) {
			failures, successes = 0, successes+1
		} else {
			failures, successes = failures+1, 0
		}
		now := ready
		if successes >= max(probe.SuccessThreshold, 1) {
			now = true
		} else if failures >= max(probe.FailureThreshold, 1) {
			now = false
		}
		if now != ready {
			ready = now
			report(ready)
		}
		if wait = period; !ready {
			wait = min(period, eagerPeriod)
		}
	}
}

// succeeds runs a probe once and reports whether it succeeds.
func (n *Node) succeeds(ctx context.Context, probe *corev1.Probe, c *corev1.Container) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(max(probe.TimeoutSeconds, 1))*time.Second)
	defer cancel()
	host := probe.HTTPGet.Host
	if host == "" {
		host = n.address
	}
	scheme := strings.ToLower(string(probe.HTTPGet.Scheme))
	if scheme == "" {
		scheme = "http"
	}
	address := net.JoinHostPort(host, portOf(c, probe.HTTPGet.Port))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s://%s/%s", scheme, address, strings.TrimPrefix(probe.HTTPGet.Path, "/")), nil)
	if err != nil {
		return false
	}
	for _, header := range probe.HTTPGet.HTTPHeaders {
		request.Header.Add(header.Name, header.Value)
	}
	response, err := n.prober.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close() // the body is not read
	return response.StatusCode >= http.StatusOK && response.StatusCode < http.StatusBadRequest
}

// portOf returns the number of a port that may be given by name.
func portOf(c *corev1.Container, port intstr.IntOrString) string {
	for _, named := range c.Ports {
		if port.Type == intstr.String && named.Name == port.StrVal {
			return fmt.Sprint(named.ContainerPort)
		}
	}
	return port.String()
}
