package trustbundle

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	certificatesv1 "k8s.io/api/certificates/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"trust-manager.io/internal/controller/watch"
	"trust-manager.io/test/framework/fake"
	"trust-manager.io/test/framework/poll"
)

// server is an API server that serves ClusterTrustBundles in one version, or in none, and counts
// requests.
type server struct {
	mu       sync.Mutex
	version  string
	refuses  bool
	requests int
	gone     chan struct{}
}

// serve changes the version, and ends all watches as a restart does.
func (s *server) serve(version string, refuses bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version, s.refuses = version, refuses
	if s.gone != nil {
		close(s.gone)
	}
	s.gone = make(chan struct{})
}

func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests++
	version, refuses, gone := s.version, s.refuses, s.gone
	s.mu.Unlock()
	rest, isServed := strings.CutPrefix(r.URL.Path, "/apis/certificates.k8s.io/"+version)
	answer := func(code int, content any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(content)
	}
	switch {
	case version == "" || !isServed:
		answer(http.StatusNotFound, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: metav1.StatusReasonNotFound, Code: http.StatusNotFound})
	case rest == "":
		answer(http.StatusOK, metav1.APIResourceList{APIResources: []metav1.APIResource{{Name: "clustertrustbundles"}}})
	case refuses:
		answer(http.StatusForbidden, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: metav1.StatusReasonForbidden, Code: http.StatusForbidden, Message: "no right to list"})
	case r.URL.Query().Get("watch") != "" && r.URL.Query().Get("sendInitialEvents") != "":
		answer(http.StatusUnprocessableEntity, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: metav1.StatusReasonInvalid, Code: http.StatusUnprocessableEntity})
	case r.URL.Query().Get("watch") != "":
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush() //nolint:forcetypeassert // the server of net/http is one
		select {
		case <-gone:
		case <-r.Context().Done():
		}
	default:
		list := certificatesv1.ClusterTrustBundleList{TypeMeta: metav1.TypeMeta{Kind: "ClusterTrustBundleList", APIVersion: "certificates.k8s.io/" + version}}
		list.ResourceVersion = "1"
		for _, name := range []string{"kept", "other"} {
			list.Items = append(list.Items, certificatesv1.ClusterTrustBundle{
				ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: "1", Labels: map[string]string{"label": name}, Annotations: map[string]string{"mark": "m", "theirs": "t"}},
				Spec:       certificatesv1.ClusterTrustBundleSpec{TrustBundle: "PEM of " + name},
			})
		}
		answer(http.StatusOK, list)
	}
}

// watching starts a Watcher on a server. The returned function counts the notifications.
func watching(t *testing.T, s *server) (w *Watcher, notified func() int) {
	t.Helper()
	listener := httptest.NewServer(s)
	w, err := New(&rest.Config{Host: listener.URL}, listener.Client(), Config{
		KeepsContent: func(name, _ string) bool { return name == "kept" }, Annotations: []string{"mark"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	served := 0
	w.Notify(func(context.Context, watch.Change[*certificatesv1.ClusterTrustBundle]) {}, func(context.Context) {
		mu.Lock()
		defer mu.Unlock()
		served++
	})
	ctx, cancel := context.WithCancel(log.IntoContext(context.WithoutCancel(t.Context()), logr.Discard()))
	done := make(chan error)
	go func() { done <- w.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		s.serve("", false) // ends the watches
		if err := <-done; err != nil {
			t.Error(err)
		}
		listener.Close()
	})
	synced, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	if !w.WaitForCacheSync(synced) {
		t.Fatal("nothing is known")
	}
	return w, func() int {
		mu.Lock()
		defer mu.Unlock()
		return served
	}
}

// F4: all objects are known in whatever version they are served, reduced to what is needed.
func TestWatcher(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"v1", "v1beta1", "v1alpha1"} {
		s := &server{version: version}
		w, notified := watching(t, s)
		if served, err := w.VersionOf(0); err != nil || served.Version != version {
			t.Errorf("version %s, %v", served, err)
		}
		all, err := w.List()
		if err != nil || len(all) != 2 {
			t.Fatalf("%d objects, %v", len(all), err)
		}
		for _, object := range all {
			want := map[string]string{"kept": "PEM of kept"}[object.Name]
			if object.Spec.TrustBundle != want || len(object.Annotations) != 1 || object.Annotations["mark"] != "m" {
				t.Errorf("%s: %q, %v", object.Name, object.Spec.TrustBundle, object.Annotations)
			}
		}
		labelled := w.Reader(&fake.Cache{}, "label")
		metadata := &metav1.PartialObjectMetadata{}
		metadata.SetGroupVersionKind(kind)
		if err := labelled.Get(t.Context(), client.ObjectKey{Name: "kept"}, metadata); err != nil || metadata.Labels["label"] != "kept" {
			t.Errorf("metadata: %v, %v", metadata.Labels, err)
		}
		if err := w.Reader(&fake.Cache{}, "another").Get(t.Context(), client.ObjectKey{Name: "kept"}, metadata); client.IgnoreNotFound(err) != nil || err == nil {
			t.Errorf("without the label: %v", err)
		}
		if notified() != 1 {
			t.Errorf("%d notifications", notified())
		}
	}
}

// F4: while the kind is not served, or must not be listed, nothing is known, and the API server is
// asked now and then only.
func TestWatcherWithoutTheKind(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*server{"not served": {}, "refused": {version: "v1", refuses: true}} {
		w, notified := watching(t, s)
		if err := w.Unavailable(); err == nil || notified() != 1 {
			t.Errorf("%s: %v, %d notifications", name, err, notified())
		}
		if all, err := w.List(); err == nil {
			t.Errorf("%s: %d objects are known", name, len(all))
		}
		if err := w.Unavailable(); (name == "refused") != strings.Contains(fmt.Sprint(err), "no right to list") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// F4: the kind disappears and comes back in another version. The API server is not asked in a loop.
func TestWatcherFollows(t *testing.T) {
	t.Parallel()
	s := &server{}
	s.serve("v1beta1", false)
	w, notified := watching(t, s)
	s.serve("", false)
	poll.Eventually(t, "the end of the kind", func() error {
		if w.Unavailable() == nil {
			return fmt.Errorf("it is known")
		}
		return nil
	})
	if version, err := w.VersionOf(0); err == nil {
		t.Errorf("version %s", version)
	}
	before := s.count()
	s.serve("v1", false)
	poll.Eventually(t, "the kind in another version", func() error {
		version, err := w.VersionOf(0)
		if err == nil && version.Version != "v1" {
			err = fmt.Errorf("it is %s", version)
		}
		return err
	})
	if asked := s.count() - before; asked > 20 {
		t.Errorf("%d requests", asked)
	}
	if notified() != 3 {
		t.Errorf("%d notifications", notified())
	}
}

// A Watcher that does not exist knows nothing, and does not fail.
func TestNoWatcher(t *testing.T) {
	t.Parallel()
	var w *Watcher
	if err := w.Unavailable(); err == nil {
		t.Error("the kind is available")
	}
	if _, err := w.List(); err == nil {
		t.Error("objects are known")
	}
	next := &fake.Cache{}
	if w.Reader(next, "label") != client.Reader(next) {
		t.Error("another reader")
	}
}
