package app

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/clock"

	"trust-manager.io/internal/source"
)

// retryPeriod is the interval at which a replica tries to acquire or renew the Lease
// (R2).
const retryPeriod = time.Second

// jitter is the factor by which client-go's leader election extends the retry
// period. The renew deadline must exceed the product.
const jitter = 1.2

// certificateDirFlag is the only flag for which the operator distinguishes a default
// from an explicit value.
const certificateDirFlag = "webhook-certificate-dir"

// options are the values of the flags.
type options struct {
	// clock is not a flag. It is the real clock except in tests.
	clock          clock.Clock
	kubeconfig     string
	trustNamespace string
	defaultPackage string
	// targetNamespaces are the only namespaces with targets; empty means all.
	targetNamespaces []string
	secretTargets    bool
	secretsByName    bool
	// trustBundles enables ClusterTrustBundle targets, and sources may read the
	// ClusterTrustBundles of trustBundleSources.
	trustBundles       bool
	trustBundleSources []string
	filterExpired      bool
	filterNonCA        bool
	concurrency        int
	leaderElect        bool
	leaseDuration      time.Duration
	renewDeadline      time.Duration
	readinessPort      int
	readinessPath      string
	metricsPort        int
	webhookHost        string
	webhookPort        int
	certificateDir     string
	// certificateDirGiven is true if certificateDir is set explicitly.
	certificateDirGiven bool
	// selfManaged is the name of the webhook's Service and configuration if the
	// operator issues the certificate itself, and otherwise empty.
	selfManaged     string
	tlsMinVersion   string
	tlsCipherSuites []string
	logFormat       string
	logLevel        int
}

// register adds the flags to a command, with their defaults (R1).
func (o *options) register(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&o.kubeconfig, "kubeconfig", "",
		"path to a kubeconfig file; if unset, the operator uses the service account of its pod")
	flags.StringVar(&o.trustNamespace, "trust-namespace", "cert-manager",
		"the only namespace in which ConfigMaps and Secrets are read as sources")
	flags.StringVar(&o.defaultPackage, "default-package-location", "",
		"path to the default CA package, a JSON file; if unset, Bundles cannot use the default CAs")
	flags.StringSliceVar(&o.targetNamespaces, "target-namespaces", nil,
		"comma-separated list of the only namespaces that get targets; the operator then needs no permissions on ConfigMaps and Secrets in other namespaces, except the trust namespace. If unset: all namespaces")
	flags.BoolVar(&o.secretTargets, "secret-targets-enabled", false,
		"allow Bundles to have Secret targets; the operator then needs permission to read and write Secrets in the namespaces of its targets")
	flags.BoolVar(&o.secretsByName, "secret-targets-by-name", false,
		"always create Secrets with the request that RBAC can restrict by name, without trying the cheaper one first; set it if the operator's permissions on Secrets are restricted by name")
	flags.BoolVar(&o.trustBundles, "cluster-trust-bundles-enabled", false,
		"allow Bundles to have ClusterTrustBundle targets; the operator then needs permission to write ClusterTrustBundles, and to attest for the signers of Bundles that have one. The API server may serve ClusterTrustBundles later, or not at all")
	flags.StringSliceVar(&o.trustBundleSources, source.TrustBundleFlag, nil,
		"comma-separated list of the ClusterTrustBundles that Bundles may read: names, and signers such as example.com/my-signer or example.com/*. The right to write one of them is the power to decide what Bundles with such a source trust. If unset: none")
	flags.BoolVar(&o.filterExpired, "filter-expired-certificates", false,
		"drop certificates from all bundles as soon as they expire; spec.filters.expired of a Bundle takes precedence")
	flags.BoolVar(&o.filterNonCA, "filter-non-ca-certs", false,
		"drop certificates that are not CA certificates according to their basic constraints from all bundles; spec.filters.notCA of a Bundle takes precedence")
	flags.IntVar(&o.concurrency, "concurrency", 16,
		"maximum number of targets to reconcile at the same time, excluding targets that are slow to respond")
	flags.BoolVar(&o.leaderElect, "leader-elect", true,
		"use a Lease for leader election, so that several replicas can run")
	flags.DurationVar(&o.leaseDuration, "leader-election-lease-duration", 15*time.Second,
		"how long other replicas wait before they take over the Lease of a leader that does not renew it")
	flags.DurationVar(&o.renewDeadline, "leader-election-renew-deadline", 10*time.Second,
		"how long the leader tries to renew the Lease before it gives up leadership")
	flags.IntVar(&o.readinessPort, "readiness-probe-port", 6060,
		"port of the readiness probe; 0 disables it")
	flags.StringVar(&o.readinessPath, "readiness-probe-path", "/readyz",
		"path of the readiness probe")
	flags.IntVar(&o.metricsPort, "metrics-port", 9402,
		"port of the Prometheus metrics, served at /metrics; 0 disables them")
	flags.StringVar(&o.webhookHost, "webhook-host", "0.0.0.0",
		"address that the admission webhook listens on; :: includes IPv6")
	flags.IntVar(&o.webhookPort, "webhook-port", 6443,
		"port of the admission webhook; 0 disables it")
	flags.StringVar(&o.certificateDir, certificateDirFlag, "/tls",
		"directory of the webhook's certificate, tls.crt, and its private key, tls.key; a new certificate is loaded without a restart. If this flag is set, the operator is not ready until the certificate exists. If it is not set and the default directory has no certificate at startup, the operator runs without the webhook")
	flags.StringVar(&o.selfManaged, "webhook-self-managed", "",
		"name of the webhook's Service and ValidatingWebhookConfiguration; if set, the operator issues and renews the webhook's certificate itself. It stores the certificate in its own namespace, in a Secret with this name and the suffix -webhook-tls, and keeps the caBundle of the configuration in sync. Cannot be combined with --webhook-certificate-dir")
	flags.StringVar(&o.tlsMinVersion, "tls-min-version", "VersionTLS12",
		"minimum TLS version of the webhook: VersionTLS12 or VersionTLS13")
	flags.StringSliceVar(&o.tlsCipherSuites, "tls-cipher-suites", nil,
		"comma-separated list of TLS 1.2 cipher suites of the webhook, by their Go and Kubernetes names; TLS 1.3 cipher suites are not configurable. If unset: Go's defaults")
	flags.StringVar(&o.logFormat, "log-format", "text",
		"log format: text or json")
	flags.IntVarP(&o.logLevel, "log-level", "v", 1,
		"log verbosity, from 1 (what an administrator needs) to 5 (everything)")
}

