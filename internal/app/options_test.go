package app

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"k8s.io/utils/clock"
)

// parsed returns the options of a command line, or the validation error.
func parsed(t *testing.T, args ...string) (*options, error) {
	t.Helper()
	o := &options{}
	command := &cobra.Command{}
	o.register(command)
	if err := command.ParseFlags(args); err != nil {
		return nil, err
	}
	o.certificateDirGiven = command.Flags().Changed(certificateDirFlag)
	return o, o.validate()
}

// collect returns what a function visits.
func collect[T any](visit func(func(T))) []T {
	var list []T
	visit(func(value T) { list = append(list, value) })
	return list
}

// R1: the flags and their defaults. Charts and scripts rely on all of them.
func TestFlagDefaults(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"cluster-trust-bundle-sources":   "[]",
		"cluster-trust-bundles-enabled":  "false",
		"concurrency":                    "16",
		"default-package-location":       "",
		"filter-expired-certificates":    "false",
		"filter-non-ca-certs":            "false",
		"kubeconfig":                     "",
		"leader-elect":                   "true",
		"leader-election-lease-duration": "15s",
		"leader-election-renew-deadline": "10s",
		"log-format":                     "text",
		"log-level":                      "1",
		"metrics-port":                   "9402",
		"readiness-probe-path":           "/readyz",
		"readiness-probe-port":           "6060",
		"secret-targets-by-name":         "false",
		"secret-targets-enabled":         "false",
		"target-namespaces":              "[]",
		"tls-cipher-suites":              "[]",
		"tls-min-version":                "VersionTLS12",
		"trust-namespace":                "cert-manager",
		"webhook-certificate-dir":        "/tls",
		"webhook-host":                   "0.0.0.0",
		"webhook-port":                   "6443",
		"webhook-self-managed":           "",
	}
	got := map[string]string{}
	for _, flag := range collect(Command(clock.RealClock{}).Flags().VisitAll) {
		got[flag.Name] = flag.DefValue
		if flag.Usage == "" {
			t.Errorf("--%s has no description", flag.Name)
		}
		if want := map[string]string{"log-level": "v"}[flag.Name]; flag.Shorthand != want {
			t.Errorf("--%s has the shorthand %q, want %q", flag.Name, flag.Shorthand, want)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("flags (-want +got):\n%s", diff)
	}
	if _, err := parsed(t); err != nil {
		t.Errorf("the defaults are rejected: %v", err)
	}
}

