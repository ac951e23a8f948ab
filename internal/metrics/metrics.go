package metrics

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"

	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/ledger"
	"trust-manager.io/internal/target"
)

// prefix is that of the names of all metrics.
const prefix = "trust_manager_"

// Metrics record the operator's work. They are safe for concurrent use.
type Metrics struct {
	build  *prometheus.HistogramVec
	write  *prometheus.HistogramVec
	writes *prometheus.CounterVec
}

// New returns the metrics after registering them and the gauges of the ledger.
func New(registerer prometheus.Registerer, accounts *ledger.Ledger, clock clock.PassiveClock) (*Metrics, error) {
	m := &Metrics{
		build: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    prefix + "bundle_build_duration_seconds",
			Help:    "How long it took to read the sources of a Bundle and to build and encode it, by result (success, invalid, error).",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9),
		}, []string{"result"}),
		write: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    prefix + "target_write_duration_seconds",
			Help:    "How long a write of a target took, by verb (create, replace, patch, apply, delete).",
			Buckets: prometheus.ExponentialBuckets(0.002, 2, 13),
		}, []string{"verb"}),
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "target_writes_total",
			Help: "Writes of targets, by verb (create, replace, patch, apply, delete) and result (success, conflict, refused, timeout, error).",
		}, []string{"verb", "result"}),
	}
	return m, errors.Join(
		registerer.Register(m.build),
		registerer.Register(m.write),
		registerer.Register(m.writes),
		registerer.Register(newBundleMetrics(accounts, clock)),
	)
}

// Results of a build.
const (
	BuildSuccess = "success"
	BuildInvalid = "invalid"
	BuildError   = "error"
)

// ObserveBuild records one build of a bundle.
func (m *Metrics) ObserveBuild(took time.Duration, result string) {
	m.build.WithLabelValues(result).Observe(took.Seconds())
}

// ObserveWrite records one write of a target.
func (m *Metrics) ObserveWrite(verb target.Verb, took time.Duration, err error) {
	m.write.WithLabelValues(string(verb)).Observe(took.Seconds())
	m.writes.WithLabelValues(string(verb), resultOf(err)).Inc()
}

// resultOf returns the class of the outcome of a write.
func resultOf(err error) string {
	switch {
	case err == nil:
		return "success"
	case apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err):
		return "conflict"
	case apierrors.IsForbidden(err) || apierrors.IsInvalid(err):
		return "refused"
	case errors.Is(err, context.DeadlineExceeded) || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err):
		return "timeout"
	}
	return "error"
}

// bundleMetrics are gauges for each Bundle. They are read from the ledger at each scrape,
// so neither a Bundle that is gone nor a replica that does not lead has series.
type bundleMetrics struct {
	accounts *ledger.Ledger
	gauges   []bundleGauge
}

// bundleGauge is one gauge and how to read it; ok is false if a Bundle has no such
// value.
type bundleGauge struct {
	description *prometheus.Desc
	read        func(ledger.Summary) (value float64, ok bool)
}

// bundleLabels are the labels of all gauges: the name of a Bundle, and its API kind.
var bundleLabels = []string{"bundle", "kind"}

func newBundleMetrics(accounts *ledger.Ledger, clock clock.PassiveClock) *bundleMetrics {
	gauge := func(name, help string, read func(ledger.Summary) (float64, bool)) bundleGauge {
		return bundleGauge{prometheus.NewDesc(prefix+"bundle_"+name, help, bundleLabels, nil), read}
	}
	expiring := func(days int) bundleGauge {
		description := prometheus.NewDesc(prefix+"bundle_expiring_certificates",
			"Certificates of the bundle that have expired or expire within a time: 7d, 30d or 90d.",
			bundleLabels, prometheus.Labels{"within": fmt.Sprintf("%dd", days)})
		return bundleGauge{description, func(s ledger.Summary) (float64, bool) {
			return float64(s.Expiry.Within(time.Duration(days)*24*time.Hour, clock.Now())), s.Built
		}}
	}
	count := func(name, help string, read func(ledger.Summary) int) bundleGauge {
		return gauge(name, help, func(s ledger.Summary) (float64, bool) { return float64(read(s)), s.Built })
	}
	return &bundleMetrics{accounts, []bundleGauge{
		count("certificates", "Certificates in the bundle that was built last.", func(s ledger.Summary) int { return s.Certificates }),
		count("certificates_retained", "Certificates in it that have left every source, by spec.rotation.", func(s ledger.Summary) int { return s.Retained }),
		count("sources_missing", "Missing sources that do not hold up the bundle, by spec.rotation.", func(s ledger.Summary) int { return s.Missing }),
		count("targets_desired", "Targets that the Bundle asks for.", func(s ledger.Summary) int { return s.Wanted }),
		count("targets_synced", "Targets that hold the current bundle.", func(s ledger.Summary) int { return s.Synced }),
		count("targets_failed", "Targets that could not be synced.", func(s ledger.Summary) int { return s.Failed }),
		gauge("earliest_not_after_seconds", "When the first certificate of the bundle expires, in seconds since 1970.",
			func(s ledger.Summary) (float64, bool) {
				return float64(s.EarliestNotAfter.Unix()), s.Built && !s.EarliestNotAfter.IsZero()
			}),
		expiring(7), expiring(30), expiring(90),
		gauge("synced", "Whether every target holds the current bundle and the sources are good: 1 or 0.",
			func(s ledger.Summary) (float64, bool) {
				if s.Attempt.Reason == "" && s.Built && s.Synced == s.Wanted && s.Failed == 0 {
					return 1, true
				}
				return 0, s.Attempt.SupersededBy == bundle.ID{}
			}),
	}}
}

// Describe implements prometheus.Collector.
func (b *bundleMetrics) Describe(descriptions chan<- *prometheus.Desc) {
	for _, gauge := range b.gauges {
		descriptions <- gauge.description
	}
}

// Collect implements prometheus.Collector.
func (b *bundleMetrics) Collect(metrics chan<- prometheus.Metric) {
	for id, summary := range b.accounts.Summaries() {
		for _, gauge := range b.gauges {
			if value, ok := gauge.read(summary); ok {
				metrics <- prometheus.MustNewConstMetric(gauge.description, prometheus.GaugeValue, value, id.Name, id.Kind.String())
			}
		}
	}
}
