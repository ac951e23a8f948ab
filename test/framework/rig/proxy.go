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

// hangTime is how long a request gets no response: longer than the operator waits for one.
const hangTime = 15 * time.Second

// Proxy is a proxy of the API server that injects faults into a share of the requests. It
// forwards the others unchanged, with the caller's own token. It is safe for concurrent
// use.
type Proxy struct {
	// Kubeconfig is the path of a kubeconfig of the operator's account for the proxy.
	Kubeconfig string

	dir     string
	server  *httptest.Server
	forward http.Handler

	mu     sync.Mutex
	random *rand.Rand
	// percent is the share of requests that get one of the faults, if one applies.
	percent  int
	faults   []Fault
	requests int
	injected map[Fault]int
}

// StartProxy starts a proxy that forwards everything until [Proxy.Inject] is called. The
// seed determines its random choices. The caller must stop it, after the operators that
// use it.
func (r *Rig) StartProxy(ctx context.Context, seed uint64) (*Proxy, error) {
	upstream, err := url.Parse(r.Config.Host)
	if err != nil {
		return nil, err
	}
	// Requests keep the operator's own token; only the CA of the administrator's
	// configuration is used.
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

// newProxy starts a proxy of any server.
func newProxy(upstream *url.URL, transport http.RoundTripper, seed uint64) *Proxy {
	silent := log.New(io.Discard, "", 0) // connections end by design
	p := &Proxy{random: rand.New(rand.NewPCG(seed, 0)), injected: map[Fault]int{}}
	p.forward = &httputil.ReverseProxy{
		Rewrite:        func(p *httputil.ProxyRequest) { p.SetURL(upstream) },
		Transport:      transport,
		FlushInterval:  -1, // watches
		ModifyResponse: doHarm,
		ErrorLog:       silent,
		// Without an API server, or with LostAnswer, there is no response.
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

// config returns the client configuration for the proxy.
func (p *Proxy) config() *rest.Config {
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})
	return &rest.Config{Host: p.server.URL, TLSClientConfig: rest.TLSClientConfig{CAData: authority}}
}

// Inject makes a share of all further requests, in percent, get one of the
// faults. Requests to which none applies are forwarded. Without faults, all
// requests are forwarded.
func (p *Proxy) Inject(percent int, faults ...Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.percent, p.faults = percent, faults
}

// Injected returns how often each fault was injected so far.
func (p *Proxy) Injected() map[Fault]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.injected)
}

// Requests returns the number of requests so far.
func (p *Proxy) Requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests
}

// CutConnections closes all connections of the operators.
func (p *Proxy) CutConnections() { p.server.CloseClientConnections() }

// Stop stops the proxy.
func (p *Proxy) Stop() {
	p.server.CloseClientConnections()
	p.server.Close()
}

// choose returns the fault for a request, or none, and a random number to apply it with.
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

// fitting returns the faults that apply to a request. Since watches are rare, it returns
// for every other one only the faults that apply to nothing else.
func (p *Proxy) fitting(request *http.Request) []Fault {
	var all, ofWatches []Fault
	for _, fault := range p.faults {
		if fault.appliesTo(request) {
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

// ServeHTTP answers a request or forwards it to the API server.
func (p *Proxy) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	fault, number := p.choose(request)
	switch fault {
	case Conflict:
		answer(response, conflict(request))
	case NamespaceEnd:
		answer(response, namespaceEnd(request, number))
	case TooManyRequests:
		response.Header().Set("Retry-After", "1")
		answer(response, apierrors.NewTooManyRequests("injected by the rig", 1))
	case ServerError:
		answer(response, apierrors.NewInternalError(errors.New("injected by the rig")))
	case Unauthorized:
		answer(response, apierrors.NewUnauthorized("injected by the rig"))
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

// abort ends the request without a response, and its connection unless other requests use
// it.
func abort() {
	panic(http.ErrAbortHandler)
}