// validate returns an error for each invalid value, with the name of its flag.
func (o *options) validate() error {
	var errs []error
	reject := func(flag, format string, args ...any) {
		errs = append(errs, fmt.Errorf("--%s: "+format, append([]any{flag}, args...)...))
	}
	if problems := validation.IsDNS1123Label(o.trustNamespace); len(problems) > 0 {
		reject("trust-namespace", "%q is not a valid namespace name: %s", o.trustNamespace, problems[0])
	}
	for _, namespace := range o.targetNamespaces {
		if problems := validation.IsDNS1123Label(namespace); len(problems) > 0 {
			reject("target-namespaces", "%q is not a valid namespace name: %s", namespace, problems[0])
		}
	}
	if _, err := source.AllowTrustBundles(o.trustBundleSources); err != nil {
		reject(source.TrustBundleFlag, "%v", err)
	}
	if o.concurrency < 1 || o.concurrency > 1000 {
		reject("concurrency", "%d is not between 1 and 1000", o.concurrency)
	}
	if o.leaderElect {
		o.validateElection(reject)
	}
	o.validatePorts(reject)
	o.validateTLS(reject)
	if !strings.HasPrefix(o.readinessPath, "/") || strings.ContainsAny(o.readinessPath, " \t{}") {
		reject("readiness-probe-path", "%q is not a path that starts with / and has no spaces, tabs or braces", o.readinessPath)
	}
	if o.logFormat != "text" && o.logFormat != "json" {
		reject("log-format", "%q is neither text nor json", o.logFormat)
	}
	if o.logLevel < 1 || o.logLevel > 5 {
		reject("log-level", "%d is not between 1 and 5", o.logLevel)
	}
	return errors.Join(errs...)
}

func (o *options) validateElection(reject func(flag, format string, args ...any)) {
	if minimum := time.Duration(jitter * float64(retryPeriod)); o.renewDeadline <= minimum {
		reject("leader-election-renew-deadline", "%s is not longer than %s, the interval between two attempts to renew the Lease", o.renewDeadline, minimum)
	}
	if o.leaseDuration <= o.renewDeadline {
		reject("leader-election-lease-duration", "%s is not longer than --leader-election-renew-deadline, %s", o.leaseDuration, o.renewDeadline)
	}
	if o.leaseDuration < time.Second {
		reject("leader-election-lease-duration", "%s is shorter than 1s, the resolution of a Lease", o.leaseDuration)
	}
}

// validatePorts rejects invalid ports and a port that two servers share.
func (o *options) validatePorts(reject func(flag, format string, args ...any)) {
	flagOf := map[int]string{}
	for _, server := range []struct {
		flag string
		port int
	}{
		{"readiness-probe-port", o.readinessPort},
		{"metrics-port", o.metricsPort},
		{"webhook-port", o.webhookPort},
	} {
		if server.port < 0 || server.port > 65535 {
			reject(server.flag, "%d is not a port between 0 and 65535", server.port)
		}
		if other := flagOf[server.port]; other != "" && server.port != 0 {
			reject(server.flag, "%d is also the value of --%s", server.port, other)
		}
		flagOf[server.port] = server.flag
	}
}

func (o *options) validateTLS(reject func(flag, format string, args ...any)) {
	_, err := netip.ParseAddr(o.webhookHost)
	if err != nil && o.webhookHost != "" && len(validation.IsDNS1123Subdomain(o.webhookHost)) > 0 {
		reject("webhook-host", "%q is neither an IP address nor a host name", o.webhookHost)
	}
	if o.certificateDir == "" {
		reject(certificateDirFlag, "a directory is required; to disable the webhook, set --webhook-port=0")
	}
	o.validateSelfManaged(reject)
	if _, err := tlsVersion(o.tlsMinVersion); err != nil {
		reject("tls-min-version", "%v", err)
	}
	if _, err := cipherSuites(o.tlsCipherSuites); err != nil {
		reject("tls-cipher-suites", "%v", err)
	}
}

func (o *options) validateSelfManaged(reject func(flag, format string, args ...any)) {
	const flag = "webhook-self-managed"
	if o.selfManaged == "" {
		return
	}
	if problems := validation.IsDNS1123Label(o.selfManaged); len(problems) > 0 {
		reject(flag, "%q is not a valid Service name: %s", o.selfManaged, problems[0])
	}
	if o.certificateDirGiven {
		reject(flag, "cannot be combined with --%s: the operator either issues the certificate or reads it from that directory", certificateDirFlag)
	}
}
