package app

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/clock"
)

// retryPeriod is how often a replica tries to get or renew the lease (R2).
const retryPeriod = time.Second

// jitter is the factor by which the election library stretches the retry
// period; the renew deadline has to be longer than that.
const jitter = 1.2

// certificateDirFlag is the one flag of which it counts whether it is given.
const certificateDirFlag = "webhook-certificate-dir"

// options are the values of the flags.
type options struct {
	// clock is no flag: it is the real one but in tests.
	clock          clock.Clock
	kubeconfig     string
	trustNamespace string
	defaultPackage string
	// targetNamespaces are the only ones that get targets; none means all.
	targetNamespaces []string
	secretTargets    bool
	secretsByName    bool
	filterExpired    bool
	filterNonCA      bool
	concurrency      int
	leaderElect      bool
	leaseDuration    time.Duration
	renewDeadline    time.Duration
	readinessPort    int
	readinessPath    string
	metricsPort      int
	webhookHost      string
	webhookPort      int
	certificateDir   string
	// certificateDirGiven says that certificateDir is not merely the default.
	certificateDirGiven bool
	// selfManaged is the name of the webhook's Service and configuration, if the
	// operator makes the certificate itself.
	selfManaged     string
	tlsMinVersion   string
	tlsCipherSuites []string
	logFormat       string
	logLevel        int
}

// register adds the flags, with their defaults (R1).
func (o *options) register(flags *pflag.FlagSet) {
	flags.StringVar(&o.kubeconfig, "kubeconfig", "",
		"path of a kubeconfig file; without it the operator uses its pod's service account")
	flags.StringVar(&o.trustNamespace, "trust-namespace", "cert-manager",
		"the one namespace in which ConfigMaps and Secrets are read as sources")
	flags.StringVar(&o.defaultPackage, "default-package-location", "",
		"path of the default CA package, a JSON file; without it no Bundle can use the default CAs")
	flags.StringSliceVar(&o.targetNamespaces, "target-namespaces", nil,
		"the only namespaces that get targets, separated by commas; the operator then needs no rights on ConfigMaps and Secrets elsewhere, the trust namespace excepted. Without it: all")
	flags.BoolVar(&o.secretTargets, "secret-targets-enabled", false,
		"let Bundles have Secrets as targets; the operator then needs to read and write Secrets in the namespaces of its targets")
	flags.BoolVar(&o.secretsByName, "secret-targets-by-name", false,
		"create Secrets in the way that RBAC can limit to their names, without trying the cheaper one first; set it where the rights on Secrets are limited to names")
	flags.BoolVar(&o.filterExpired, "filter-expired-certificates", false,
		"leave expired certificates out of all bundles, from the moment on at which they expire")
	flags.BoolVar(&o.filterNonCA, "filter-non-ca-certs", false,
		"leave certificates that are not a CA by their basic constraints out of all bundles")
	flags.IntVar(&o.concurrency, "concurrency", 16,
		"how many targets are worked on at the same time; those that take unusually long do not count")
	flags.BoolVar(&o.leaderElect, "leader-elect", true,
		"work only while holding a Lease, so that several replicas can run")
	flags.DurationVar(&o.leaseDuration, "leader-election-lease-duration", 15*time.Second,
		"how long a leader that is not heard of keeps the Lease")
	flags.DurationVar(&o.renewDeadline, "leader-election-renew-deadline", 10*time.Second,
		"how long a leader tries to renew the Lease before it gives up")
	flags.IntVar(&o.readinessPort, "readiness-probe-port", 6060,
		"port of the readiness probe; 0 for none")
	flags.StringVar(&o.readinessPath, "readiness-probe-path", "/readyz",
		"path of the readiness probe")
	flags.IntVar(&o.metricsPort, "metrics-port", 9402,
		"port on which Prometheus metrics are served at /metrics; 0 for none")
	flags.StringVar(&o.webhookHost, "webhook-host", "0.0.0.0",
		"address on which the admission webhook is served; :: for IPv6 as well")
	flags.IntVar(&o.webhookPort, "webhook-port", 6443,
		"port of the admission webhook; 0 for none")
	flags.StringVar(&o.certificateDir, certificateDirFlag, "/tls",
		"folder of the webhook's certificate, tls.crt, and its key, tls.key; a new certificate is taken without a restart. If this is set, the operator is not ready before there is one; if not, and there is none at the start, it runs without a webhook")
	flags.StringVar(&o.selfManaged, "webhook-self-managed", "",
		"name of the webhook's Service and ValidatingWebhookConfiguration, to have the operator make and renew the webhook's certificate by itself. It keeps it in the Secret of this name with -webhook-tls after it, in its own namespace, and keeps the configuration's caBundle right. Not together with --webhook-certificate-dir")
	flags.StringVar(&o.tlsMinVersion, "tls-min-version", "VersionTLS12",
		"lowest version of TLS for the webhook: VersionTLS12 or VersionTLS13")
	flags.StringSliceVar(&o.tlsCipherSuites, "tls-cipher-suites", nil,
		"cipher suites of TLS 1.2 for the webhook, separated by commas, by their names in Go and Kubernetes; those of TLS 1.3 cannot be chosen. Without it: Go's own choice")
	flags.StringVar(&o.logFormat, "log-format", "text",
		"format of the log: text or json")
	flags.IntVarP(&o.logLevel, "log-level", "v", 1,
		"how much is logged, from 1 (what an administrator needs) to 5 (everything)")
}

