package definition

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/request"
)

const (
	// interval is how often the definitions are checked, and outdatedInterval how often
	// while one of them is outdated, since an upgrade should show soon. A check takes one
	// small request if nothing has changed and no field is missing.
	interval, outdatedInterval = time.Minute, 5 * time.Second
	// maxShown is how many fields a message names.
	maxShown = 5
)

// Watcher checks which fields of the API kinds the API server serves. It is safe for
// concurrent use.
type Watcher struct {
	apis    apis.Adapters
	client  rest.Interface
	changed func(kind bundle.APIKind, note string)

	mu sync.Mutex
	// missing has the missing fields of each kind, and urls the URL of the document that they
	// were read from.
	missing map[bundle.APIKind][]string
	urls    map[bundle.APIKind]string
	// failing is set while the definitions cannot be checked.
	failing bool
	// found is sent to when Recheck has found an outdated definition.
	found chan struct{}
}

// New returns a Watcher. It calls changed when the fields of a kind change that the API
// server drops. The note describes them for users, and is empty if no field is dropped.
func New(adapters apis.Adapters, config *rest.Config, httpClient *http.Client, changed func(kind bundle.APIKind, note string)) (*Watcher, error) {
	client, err := discovery.NewDiscoveryClientForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, err
	}
	return &Watcher{
		apis: adapters, client: client.RESTClient(), changed: changed,
		missing: map[bundle.APIKind][]string{}, urls: map[bundle.APIKind]string{}, found: make(chan struct{}, 1),
	}, nil
}

// Missing returns the fields of an API kind that the API server drops, as
// [apis.MissingFields] does.
func (w *Watcher) Missing(kind bundle.APIKind) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.missing[kind]
}

// Start checks the definitions until the context ends. It implements manager.Runnable.
func (w *Watcher) Start(ctx context.Context) error {
	for {
		next := interval
		if w.checkAll(ctx) {
			next = outdatedInterval
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.found:
		case <-time.After(next):
		}
	}
}

// Recheck checks the definitions now, because the API server has refused a field.
func (w *Watcher) Recheck(ctx context.Context) {
	if !w.checkAll(ctx) {
		return
	}
	select {
	case w.found <- struct{}{}: // from now on they are checked often
	default:
	}
}

// checkAll checks the definitions. It reports whether one of them is outdated.
func (w *Watcher) checkAll(ctx context.Context) (outdated bool) {
	ctx, cancel := context.WithTimeout(ctx, request.Deadline)
	defer cancel()
	urls, err := w.documents(ctx)
	for _, adapter := range w.apis {
		if err == nil {
			err = w.check(ctx, adapter, urls)
		}
		outdated = outdated || len(w.Missing(adapter.Marks().Kind)) > 0
	}
	w.logFailure(ctx, err)
	return outdated
}

// logFailure logs that the definitions cannot be checked, once.
func (w *Watcher) logFailure(ctx context.Context, err error) {
	w.mu.Lock()
	isNew := err != nil && !w.failing && ctx.Err() == nil
	w.failing = err != nil
	w.mu.Unlock()
	if isNew {
		log.FromContext(ctx).Info("Cannot check whether the CustomResourceDefinitions are up to date; this is tried again", "cause", err.Error())
	}
}

// documents returns the URL of the OpenAPI v3 document of each group and version. It has a
// hash of the content.
func (w *Watcher) documents(ctx context.Context) (map[string]string, error) {
	text, err := w.client.Get().AbsPath("/openapi/v3").Do(ctx).Raw()
	if err != nil {
		return nil, err
	}
	var index struct {
		Paths map[string]struct {
			URL string `json:"serverRelativeURL"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(text, &index); err != nil {
		return nil, err
	}
	urls := map[string]string{}
	for path, entry := range index.Paths {
		urls[path] = entry.URL
	}
	return urls, nil
}

// check checks the definition of one kind, if it has changed.
func (w *Watcher) check(ctx context.Context, adapter apis.Adapter, urls map[string]string) error {
	kind, gvk := adapter.Marks().Kind, adapter.GroupVersionKind()
	url, ok := urls["apis/"+gvk.GroupVersion().String()]
	if !ok {
		return fmt.Errorf("the API server has no OpenAPI document of %s", gvk.GroupVersion())
	}
	w.mu.Lock()
	// The list of documents lags behind the documents, so a document can be newer than the
	// hash in its URL. While a field is missing, it is read each time.
	isKnown := url == w.urls[kind] && len(w.missing[kind]) == 0
	w.mu.Unlock()
	if isKnown {
		return nil
	}
	document, err := w.client.Get().RequestURI(url).Do(ctx).Raw()
	if err != nil {
		return err
	}
	missing, err := apis.MissingFields(adapter, document)
	if err != nil {
		return err
	}
	w.mu.Lock()
	isNew := !slices.Equal(missing, w.missing[kind])
	w.missing[kind], w.urls[kind] = missing, url
	w.mu.Unlock()
	if !isNew {
		return nil
	}
	note := noteOn(kind, missing)
	if note == "" {
		log.FromContext(ctx).Info("The CustomResourceDefinition is up to date", "kind", kind)
	} else {
		log.FromContext(ctx).Error(nil, note, "kind", kind, "missing", strings.Join(missing, ","))
	}
	w.changed(kind, note)
	return nil
}

// noteOn returns what users should know about missing fields, those of the spec first, or ""
// if no field is missing.
func noteOn(kind bundle.APIKind, missing []string) string {
	if len(missing) == 0 {
		return ""
	}
	shown := strings.Join(missing[:min(len(missing), maxShown)], ", ")
	if more := len(missing) - maxShown; more > 0 {
		shown += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("the CustomResourceDefinition of %ss is older than the operator, so the API server drops the fields %s; upgrade it", kind, shown)
}
