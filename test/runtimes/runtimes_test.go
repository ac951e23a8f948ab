package runtimes

import (
	"bytes"
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trust-manager.io/test/framework/ca"
)

var update = flag.Bool("update", false, "write the results into the tables of the guide")

func TestMain(m *testing.M) {
	if os.Getenv(clientVariable) != "" {
		connect(os.Args[1:])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// connect is the client in Go.
func connect(addresses []string) {
	for _, address := range addresses {
		connection, err := (&tls.Dialer{}).DialContext(context.Background(), "tcp", address)
		if err != nil {
			fmt.Println(err)
			continue
		}
		_ = connection.Close()
		fmt.Println(trusted)
	}
}

// What a way of providing the bundle does. docs/guide/pods.md defines the words.
const (
	adds          = "adds"
	replaces      = "replaces"
	notRead       = "not read"
	trustsNothing = "**trusts nothing**"
)

// cell is one measurement.
type cell struct{ layout, way, program string }

// P1, P2: docs/guide/pods.md states for each program, way of providing a bundle and layout
// of an image whether the bundle is added to the CAs of the image or replaces them.
func TestGuide(t *testing.T) {
	python, folders := require(t)
	image, bundle, other := ca.New("Image"), ca.New("Bundle"), ca.New("Other")
	addresses := []string{serve(t, image), serve(t, bundle)}
	columns := programs(t, python, image)
	nothing, everyProgram, settings := waysFor(t, bundle, other)

	var mu sync.Mutex
	count, results := 0, map[cell]string{}
	t.Run("measure", func(t *testing.T) {
		for _, l := range layouts {
			files := l.mounts(t, image, folders)
			for _, w := range slices.Concat([]way{nothing}, everyProgram, settings) {
				for _, p := range columns {
					if !w.concerns(p) {
						continue
					}
					count++
					t.Run(l.name+"/"+w.title+"/"+p.name, func(t *testing.T) {
						t.Parallel() // by default, as many at a time as the machine has cores
						result := p.measure(t, l, w, files, addresses)
						mu.Lock()
						defer mu.Unlock()
						results[cell{l.name, w.title, p.name}] = result
					})
				}
			}
		}
	})
	if t.Failed() {
		return
	}
	if len(results) < count {
		t.Skip("the guide is compared only with all results, and the flag -run has selected some")
	}
	for _, l := range layouts {
		for _, p := range columns {
			if result := results[cell{l.name, nothing.title, p.name}]; result != notRead {
				t.Errorf("without the bundle, %s in the layout of %s: %s; want it to trust the CA of the image alone", p.name, l.name, result)
			}
		}
	}
	compare(t, map[string]string{
		"programs": programTable(results, everyProgram, columns),
		"settings": settingTable(results, settings),
	})
}

// serve runs a TLS server with a certificate of a CA, and returns its address.
func serve(t *testing.T, authority ca.CA) string {
	t.Helper()
	pair, err := authority.Issue(ca.ForHosts("localhost")).TLS()
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // rejected certificates are expected
	server.StartTLS()
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return "localhost:" + port
}

// inNamespace mounts files over others, by pairs of arguments up to "--", and runs a program.
const inNamespace = `while [ "$1" != -- ]; do mount --bind "$1" "$2"; shift 2; done; shift; exec "$@"`

// measure returns what a way of providing the bundle does to a program.
func (p program) measure(t *testing.T, l layout, w way, files []mount, addresses []string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	arguments := []string{"--mount", "sh", "-ec", inNamespace, "sh"}
	for _, m := range slices.Concat(files, p.mounts, w.mounts) {
		arguments = append(arguments, m.source, m.target)
	}
	var fault bytes.Buffer
	command := exec.CommandContext(ctx, "unshare", slices.Concat(arguments, []string{"--"}, p.command, addresses)...)
	// The last value of a variable counts. Those of the machine, such as proxies, do not.
	command.Env = slices.Concat([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, l.environment, p.environment, w.environment)
	command.Stderr = &fault
	out, err := command.Output()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || len(lines) != len(addresses) {
		t.Fatalf("%v: %s%s", err, out, fault.String())
	}
	trust := make([]bool, len(lines))
	for i, line := range lines {
		trust[i] = isTrusted(t, line)
	}
	switch image, bundle := trust[0], trust[1]; {
	case image && bundle:
		return adds
	case bundle:
		return replaces
	case image:
		return notRead
	default:
		return trustsNothing
	}
}

// trusted is the line of a client that trusts a server.
const trusted = "trusted"

// refusals are the errors of clients that do not trust a server.
var refusals = []string{
	"certificate signed by unknown authority",      // Go
	"unable to get local issuer certificate",       // OpenSSL
	"unable to verify the first certificate",       // Node.js
	"unable to find valid certification path",      // Java
	"the trustAnchors parameter must be non-empty", // Java without any CA
	"problem accessing trust store",                // Java with a file that is no key store
}

// isTrusted interprets a line of a client. A failure other than an untrusted certificate
// proves nothing.
func isTrusted(t *testing.T, line string) bool {
	t.Helper()
	if line == trusted {
		return true
	}
	for _, refusal := range refusals {
		if strings.Contains(line, refusal) {
			return false
		}
	}
	t.Fatalf("neither trusted nor refused: %s", line)
	return false
}
