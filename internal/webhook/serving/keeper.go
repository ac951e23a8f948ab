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
	// longest bounds the time between two looks: timers stand still while a machine
	// sleeps, and clocks are set.
	longest = time.Hour
	// A look that fails is taken again after firstPause, then after twice that and so
	// on, up to lastPause.
	firstPause = time.Second
	lastPause  = time.Minute
	// Writes are bounded, so that two who undo each other's writes do not keep the API
	// server busy: this many at once, and then one in ten seconds.
	writesAtOnce    = 10
	writesPerSecond = 0.1
)

// errTooOften says that writes of this process have been undone again and again.
var errTooOften = errors.New("somebody else keeps changing the webhook's Secret or its caBundle, so they are put right only now and then")

// Options say whose certificate is kept, and how.
type Options struct {
	// Name is that of the Service and of the ValidatingWebhookConfiguration, and
	// Namespace where the Service and the Secret are.
	Name, Namespace string
	// Client reads from the API server, not from a cache, and writes, as the field
	// manager Manager.
	Client  client.Client
	Manager string
	// Watch calls changed after each change of the Secret or the configuration, from
	// other goroutines, until the context ends.
	Watch func(ctx context.Context, changed func()) error
	Clock clock.Clock
	// Log is told what is made, and what is waited for.
	Log logr.Logger
}

// Keeper keeps the certificate of the webhook, for one replica.
type Keeper struct {
	options Options
	names   []string
	writes  flowcontrol.RateLimiter
	// changed has an entry if there is reason to look.
	changed chan struct{}
	ready   chan struct{}
	// served is what handshakes show.
	served atomic.Pointer[tls.Certificate]

	// The rest is that goroutine's which Start makes.
	shown shown
	// remembered are the CAs of the last Secret that was in order. They are trusted on
	// if the Secret is lost, since replicas show certificates of theirs.
	remembered []*x509.Certificate
	// told is the last trouble, so that it is told once.
	told string
}

// NewKeeper makes a Keeper. It does nothing before Start.
func NewKeeper(options Options) *Keeper {
	return &Keeper{
		options: options,
		names:   hostNames(options.Name, options.Namespace),
		writes:  flowcontrol.NewTokenBucketRateLimiterWithClock(writesPerSecond, writesAtOnce, options.Clock),
		changed: make(chan struct{}, 1),
		ready:   make(chan struct{}),
	}
}

// Start keeps Secret, caBundle and certificate until the context ends. The channel
// is closed once there is a certificate that the caBundle covers.
func (k *Keeper) Start(ctx context.Context) (ready <-chan struct{}) {
	go k.run(ctx)
	return k.ready
}

// GetCertificate is that of tls.Config.
func (k *Keeper) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if pair := k.served.Load(); pair != nil {
		return pair, nil
	}
	return nil, errors.New("there is no certificate yet")
}

// run looks at once, and then whenever something has changed or is due.
func (k *Keeper) run(ctx context.Context) {
	watching, pause := false, firstPause
	for {
		var watchErr error
		if !watching {
			watchErr = k.options.Watch(ctx, k.tellChanged)
			watching = watchErr == nil
		}
		wait, err := k.look(ctx)
		if err = errors.Join(watchErr, err); err != nil {
			wait = pause
			pause = min(2*pause, lastPause)
		} else {
			pause = firstPause
		}
		k.tellTrouble(ctx, err)
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

func (k *Keeper) tellChanged() {
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

// tellTrouble logs what keeps the certificate from being in order, once. That
// another replica was faster is no trouble: there is word of its write.
func (k *Keeper) tellTrouble(ctx context.Context, err error) {
	if ctx.Err() != nil || apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		return
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != k.told {
		k.options.Log.Error(err, "The webhook's own certificate is not in order; trying again", "served", k.shown.current != nil)
	}
	k.told = text
}

// look takes what there is as far as it can be taken, and gives the time until the
// next look if nothing changes before. It reads
//
//  1. the configuration, and then the Secret, so that a caBundle is written only
//     where it is older than the Secret that it is made of;
//
// leaves all as it is where the configuration is for somebody else's certificate;
// has in order
//
//  2. the Secret, and
//  3. the caBundle;
//
// and then shows
//
//  4. the certificate of the Secret, if the caBundle covers it.
func (k *Keeper) look(ctx context.Context) (time.Duration, error) {
	configuration, err := k.readConfiguration(ctx)
	if err != nil {
		return 0, err
	}
	if err := checkMaker(configuration); err != nil {
		return 0, err
	}
	held, until, err := k.holdSecret(ctx, k.inherited(configuration))
	if len(held.authorities) == 0 {
		return 0, err
	}
	bundle, bundleErr := k.holdBundle(ctx, configuration, held.bundle())
	if again := k.show(held.pair, bundle); !again.IsZero() && (until.IsZero() || again.Before(until)) {
		until = again
	}
	return min(max(firstPause, until.Sub(k.options.Clock.Now())), longest), errors.Join(err, bundleErr)
}

// show shows a pair once it may be shown.
func (k *Keeper) show(pair *tls.Certificate, bundle []byte) (again time.Time) {
	if pair == nil {
		return time.Time{}
	}
	before := k.shown.current
	k.shown, again = k.shown.advance(pair, bundle, k.names[0], k.options.Clock.Now())
	if k.shown.current == before {
		return again
	}
	k.options.Log.Info("The webhook shows a new certificate of its own",
		"serial", fmt.Sprintf("%x", k.shown.current.Leaf.SerialNumber), "notAfter", k.shown.current.Leaf.NotAfter)
	k.served.Store(k.shown.current)
	if before == nil {
		close(k.ready)
	}
	return again
}
