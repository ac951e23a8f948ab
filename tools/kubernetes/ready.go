package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	// readyTimeout applies to one process. It is 20 times the usual duration on 2
	// idle cores, since tests start several control planes in parallel.
	readyTimeout = 2 * time.Minute
	// probeTimeout is long for the same reason. A responsive process responds in
	// milliseconds.
	probeTimeout = 10 * time.Second
	probePause   = 50 * time.Millisecond
)

// prober checks whether the processes of one control plane are ready.
type prober struct {
	client *http.Client
}

// newProber reads the CAs and the client certificates from the PKI directory. The
// TLS client selects the certificate whose CA the server accepts.
func newProber(pki string) (*prober, error) {
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	for _, name := range []string{"ca.crt", "etcd-ca.crt"} {
		text, err := os.ReadFile(filepath.Join(pki, name))
		if err != nil {
			return nil, err
		}
		config.RootCAs.AppendCertsFromPEM(text)
	}
	for _, name := range []string{"admin", "etcd-client"} {
		pair, err := tls.LoadX509KeyPair(filepath.Join(pki, name+".crt"), filepath.Join(pki, name+".key"))
		if err != nil {
			return nil, err
		}
		config.Certificates = append(config.Certificates, pair)
	}
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	return &prober{client: &http.Client{Transport: transport, Timeout: probeTimeout}}, nil
}

// probe returns an error unless all probe URLs of the process return status 200.
func (b *prober) probe(ctx context.Context, p *process) error {
	for _, url := range p.Probes {
		if err := b.get(ctx, url); err != nil {
			return err
		}
	}
	return nil
}

// get returns an error unless url returns status 200.
func (b *prober) get(ctx context.Context, url string) error {
	_, err := b.read(ctx, url)
	return err
}

// read returns the body of a response with status 200, up to 1 MiB.
func (b *prober) read(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := b.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if response.StatusCode != http.StatusOK {
		shown := strings.TrimSpace(string(body[:min(len(body), 4<<10)]))
		err = errors.Join(fmt.Errorf("GET %s: %s: %s", url, response.Status, shown), err)
	}
	return body, err
}

// await waits until the last of the started processes is ready. It fails as soon
// as one of them ends.
func (b *prober) await(ctx context.Context, started ...*process) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyTimeout, fmt.Errorf("not ready within %s", readyTimeout))
	defer cancel()
	p := started[len(started)-1]
	for {
		for _, other := range started {
			if !other.alive() {
				return &failure{name: other.Name, log: other.Log, cause: fmt.Errorf("it ended before %s was ready", p.Name)}
			}
		}
		err := b.probe(ctx, p)
		if err == nil {
			return nil
		}
		if ended := sleep(ctx, probePause); ended != nil {
			return &failure{name: p.Name, log: p.Log, cause: fmt.Errorf("%w; last probe: %w", ended, err)}
		}
	}
}