// R1: each flag sets its option.
func TestFlagValues(t *testing.T) {
	t.Parallel()
	got, err := parsed(t, "--kubeconfig=k", "--trust-namespace=n", "--default-package-location=p.json", "--concurrency=2",
		"--leader-elect=false", "--leader-election-lease-duration=9s", "--leader-election-renew-deadline=8s",
		"--readiness-probe-port=1", "--readiness-probe-path=/p", "--metrics-port=2", "--log-format=json", "-v=3",
		"--target-namespaces=a,b", "--target-namespaces=c", "--secret-targets-enabled", "--secret-targets-by-name",
		"--cluster-trust-bundles-enabled", "--cluster-trust-bundle-sources=a,b.c/d", "--filter-expired-certificates", "--filter-non-ca-certs",
		"--webhook-host=::1", "--webhook-port=3", "--webhook-certificate-dir=d", "--tls-min-version=VersionTLS13",
		"--tls-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")
	if err != nil {
		t.Fatal(err)
	}
	want := &options{
		kubeconfig: "k", trustNamespace: "n", defaultPackage: "p.json", concurrency: 2,
		leaderElect: false, leaseDuration: 9 * time.Second, renewDeadline: 8 * time.Second,
		readinessPort: 1, readinessPath: "/p", metricsPort: 2, logFormat: "json", logLevel: 3,
		targetNamespaces: []string{"a", "b", "c"}, secretTargets: true, secretsByName: true,
		trustBundles: true, trustBundleSources: []string{"a", "b.c/d"}, filterExpired: true, filterNonCA: true,
		webhookHost: "::1", webhookPort: 3, certificateDir: "d", certificateDirGiven: true, tlsMinVersion: "VersionTLS13",
		tlsCipherSuites: []string{"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(options{})); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
}

// R1: invalid values are rejected at startup, all at once and with the names of their
// flags.
func TestBadFlagsAreRefused(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		args []string
		want []string
	}{
		"no namespace":              {[]string{"--trust-namespace="}, []string{"--trust-namespace"}},
		"no name of a namespace":    {[]string{"--trust-namespace=Cert_Manager"}, []string{"--trust-namespace", "Cert_Manager"}},
		"a list of namespaces":      {[]string{"--trust-namespace=a,b"}, []string{"--trust-namespace"}},
		"a long name":               {[]string{"--trust-namespace=" + strings.Repeat("a", 64)}, []string{"--trust-namespace", "63"}},
		"no trust bundle source":    {[]string{"--cluster-trust-bundle-sources=a,B/c"}, []string{"--cluster-trust-bundle-sources", `"B/c"`}},
		"no target namespace":       {[]string{"--target-namespaces=a,,b"}, []string{"--target-namespaces", `""`}},
		"a bad target namespace":    {[]string{"--target-namespaces=a,B"}, []string{"--target-namespaces", `"B"`}},
		"no worker":                 {[]string{"--concurrency=0"}, []string{"--concurrency", "1 and 1000"}},
		"too many workers":          {[]string{"--concurrency=1001"}, []string{"--concurrency"}},
		"workers in words":          {[]string{"--concurrency=many"}, []string{"--concurrency", "many"}},
		"a yes that is none":        {[]string{"--leader-elect=yes"}, []string{"--leader-elect", "yes"}},
		"a duration without a unit": {[]string{"--leader-election-lease-duration=15"}, []string{"--leader-election-lease-duration"}},
		"a short deadline":          {[]string{"--leader-election-renew-deadline=1200ms"}, []string{"--leader-election-renew-deadline", "1.2s"}},
		"a negative deadline":       {[]string{"--leader-election-renew-deadline=-1s"}, []string{"--leader-election-renew-deadline"}},
		"a lease as short":          {[]string{"--leader-election-lease-duration=10s"}, []string{"--leader-election-lease-duration", "--leader-election-renew-deadline"}},
		"no lease":                  {[]string{"--leader-election-lease-duration=0s"}, []string{"--leader-election-lease-duration"}},
		"a negative readiness port": {[]string{"--readiness-probe-port=-1"}, []string{"--readiness-probe-port"}},
		"a large readiness port":    {[]string{"--readiness-probe-port=65536"}, []string{"--readiness-probe-port"}},
		"a large metrics port":      {[]string{"--metrics-port=65536"}, []string{"--metrics-port"}},
		"a port with an address":    {[]string{"--metrics-port=:9402"}, []string{"--metrics-port"}},
		"one port for two":          {[]string{"--metrics-port=6060"}, []string{"--metrics-port", "--readiness-probe-port"}},
		"a negative webhook port":   {[]string{"--webhook-port=-1"}, []string{"--webhook-port"}},
		"a large webhook port":      {[]string{"--webhook-port=65536"}, []string{"--webhook-port"}},
		"the port of the metrics":   {[]string{"--webhook-port=9402"}, []string{"--webhook-port", "--metrics-port"}},
		"the port of the readiness": {[]string{"--webhook-port=6060"}, []string{"--webhook-port", "--readiness-probe-port"}},
		"a host with a port":        {[]string{"--webhook-host=0.0.0.0:6443"}, []string{"--webhook-host"}},
		"a host with a blank":       {[]string{"--webhook-host=a b"}, []string{"--webhook-host"}},
		"no folder":                 {[]string{"--webhook-certificate-dir="}, []string{"--webhook-certificate-dir"}},
		"no name of a Service":      {[]string{"--webhook-self-managed=a.b"}, []string{"--webhook-self-managed", `"a.b"`}},
		"two certificates":          {[]string{"--webhook-self-managed=a", "--webhook-certificate-dir=/tls"}, []string{"--webhook-self-managed", "--webhook-certificate-dir"}},
		"TLS 1.1":                   {[]string{"--tls-min-version=VersionTLS11"}, []string{"--tls-min-version", "VersionTLS11", "VersionTLS12"}},
		"TLS in another spelling":   {[]string{"--tls-min-version=1.3"}, []string{"--tls-min-version"}},
		"an unknown suite":          {[]string{"--tls-cipher-suites=TLS_X"}, []string{"--tls-cipher-suites", "TLS_X", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"}},
		"an insecure suite":         {[]string{"--tls-cipher-suites=TLS_RSA_WITH_RC4_128_SHA"}, []string{"--tls-cipher-suites", "TLS_RSA_WITH_RC4_128_SHA", "insecure"}},
		"a bad suite among good":    {[]string{"--tls-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,"}, []string{"--tls-cipher-suites", `""`}},
		"no path":                   {[]string{"--readiness-probe-path="}, []string{"--readiness-probe-path"}},
		"a path without a slash":    {[]string{"--readiness-probe-path=readyz"}, []string{"--readiness-probe-path", "readyz"}},
		"a path with a blank":       {[]string{"--readiness-probe-path=/ready now"}, []string{"--readiness-probe-path"}},
		"a path with a brace":       {[]string{"--readiness-probe-path=/{"}, []string{"--readiness-probe-path"}},
		"another format":            {[]string{"--log-format=xml"}, []string{"--log-format", "xml", "text nor json"}},
		"a format in capitals":      {[]string{"--log-format=JSON"}, []string{"--log-format"}},
		"no level":                  {[]string{"--log-level=0"}, []string{"--log-level"}},
		"a large level":             {[]string{"-v=6"}, []string{"--log-level"}},
		"an unknown flag":           {[]string{"--verbose"}, []string{"--verbose"}},
		"several":                   {[]string{"--log-level=9", "--concurrency=0", "--log-format=x"}, []string{"--log-level", "--concurrency", "--log-format"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parsed(t, tc.args...)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, part := range tc.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not contain %q", err, part)
				}
			}
		})
	}
}

// Values at the edge of the valid range.
func TestGoodFlagsAreAccepted(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"a short deadline":               {"--leader-election-renew-deadline=1201ms", "--leader-election-lease-duration=1300ms"},
		"any deadlines without election": {"--leader-elect=false", "--leader-election-renew-deadline=0s"},
		"no ports":                       {"--readiness-probe-port=0", "--metrics-port=0"},
		"the last port":                  {"--readiness-probe-port=65535"},
		"a deep path":                    {"--readiness-probe-path=/a/b-c_d.e~f"},
		"the root as path":               {"--readiness-probe-path=/"},
		"one worker":                     {"--concurrency=1"},
		"many workers":                   {"--concurrency=1000"},
		"no webhook":                     {"--webhook-port=0", "--metrics-port=6443"},
		"a host by its name":             {"--webhook-host=localhost"},
		"all addresses":                  {"--webhook-host=::"},
		"all addresses, by default":      {"--webhook-host="},
		"TLS 1.2":                        {"--tls-min-version=VersionTLS12"},
		"a certificate of its own":       {"--webhook-self-managed=trust-manager"},
		"no version of TLS":              {"--tls-min-version="},
		"no suites":                      {"--tls-cipher-suites="},
		"a suite of TLS 1.3":             {"--tls-cipher-suites=TLS_AES_128_GCM_SHA256"},
		"level 5 in short":               {"-v5"},
		"level in full":                  {"--log-level", "5"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := parsed(t, args...); err != nil {
				t.Errorf("rejected: %v", err)
			}
		})
	}
}
