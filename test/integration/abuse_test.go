package integration

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"trust-manager.io/api/trust/v1alpha1"
)

const (
	// answerLimit is how long a user may wait for the API server's response while the
	// webhook is abused; the API server itself times out after 10 s.
	answerLimit = 5 * time.Second
	// memoryLimit is how much memory the operator may use for all clients together.
	memoryLimit = 160 << 20
	// crowdSize exceeds the webhook's connection limit.
	crowdSize = 1200
)

// asks creates a Bundle in a dry run, for which the API server calls the webhook, and
// returns an error if that fails or is slow.
func (s *scene) asks() error {
	began := time.Now()
	err := api.Create(s.t.Context(), s.newBundle(inLine(newAuthority("CA"))), client.DryRunAll)
	if took := time.Since(began); err == nil && took > answerLimit {
		err = fmt.Errorf("it took %s", took)
	}
	return err
}

// review returns a request as the API server sends it.
func (s *scene) review() string {
	bundle := s.newBundle(inLine(newAuthority("CA")))
	bundle.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(v1alpha1.BundleKind))
	return reviewOf(s.t, jsonOf(s.t, bundle))
}

// R3: a thousand concurrent valid requests, each over a separate connection, are all
// answered in time.
func TestWebhookAnswersManyAtOnce(t *testing.T) {
	const many = 1000
	w := startRegisteredWebhook(t)
	s := newScene(t)
	body, caller := s.review(), w.client()
	before := residentMemory(t, w.operator)
	start := make(chan struct{})
	var group sync.WaitGroup
	took := make([]time.Duration, many)
	for i := range many {
		group.Go(func() {
			<-start
			began := time.Now()
			response, err := caller.Post(w.url(), "application/json", strings.NewReader(body))
			if err != nil {
				t.Errorf("request %d: %v", i, err)
				return
			}
			defer response.Body.Close() //nolint:errcheck // only read
			answer, err := io.ReadAll(response.Body)
			if took[i] = time.Since(began); err != nil || !bytes.Contains(answer, []byte(`"allowed":true`)) {
				t.Errorf("request %d: %s %s (%v)", i, response.Status, answer, err)
			}
		})
	}
	close(start)
	group.Wait()
	longest := took[0]
	for _, one := range took {
		longest = max(longest, one)
	}
	if longest > 10*time.Second {
		t.Errorf("one took %s", longest)
	}
	t.Logf("%d requests at once: the longest took %s; memory grew by %d MiB", many, longest, wantMemory(t, w.operator, before)>>20)
}

// R3: clients that hold more connections than the limit and send nothing, or headers or
// a body at one byte a second, or as much as possible, or garbage: none of them blocks
// the API server's requests, or uses more memory than permitted.
func TestWebhookUnderAttack(t *testing.T) {
	w := startRegisteredWebhook(t)
	s := newScene(t)
	before := residentMemory(t, w.operator)
	head := "POST " + webhookPath + " HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
	large := `{"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": {"operation": "CREATE", "object": {"metadata": {"managedFields": [`
	withBody := func(body string) string { return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(body), body) }
	for _, attack := range []struct {
		name, text string
		// slow reports whether one byte a second follows the text.
		plain, slow bool
		count       int
	}{
		{name: "connections alone", plain: true, count: crowdSize},
		{name: "handshakes that stall", plain: true, slow: true, text: "\x16\x03\x01\x40\x00\x01", count: crowdSize},
		{name: "no TLS", plain: true, text: head + "\r\n", count: 200},
		{name: "headers without end", slow: true, text: head + "A: ", count: crowdSize},
		{name: "large headers", slow: true, text: head + "A: " + strings.Repeat("a", 8000), count: 300},
		{name: "bodies without end", slow: true, text: head + "Content-Length: 4000000\r\n\r\n{", count: 300},
		{name: "chunks without end", slow: true, text: head + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", count: 300},
		{name: "nearly whole bodies", slow: true, text: head + "Content-Length: 4000000\r\n\r\n{" + strings.Repeat(" ", 3_900_000), count: 40},
		{name: "large bodies", text: withBody(large + strings.Repeat(" ", 3_900_000) + "]}}}}"), count: 40},
		{name: "many values", text: withBody(large + strings.Repeat("{},", 49_000) + "{}]}}}}"), count: 40},
		{name: "too many values", text: withBody(large + strings.Repeat("{},", 1_200_000) + "{}]}}}}"), count: 40},
		{name: "YAML", text: withBody(strings.Repeat("- ", 1_900_000)), count: 40},
		{name: "unread responses", text: strings.Repeat(withBody("{}"), 200), count: 100},
	} {
		t.Run(attack.name, func(t *testing.T) {
			s := &scene{t: t, name: s.name, made: s.made + 1000}
			stop := w.attack(attack.text, attack.plain, attack.slow, attack.count)
			defer stop()
			for range 5 {
				if err := s.asks(); err != nil {
					t.Errorf("a Bundle: %v", err)
				}
			}
		})
	}
	t.Logf("memory grew by %d MiB", wantMemory(t, w.operator, before)>>20)
	if w.operator.Ended() {
		t.Error("the operator has ended")
	}
}

