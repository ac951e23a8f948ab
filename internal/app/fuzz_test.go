package app

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// FuzzFlags checks, for any command line, that neither parsing nor serving panics, and
// that accepted values are within their bounds.
func FuzzFlags(f *testing.F) {
	for _, seed := range []string{
		"", "--trust-namespace=a\n--target-namespaces=a,b\n-v=5", "--readiness-probe-path=/a/b//\n--readiness-probe-port=1",
		"--readiness-probe-path=//", "--readiness-probe-path=/%", "--readiness-probe-path=/a?b#c", "--concurrency=0x10", "--metrics-port=-0",
		"--tls-cipher-suites=TLS_RSA_WITH_RC4_128_SHA\n--tls-min-version=VersionTLS12", "--tls-cipher-suites=TLS_AES_128_GCM_SHA256",
		"--leader-elect=false\n--leader-election-lease-duration=-1h", "--webhook-host=[::]", "--webhook-self-managed=a", "--\n--x", "-", "--=",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		o := &options{}
		command := &cobra.Command{}
		o.register(command)
		if command.ParseFlags(strings.Split(line, "\n")) != nil || o.validate() != nil {
			return
		}
		for _, port := range []int{o.readinessPort, o.metricsPort, o.webhookPort} {
			if port < 0 || port > 65535 {
				t.Errorf("port %d", port)
			}
		}
		if o.logLevel < 1 || o.logLevel > 5 || o.concurrency < 1 || o.concurrency > 1000 || o.trustNamespace == "" {
			t.Errorf("options %+v", o)
		}
		suites, err := cipherSuites(o.tlsCipherSuites)
		version, otherErr := tlsVersion(o.tlsMinVersion)
		if err != nil || otherErr != nil || version < tls.VersionTLS12 {
			t.Errorf("version %x, errors %v and %v", version, err, otherErr)
		}
		for _, suite := range tls.InsecureCipherSuites() {
			for _, accepted := range suites {
				if suite.ID == accepted {
					t.Errorf("%s is accepted", suite.Name)
				}
			}
		}
		readiness{}.handler(o.readinessPath).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	})
}
