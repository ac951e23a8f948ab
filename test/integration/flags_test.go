package integration

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"trust-manager.io/test/framework/poll"
	"trust-manager.io/test/framework/port"
)

// R1: an invalid value fails the start with exit code 1 and an error that names the
// flag.
func TestBadFlagsAreRefused(t *testing.T) {
	for _, flags := range [][]string{
		{"--trust-namespace", ""},
		{"--trust-namespace", "Not_A_Name"},
		{"--concurrency", "0"},
		{"--concurrency", "-1"},
		{"--concurrency", "many"},
		{"--leader-elect=perhaps"},
		{"--leader-election-lease-duration", "15"},
		{"--leader-election-lease-duration", "9s"},
		{"--leader-election-renew-deadline", "0s"},
		{"--leader-election-renew-deadline", "1s"},
		{"--readiness-probe-port", "65536"},
		{"--readiness-probe-port", "-1"},
		{"--readiness-probe-path", "readyz"},
		{"--metrics-port", "http"},
		{"--metrics-port", "70000"},
		{"--metrics-port", "6060"},
		{"--webhook-port", "70000"},
		{"--webhook-port", "9402"},
		{"--webhook-host", "0.0.0.0:6443"},
		{"--webhook-certificate-dir", ""},
		{"--webhook-self-managed", "a.b"},
		{"--tls-min-version", "VersionTLS11"},
		{"--tls-cipher-suites", "TLS_RSA_WITH_RC4_128_SHA"},
		{"--log-format", "xml"},
		{"--log-level", "0"},
		{"--log-level", "6"},
		{"--kubeconfig", "/does/not/exist"},
		{"--kubeconfig", "/dev/null"},
		{"--no-such-flag", "1"},
	} {
		t.Run(strings.Join(flags, " "), func(t *testing.T) {
			t.Parallel()
			name, _, _ := strings.Cut(flags[0], "=")
			wantRefusedStart(t, name, flags...)
		})
	}
	t.Run("without --kubeconfig outside of a cluster", func(t *testing.T) {
		t.Parallel()
		wantRefusedStart(t, "--kubeconfig")
	})
	t.Run("an argument", func(t *testing.T) {
		t.Parallel()
		wantRefusedStart(t, "argument", "argument")
	})
}

// wantRefusedStart checks that the operator does not start, and logs an error that
// names the flag. It returns the log.
func wantRefusedStart(t *testing.T, named string, flags ...string) (log string) {
	t.Helper()
	code, log, err := env.RunOperator(flags...)
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	lines := strings.Split(strings.TrimSpace(log), "\n")
	if code != 1 || !strings.Contains(lines[len(lines)-1], named) {
		t.Errorf("exit code %d, and it said:\n%s\nwant exit code 1 and %q in the last line", code, log, named)
	}
	return log
}

// R1: the readiness probe and the metrics are served at the addresses of the flags,
// and the log has the configured format.
func TestProbeMetricsAndLog(t *testing.T) {
	readiness, metrics := freePort(t), freePort(t)
	o := startOperator(t, "--readiness-probe-port", readiness, "--readiness-probe-path", "/healthy",
		"--metrics-port", metrics, "--log-format", "json")
	awaitAnswer(t, "http://127.0.0.1:"+readiness+"/healthy", "")
	awaitAnswer(t, "http://127.0.0.1:"+metrics+"/metrics", "workqueue_adds_total")
	stop(t, o)
	for line := range strings.Lines(o.Log()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("a line of the log is not JSON: %v: %s", err, line)
		}
	}
}

// awaitAnswer waits until a URL returns status 200 and a body that contains a text.
func awaitAnswer(t *testing.T, url, text string) {
	t.Helper()
	poll.Eventually(t, "an answer from "+url, func() error {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close() //nolint:errcheck // only read
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return err
		}
		if response.StatusCode != http.StatusOK || !strings.Contains(string(body), text) {
			return fmt.Errorf("%s, %d bytes; want 200 and %q", response.Status, len(body), text)
		}
		return nil
	})
}

// freePort returns a TCP port of 127.0.0.1 on which nothing listens.
func freePort(t *testing.T) string {
	t.Helper()
	ports, err := port.Free("127.0.0.1", 1)
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(ports[0])
}

// R4: on SIGTERM the operator finishes its pending writes, and exits with code 0
// within seconds.
func TestStopLetsWritesEnd(t *testing.T) {
	s := newScene(t)
	o := startOperator(t)
	slow, quick := s.faultyNamespaces(2), s.namespaces(2)
	ca, next := newAuthority("CA"), newAuthority("Next")
	source := s.source(ca)
	bundle := s.bundle(from(source))
	awaitTargets(t, bundle, append(slow, quick...), ca)
	env.Admission.Hang(slow...)
	fill(t, source, next)
	awaitTargets(t, bundle, quick, next)
	poll.Eventually(t, "the writes to hang", func() error {
		if env.Admission.Waiting() < len(slow) {
			return errNotYet
		}
		return nil
	})
	time.AfterFunc(time.Second, func() { env.Admission.Admit(slow...) })
	began := time.Now()
	stop(t, o)
	if took := time.Since(began); took < 900*time.Millisecond || took > 5*time.Second {
		t.Errorf("the stop took %s, want it to wait for the writes, which took 1 s, and no longer", took)
	}
	for _, namespace := range slow {
		if _, err := (target{bundle: bundle, namespace: namespace, certificates: []authority{next}}).look(t); err != nil {
			t.Errorf("a write that was under way did not end well: %v", err)
		}
	}
}