// attack opens count connections, over TLS unless plain, and sends a text on each,
// followed by one byte a second if slow.
func (w *webhook) attack(text string, plain, slow bool, count int) (stop func()) {
	end := make(chan struct{})
	var group sync.WaitGroup
	var secure *tls.Config
	if !plain {
		secure = w.clientConfig(tls.VersionTLS12, 0)
		secure.ServerName = "127.0.0.1"
	}
	for range count {
		group.Go(func() {
			raw, err := net.DialTimeout("tcp", "127.0.0.1:"+w.port, time.Second)
			if err != nil {
				return
			}
			defer raw.Close() //nolint:errcheck // an attacker does not care
			go func() { <-end; _ = raw.Close() }()
			connection := raw
			if !plain {
				connection = tls.Client(raw, secure)
			}
			_, err = io.WriteString(connection, text)
			for err == nil && slow {
				select {
				case <-end:
					return
				case <-time.After(time.Second):
					_, err = io.WriteString(connection, " ")
				}
			}
			<-end
		})
	}
	time.Sleep(300 * time.Millisecond) // until they have started
	return func() {
		close(end)
		group.Wait()
	}
}

// R1: the webhook supports no TLS version before 1.2, no cipher suite that Go considers
// insecure, and no renegotiation.
func TestWebhookTLSIsStrict(t *testing.T) {
	w := startRegisteredWebhook(t)
	var weak []uint16
	for _, suite := range tls.InsecureCipherSuites() {
		weak = append(weak, suite.ID)
	}
	for name, change := range map[string]func(*tls.Config){
		"TLS 1.0":         func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 },
		"TLS 1.1":         func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 },
		"insecure suites": func(c *tls.Config) { c.MaxVersion, c.CipherSuites = tls.VersionTLS12, weak },
	} {
		config := w.clientConfig(tls.VersionTLS12, 0)
		change(config)
		dialer := &tls.Dialer{Config: config}
		if connection, err := dialer.DialContext(t.Context(), "tcp", "127.0.0.1:"+w.port); err == nil {
			_ = connection.Close()
			t.Errorf("%s: the handshake succeeds", name)
		}
	}
	again := exec.CommandContext(t.Context(), "openssl", "s_client", "-connect", "127.0.0.1:"+w.port, "-tls1_2")
	again.Stdin = strings.NewReader("R\n") // requests a renegotiation
	if output, err := again.CombinedOutput(); err == nil || !bytes.Contains(output, []byte("RENEGOTIATING")) || !bytes.Contains(output, []byte("SSL alert")) {
		t.Errorf("a second handshake is not refused (%v):\n%s", err, output)
	}
}

// R1: the ports of readiness and metrics resist abuse, too.
func TestOtherPortsUnderAttack(t *testing.T) {
	ports := map[string]string{freePort(t): "/readyz", freePort(t): "/metrics"}
	var flags []string
	for port, path := range ports {
		flags = append(flags, map[string]string{"/readyz": "--readiness-probe-port=", "/metrics": "--metrics-port="}[path]+port)
	}
	o := startOperator(t, flags...)
	for port, path := range ports {
		awaitAnswer(t, "http://127.0.0.1:"+port+path, "")
	}
	before := residentMemory(t, o)
	for port, path := range ports {
		w := &webhook{t: t, port: port}
		for _, text := range []string{"", "GET " + path + " HTTP/1.1\r\nHost: h\r\nA: ", "GET " + path + " HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"} {
			stop := w.attack(text, true, text != "", crowdSize)
			for range 3 {
				began := time.Now()
				response, err := (&http.Client{Timeout: answerLimit, Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://127.0.0.1:" + port + path)
				if err != nil || response.StatusCode != http.StatusOK {
					t.Errorf("%s, under %q: %v after %s", path, text, err, time.Since(began))
					continue
				}
				_ = response.Body.Close()
			}
			stop()
		}
	}
	t.Logf("memory grew by %d MiB", wantMemory(t, o, before)>>20)
}
