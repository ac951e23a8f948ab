package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/cert-manager/approver-policy/pkg/cmd"
)

// approverPolicyCommand runs approver-policy's own command, which reads os.Args,
// handles signals itself and exits on an error. Its webhook, which validates
// CertificateRequestPolicies, listens but is not registered with the API server.
func approverPolicyCommand(ctx context.Context, args []string, out io.Writer) error {
	line := newRunning("approver-policy")
	if err := line.parse(args); err != nil {
		return err
	}
	api, err := connect(line.kubeconfig)
	if err != nil {
		return err
	}
	if err := install(ctx, api, "approver-policy", "approver-policy.yaml"); err != nil {
		return err
	}
	kubeconfig, err := asAccount(line.kubeconfig, "cert-manager-approver-policy")
	if err != nil {
		return err
	}
	defer os.Remove(kubeconfig)
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	readiness := net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0]))
	go func() {
		if awaitReadiness(ctx, "http://"+readiness+"/readyz") == nil {
			fmt.Fprintln(out, "ready")
		}
	}()
	os.Stdout = os.Stderr // for its log; out is the original one
	os.Args = []string{
		"approver-policy", "--kubeconfig=" + kubeconfig, "--leader-election-namespace=" + namespace,
		"--metrics-bind-address=0", "--readiness-probe-bind-address=" + readiness,
		"--webhook-host=127.0.0.1", "--webhook-port=" + strconv.Itoa(ports[1]),
		"--log-level=-4", // warnings, as a level of log/slog
	}
	cmd.ExecutePolicyApprover()
	return nil
}

// freePorts returns loopback ports that are currently free.
func freePorts(count int) (ports []int, err error) {
	for range count {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// awaitReadiness waits until a readiness probe succeeds.
func awaitReadiness(ctx context.Context, url string) error {
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
