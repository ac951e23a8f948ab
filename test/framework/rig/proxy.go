package rig

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
)

// hangTime bounds how long a request is left without an answer: longer than the
// operator waits for one.
const hangTime = 15 * time.Second

// Proxy stands before the API server and does harm to a share of the requests that
// pass. What it lets through reaches the API server as it is, under the caller's own
// token. It is safe for concurrent use.
type Proxy struct {
	// Kubeconfig is the path of a kubeconfig of the operator's account that leads
	// through the proxy.
	Kubeconfig string

	dir     string
	server  *httptest.Server
	forward http.Handler

	mu     sync.Mutex
	random *rand.Rand
	// percent of the requests meet one of the faults, where one can hit them.
	percent  int
	faults   []Fault
	requests int
	injected map[Fault]int
}

// StartProxy starts a proxy that lets everything pass until Inject says otherwise.
// What it chooses at random comes from the seed. It must be stopped, after the
// operators that use it.
func (r *Rig) StartProxy(ctx context.Context, seed uint64) (*Proxy, error) {
	upstream, err := url.Parse(r.Config.Host)
	if err != nil {
		return nil, err
	}
	// The operator's own token goes on; of the administrator's configuration
	// nothing but its authority is used.
	transport, err := rest.TransportFor(&rest.Config{Host: r.Config.Host, TLSClientConfig: rest.TLSClientConfig{CAData: r.Config.CAData}})
	if err != nil {
		return nil, err
	}
	p := newProxy(upstream, transport, seed)
	p.dir = filepath.Join(r.dir, "proxy")
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return nil, err
	}
	p.Kubeconfig, err = writeAccount(ctx, r.Client, p.config(), accountName, p.dir)
	return p, err
}

// newProxy starts a proxy before any server.
func newProxy(upstream *url.URL, transport http.RoundTripper, seed uint64) *Proxy {
	silent := log.New(io.Discard, "", 0) // of connections that end: that is what it is for
	p := &Proxy{random: rand.New(rand.NewPCG(seed, 0)), injected: map[Fault]int{}}
	p.forward = &httputil.ReverseProxy{
		Rewrite:        func(p *httputil.ProxyRequest) { p.SetURL(upstream) },
		Transport:      transport,
		FlushInterval:  -1, // watches
		ModifyResponse: doHarm,
		ErrorLog:       silent,
		// Without an API server there is no answer, and with a lost one neither.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { abort() },
	}
	p.server = httptest.NewUnstartedServer(p)
	p.server.Config.ErrorLog = silent
	p.server.Config.ConnContext = withHalf
	p.server.Listener = closable{p.server.Listener}
	p.server.EnableHTTP2 = true
	p.server.StartTLS()
	return p
}

// config says how to reach the proxy.
func (p *Proxy) config() *rest.Config {
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})
	return &rest.Config{Host: p.server.URL, TLSClientConfig: rest.TLSClientConfig{CAData: authority}}
}

// Inject has a share of all requests, in percent, meet one of the faults from now on.
// One that none of them can hit passes. Without a fault all pass.
func (p *Proxy) Inject(percent int, faults ...Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.percent, p.faults = percent, faults
}

// Injected tells how often each fault was done so far.
func (p *Proxy) Injected() map[Fault]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.injected)
}

// Requests is how many requests have come so far.
func (p *Proxy) Requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests
}

// CutConnections ends all connections of the operators at once.
func (p *Proxy) CutConnections() { p.server.CloseClientConnections() }

// Stop ends the proxy.
func (p *Proxy) Stop() {
	p.server.CloseClientConnections()
	p.server.Close()
}

// choose gives the fault that a request meets, or none, and a number to do it by.
func (p *Proxy) choose(request *http.Request) (Fault, uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests++
	fitting := p.fitting(request)
	if p.random.IntN(100) >= p.percent || len(fitting) == 0 {
		return "", 0
	}
	fault := fitting[p.random.IntN(len(fitting))]
	p.injected[fault]++
	return fault, p.random.Uint64()
}

// fitting gives the faults that can hit a request, and every other time of a watch,
// which is rare, those that can hit nothing else.
func (p *Proxy) fitting(request *http.Request) []Fault {
	var all, ofWatches []Fault
	for _, fault := range p.faults {
		if fault.hits(request) {
			all = append(all, fault)
			if fault == CutWatch || fault == DelayedWatch || fault == ReplayedWatch {
				ofWatches = append(ofWatches, fault)
			}
		}
	}
	if len(ofWatches) > 0 && p.random.IntN(2) == 0 {
		return ofWatches
	}
	return all
}

// ServeHTTP answers one request, or has the API server do so.
func (p *Proxy) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	fault, number := p.choose(request)
	switch fault {
	case Conflict:
		answer(response, conflict(request))
	case NamespaceEnd:
		answer(response, namespaceEnd(request, number))
	case TooManyRequests:
		response.Header().Set("Retry-After", "1")
		answer(response, apierrors.NewTooManyRequests("the rig has it so", 1))
	case ServerError:
		answer(response, apierrors.NewInternalError(errors.New("the rig has it so")))
	case Unauthorized:
		answer(response, apierrors.NewUnauthorized("the rig has it so"))
	case Hang:
		select {
		case <-request.Context().Done():
		case <-time.After(hangTime):
		}
		abort()
	case ReplayedWatch:
		query := request.URL.Query()
		query.Set("resourceVersion", strconv.Itoa(resourceVersion(query)-1-int(number%mostReplayed)))
		request.URL.RawQuery = query.Encode()
		p.forward.ServeHTTP(response, request)
	default:
		p.forward.ServeHTTP(response, withHarm(request, fault, number))
	}
}

// abort ends the request, and the connection where no other request uses it, so
// that the caller sees the loss of it and no answer.
func abort() {
	panic(http.ErrAbortHandler)
}
