package serving

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// maxWait bounds the time between two reconciliations, because timers stop while a
	// machine sleeps, and clocks are adjusted.
	maxWait = time.Hour
	// A failed reconciliation is retried with exponential backoff from minBackoff to
	// maxBackoff.
	minBackoff = time.Second
	maxBackoff = time.Minute
	// Writes are rate limited, so that two clients that revert each other's writes do not
	// keep the API server busy: a burst of writeBurst, and then one every ten seconds.
	writeBurst = 10
	writeRate  = 0.1
)

// errRateLimited means that writes of this process were reverted too often.
var errRateLimited = errors.New("another client keeps reverting the webhook's Secret or its caBundle, so repairs are limited to one every 10s")

// Options configure a [Keeper].
type Options struct {
	// Name is the name of the Service and of the ValidatingWebhookConfiguration, and
	// Namespace the namespace of the Service and the Secret.
	Name, Namespace string
	// Client reads from the API server, not from a cache, and writes with the field manager
	// Manager.
	Client  client.Client
	Manager string
	// Watch calls changed after each change of the Secret or the configuration, from other
	// goroutines, until ctx is canceled.
	Watch func(ctx context.Context, changed func()) error
	Clock clock.Clock
	// Log receives progress messages and errors.
	Log logr.Logger
}

// Keeper maintains the certificate of the webhook in one replica.
type Keeper struct {
	options Options
	names   []string
	writes  flowcontrol.RateLimiter
	// changed has an entry if a change has to be reconciled.
	changed chan struct{}
	ready   chan struct{}
	// served is the certificate of TLS handshakes.
	served atomic.Pointer[tls.Certificate]

	// The goroutine of run owns the remaining fields.
	state servedState
	// previousCAs are the CAs of the last valid Secret. They stay trusted if the Secret is
	// lost, because replicas serve certificates that they issued.
	previousCAs []*x509.Certificate
	// lastError is the last error in the log, so that it is logged once.
	lastError string
}

// NewKeeper returns a Keeper. It does nothing before [Keeper.Start].
func NewKeeper(options Options) *Keeper {
	return &Keeper{
		options: options,
		names:   hostNames(options.Name, options.Namespace),
		writes:  flowcontrol.NewTokenBucketRateLimiterWithClock(writeRate, writeBurst, options.Clock),
		changed: make(chan struct{}, 1),
		ready:   make(chan struct{}),
	}
}

// Start maintains the Secret, the caBundle and the certificate until ctx is canceled. It
// closes the channel as soon as the Keeper has a certificate that the caBundle covers.
func (k *Keeper) Start(ctx context.Context) (ready <-chan struct{}) {
	go k.run(ctx)
	return k.ready
}

// GetCertificate implements GetCertificate of [tls.Config].
func (k *Keeper) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if pair := k.served.Load(); pair != nil {
		return pair, nil
	}
	return nil, errors.New("the webhook has no certificate yet")
}

// run reconciles immediately, and then after each change and when a deadline is due.
func (k *Keeper) run(ctx context.Context) {
	watching, backoff := false, minBackoff
	for {
		var watchErr error
		if !watching {
			watchErr = k.options.Watch(ctx, k.notify)
			watching = watchErr == nil
		}
		wait, err := k.reconcile(ctx)
		if err = errors.Join(watchErr, err); err != nil {
			wait = backoff
			backoff = min(2*backoff, maxBackoff)
		} else {
			backoff = minBackoff
		}
		k.logError(ctx, err)
		timer := k.options.Clock.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-k.changed:
			timer.Stop()
		case <-timer.C():
		}
	}
}

func (k *Keeper) notify() {
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

// logError logs an error once. It ignores conflicts with another replica, whose write
// triggers the next reconciliation.
func (k *Keeper) logError(ctx context.Context, err error) {
	if ctx.Err() != nil || apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		return
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != k.lastError {
		k.options.Log.Error(err, "Failed to maintain the self-managed webhook certificate; retrying", "served", k.state.current != nil)
	}
	k.lastError = text
}

// reconcile performs as many of the following steps as possible, and returns the time until
// the next reconciliation if nothing changes before.
//
//  1. Read the configuration, and then the Secret. In this order, a caBundle is written
//     only over one that existed before the Secret was read, so an older caBundle never
//     replaces a newer one. If the configuration is for the certificate of another issuer,
//     stop.
//  2. Create, repair or renew the Secret.
//  3. Repair the caBundle.
//  4. Serve the certificate of the Secret, if the caBundle covers it.
func (k *Keeper) reconcile(ctx context.Context) (time.Duration, error) {
	configuration, err := k.readConfiguration(ctx)
	if err != nil {
		return 0, err
	}
	if err := checkIssuer(configuration); err != nil {
		return 0, err
	}
	current, until, err := k.ensureSecret(ctx, k.inheritedCAs(configuration))
	if len(current.authorities) == 0 {
		return 0, err
	}
	bundle, bundleErr := k.ensureCABundle(ctx, configuration, current.caBundle())
	if next := k.serve(current.pair, bundle); !next.IsZero() && (until.IsZero() || next.Before(until)) {
		until = next
	}
	return min(max(minBackoff, until.Sub(k.options.Clock.Now())), maxWait), errors.Join(err, bundleErr)
}

// serve starts to serve a pair as soon as that is safe. If it is not yet safe, serve returns
// the time of the next attempt.
func (k *Keeper) serve(pair *tls.Certificate, bundle []byte) (next time.Time) {
	if pair == nil {
		return time.Time{}
	}
	previous := k.state.current
	k.state, next = k.state.advance(pair, bundle, k.names[0], k.options.Clock.Now())
	if k.state.current == previous {
		return next
	}
	k.options.Log.Info("Serving a new self-managed webhook certificate",
		"serial", fmt.Sprintf("%x", k.state.current.Leaf.SerialNumber), "notAfter", k.state.current.Leaf.NotAfter)
	k.served.Store(k.state.current)
	if previous == nil {
		close(k.ready)
	}
	return next
}
