package rig

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
)

// Conflicts is a proxy before the API server that answers a share of the writes of
// ConfigMaps, Secrets and the status of Bundles by a conflict, as the API server
// does when somebody else was faster. Those never reach it. It is safe for
// concurrent use.
type Conflicts struct {
	// Kubeconfig is the path of a kubeconfig of the operator's account that leads
	// through the proxy.
	Kubeconfig string

	server  *httptest.Server
	forward http.Handler
	// share is in percent, answered the number of conflicts so far.
	share    atomic.Int64
	answered atomic.Int64
}

// StartConflicts starts the proxy, which answers nothing by itself until Share says
// so. It must be stopped, after the operators that use it.
func (r *Rig) StartConflicts(ctx context.Context) (*Conflicts, error) {
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
	c := &Conflicts{forward: &httputil.ReverseProxy{
		Rewrite:       func(p *httputil.ProxyRequest) { p.SetURL(upstream) },
		Transport:     transport,
		FlushInterval: -1, // watches
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}}
	c.server = httptest.NewUnstartedServer(c)
	c.server.EnableHTTP2 = true
	c.server.StartTLS()
	dir := filepath.Join(r.dir, "conflicts")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	config := &rest.Config{Host: c.server.URL}
	config.CAData = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.server.Certificate().Raw})
	c.Kubeconfig, err = writeAccount(ctx, r.Client, config, accountName, dir)
	return c, err
}

// Share sets how many of a hundred writes are answered by a conflict.
func (c *Conflicts) Share(percent int) { c.share.Store(int64(percent)) }

// Answered is how many conflicts there were so far.
func (c *Conflicts) Answered() int { return int(c.answered.Load()) }

// Stop ends the proxy.
func (c *Conflicts) Stop() {
	c.server.CloseClientConnections()
	c.server.Close()
}

// ServeHTTP answers one request, or has the API server do so.
func (c *Conflicts) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	name, ok := written(request)
	if !ok || rand.Int64N(100) >= c.share.Load() {
		c.forward.ServeHTTP(response, request)
		return
	}
	c.answered.Add(1)
	resource := schema.GroupResource{Resource: "objects"}
	status := apierrors.NewConflict(resource, name, nil).Status()
	if request.Method == http.MethodPost {
		status = apierrors.NewAlreadyExists(resource, name).Status()
	}
	status.APIVersion, status.Kind = "v1", "Status"
	response.Header().Set("Content-Type", "application/json")
	response.WriteHeader(http.StatusConflict)
	_ = json.NewEncoder(response).Encode(status) // the caller may have gone
}

// written says whether a request is a write of a ConfigMap, a Secret or the status
// of a Bundle, and gives the object's name, if it is in the path.
func written(request *http.Request) (name string, ok bool) {
	switch request.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		return "", false
	}
	// api/v1/namespaces/NAMESPACE/configmaps/NAME
	if parts := strings.Split(strings.Trim(request.URL.Path, "/"), "/"); len(parts) > 4 && parts[2] == "namespaces" {
		return strings.Join(parts[5:], "/"), parts[4] == "configmaps" || parts[4] == "secrets"
	}
	_, bundle, ok := strings.Cut(request.URL.Path, "/bundles/")
	name, status := strings.CutSuffix(bundle, "/status")
	return name, ok && status
}
