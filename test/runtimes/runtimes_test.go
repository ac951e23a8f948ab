package runtimes

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trust-manager.io/test/framework/ca"
)

// clientOf is the environment variable that makes the test binary a TLS client of
// an address.
const clientOf = "RUNTIMES_CLIENT_OF"

func TestMain(m *testing.M) {
	if address := os.Getenv(clientOf); address != "" {
		connect(address)
	}
	os.Exit(m.Run())
}

// connect exits with status 0 if the server is trusted, and otherwise with 1.
func connect(address string) {
	connection, err := (&tls.Dialer{}).DialContext(context.Background(), "tcp", address)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	_ = connection.Close()
	os.Exit(0)
}

// servers are the addresses of two servers: one with a certificate of the image's
// CA, one of the bundle's CA.
type servers struct{ image, bundle string }

// trust reports which servers a program trusts.
type trust struct{ image, bundle bool }

// handOver is one way of providing the bundle to a program.
type handOver struct {
	environment func(l layout) []string
	// mounted reports whether the bundle is mounted over the directory of the image's
	// CAs.
	mounted bool
	want    map[string]trust
}

var (
	added    = trust{image: true, bundle: true}
	replaced = trust{bundle: true}
)

// ways are the rows of the table in docs/guide/pods.md.
var ways = map[string]handOver{
	"nothing": {
		want: map[string]trust{"go": {image: true}, "openssl": {image: true}, "curl": {image: true}},
	},
	"SSL_CERT_FILE": {
		environment: func(l layout) []string { return []string{"SSL_CERT_FILE=" + l.file} },
		want:        map[string]trust{"go": added, "openssl": added, "curl": added},
	},
	"SSL_CERT_FILE and an empty SSL_CERT_DIR": {
		environment: func(l layout) []string { return []string{"SSL_CERT_FILE=" + l.file, "SSL_CERT_DIR=" + l.empty} },
		want:        map[string]trust{"go": replaced, "openssl": replaced, "curl": {image: true}},
	},
	"mounted over /etc/ssl/certs": {
		mounted: true,
		want:    map[string]trust{"go": replaced, "openssl": replaced, "curl": replaced},
	},
}

// layout contains the directories of a test.
type layout struct {
	// image is the content of the image's /etc/ssl/certs, with hash links. bundle
	// contains only the bundle, as ca-certificates.crt, whose path is file. empty is
	// empty.
	image, bundle, file, empty string
}

// P1: each way of providing a bundle adds to the CAs of the image or replaces
// them.
func TestHandOver(t *testing.T) {
	require(t)
	l, s := newLayout(t)
	for way, hand := range ways {
		for program, want := range hand.want {
			t.Run(way+"/"+program, func(t *testing.T) {
				t.Parallel()
				folder := l.image
				if hand.mounted {
					folder = l.bundle
				}
				var environment []string
				if hand.environment != nil {
					environment = hand.environment(l)
				}
				got := trust{
					image:  accepts(t, program, s.image, folder, environment),
					bundle: accepts(t, program, s.bundle, folder, environment),
				}
				if got != want {
					t.Errorf("trusts %+v, want %+v", got, want)
				}
			})
		}
	}
}

// require skips the test if a prerequisite is missing. In CI it fails instead.
func require(t *testing.T) {
	t.Helper()
	var missing []string
	for _, program := range []string{"openssl", "curl", "unshare", "mount"} {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, program)
		}
	}
	if os.Getuid() != 0 {
		missing = append(missing, "root, for a mount namespace")
	}
	if _, err := os.Stat("/etc/ssl/certs"); err != nil {
		missing = append(missing, "/etc/ssl/certs")
	}
	if _, err := os.Stat("/usr/lib/ssl/cert.pem"); err != nil {
		missing = append(missing, "the layout of Debian 12 or later")
	}
	if len(missing) == 0 {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("missing: %s", strings.Join(missing, ", "))
	}
	t.Skipf("skipped; missing: %s", strings.Join(missing, ", "))
}

// newLayout creates the directories and starts the servers.
func newLayout(t *testing.T) (layout, servers) {
	t.Helper()
	folder := t.TempDir()
	l := layout{image: filepath.Join(folder, "image"), bundle: filepath.Join(folder, "bundle"), empty: filepath.Join(folder, "empty")}
	l.file = filepath.Join(l.bundle, "ca-certificates.crt")
	image, bundle := ca.New("Image"), ca.New("Bundle")
	for path, text := range map[string]string{
		filepath.Join(l.image, "ca-certificates.crt"): image.Certificate,
		filepath.Join(l.image, "Image.pem"):           image.Certificate,
		l.file:                                        bundle.Certificate,
		filepath.Join(l.empty, ".keep"):               "",
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if output, err := exec.Command("openssl", "rehash", l.image).CombinedOutput(); err != nil {
		t.Fatalf("openssl rehash: %v: %s", err, output)
	}
	return l, servers{image: serve(t, image), bundle: serve(t, bundle)}
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

// accepts reports whether a program trusts a server, with a directory as /etc/ssl/certs.
func accepts(t *testing.T, program, address, folder string, environment []string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	arguments := map[string][]string{
		"go":      {os.Args[0]},
		"openssl": {"openssl", "s_client", "-verify_return_error", "-verify_hostname", "localhost", "-connect", address},
		"curl":    {"curl", "--silent", "--show-error", "--noproxy", "*", "--output", "/dev/null", "https://" + address},
	}[program]
	command := exec.CommandContext(ctx, "unshare", append([]string{
		"--mount", "sh", "-ec", `mount --bind "$0" /etc/ssl/certs; exec "$@"`, folder,
	}, arguments...)...)
	command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, environment...)
	if program == "go" {
		command.Env = append(command.Env, clientOf+"="+address)
	}
	output, err := command.CombinedOutput()
	if err == nil {
		return true
	}
	// Any other failure is a fault of the test.
	for _, refusal := range []string{"certificate signed by unknown authority", "unable to get local issuer certificate", "self-signed certificate", "unable to get issuer"} {
		if strings.Contains(string(output), refusal) {
			return false
		}
	}
	t.Fatalf("%s of %s: %v: %s", program, address, err, output)
	return false
}