// validate refuses bad values, naming the flag of each.
func (o *options) validate() error {
	var faults []error
	refuse := func(flag, format string, args ...any) {
		faults = append(faults, fmt.Errorf("--%s: "+format, append([]any{flag}, args...)...))
	}
	if problems := validation.IsDNS1123Label(o.trustNamespace); len(problems) > 0 {
		refuse("trust-namespace", "%q is not the name of a namespace: %s", o.trustNamespace, problems[0])
	}
	for _, namespace := range o.targetNamespaces {
		if problems := validation.IsDNS1123Label(namespace); len(problems) > 0 {
			refuse("target-namespaces", "%q is not the name of a namespace: %s", namespace, problems[0])
		}
	}
	if o.concurrency < 1 || o.concurrency > 1000 {
		refuse("concurrency", "%d is not between 1 and 1000", o.concurrency)
	}
	if o.leaderElect {
		o.validateElection(refuse)
	}
	o.validatePorts(refuse)
	o.validateTLS(refuse)
	if !strings.HasPrefix(o.readinessPath, "/") || strings.ContainsAny(o.readinessPath, " \t{}") {
		refuse("readiness-probe-path", "%q is not a path that starts with / and has no blanks or braces", o.readinessPath)
	}
	if o.logFormat != "text" && o.logFormat != "json" {
		refuse("log-format", "%q is neither text nor json", o.logFormat)
	}
	if o.logLevel < 1 || o.logLevel > 5 {
		refuse("log-level", "%d is not between 1 and 5", o.logLevel)
	}
	return errors.Join(faults...)
}

func (o *options) validateElection(refuse func(flag, format string, args ...any)) {
	if least := time.Duration(jitter * float64(retryPeriod)); o.renewDeadline <= least {
		refuse("leader-election-renew-deadline", "%s is not longer than %s, the time between two tries", o.renewDeadline, least)
	}
	if o.leaseDuration <= o.renewDeadline {
		refuse("leader-election-lease-duration", "%s is not longer than --leader-election-renew-deadline, %s", o.leaseDuration, o.renewDeadline)
	}
	if o.leaseDuration < time.Second {
		refuse("leader-election-lease-duration", "%s is shorter than a second, which a Lease cannot hold", o.leaseDuration)
	}
}

// validatePorts refuses what is no port, and one port for two servers.
func (o *options) validatePorts(refuse func(flag, format string, args ...any)) {
	taken := map[int]string{}
	for _, one := range []struct {
		flag string
		port int
	}{
		{"readiness-probe-port", o.readinessPort},
		{"metrics-port", o.metricsPort},
		{"webhook-port", o.webhookPort},
	} {
		if one.port < 0 || one.port > 65535 {
			refuse(one.flag, "%d is not a port between 0 and 65535", one.port)
		}
		if other := taken[one.port]; other != "" && one.port != 0 {
			refuse(one.flag, "%d is also the value of --%s", one.port, other)
		}
		taken[one.port] = one.flag
	}
}

func (o *options) validateTLS(refuse func(flag, format string, args ...any)) {
	_, err := netip.ParseAddr(o.webhookHost)
	if err != nil && o.webhookHost != "" && len(validation.IsDNS1123Subdomain(o.webhookHost)) > 0 {
		refuse("webhook-host", "%q is neither an IP address nor the name of a host", o.webhookHost)
	}
	if o.certificateDir == "" {
		refuse(certificateDirFlag, "a folder is needed; for no webhook, set --webhook-port to 0")
	}
	o.validateSelfManaged(refuse)
	if _, err := tlsVersion(o.tlsMinVersion); err != nil {
		refuse("tls-min-version", "%v", err)
	}
	if _, err := cipherSuites(o.tlsCipherSuites); err != nil {
		refuse("tls-cipher-suites", "%v", err)
	}
}

func (o *options) validateSelfManaged(refuse func(flag, format string, args ...any)) {
	const flag = "webhook-self-managed"
	if o.selfManaged == "" {
		return
	}
	if problems := validation.IsDNS1123Label(o.selfManaged); len(problems) > 0 {
		refuse(flag, "%q is not the name of a Service: %s", o.selfManaged, problems[0])
	}
	if o.certificateDirGiven {
		refuse(flag, "the certificate is either made by the operator or read from --%s", certificateDirFlag)
	}
}
