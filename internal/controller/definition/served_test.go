package definition_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"k8s.io/client-go/rest"

	"trust-manager.io/internal/apis"
	"trust-manager.io/internal/bundle"
	"trust-manager.io/internal/controller/definition"
)

// E6: ClusterBundles are served if they are installed and may be listed. Without the right, they
// may exist. Any other failure is an error: it says nothing of the kind.
func TestServed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		// group and list are the codes of the two requests.
		group, list    int
		served         int
		hidden, failed bool
	}{
		"installed":                  {200, 200, 2, false, false},
		"not installed":              {404, 200, 1, false, false},
		"another kind of the group":  {206, 200, 1, false, false},
		"no right":                   {200, 403, 1, true, false},
		"the API server is starting": {503, 200, 0, false, true},
		"the list fails":             {200, 500, 0, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var lists atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				code, kind := tc.group, "ClusterBundle"
				if r.URL.Path != "/apis/trust-manager.io/v1alpha2" {
					lists.Add(1)
					code = tc.list
				}
				if code == 206 {
					code, kind = 200, "Another"
				}
				w.WriteHeader(code)
				if code == 200 {
					_, _ = fmt.Fprintf(w, `{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"trust-manager.io/v1alpha2","resources":[{"name":"clusterbundles","kind":%q}]}`, kind)
				}
			}))
			defer server.Close()
			kinds, err := definition.NewServed(apis.All(), &rest.Config{Host: server.URL}, server.Client())
			if err != nil {
				t.Fatal(err)
			}
			served, err := kinds.Find(t.Context())
			if (err != nil) != tc.failed || len(served) != tc.served || kinds.Hidden(bundle.APIClusterBundle) != tc.hidden || kinds.Hidden(bundle.APIBundle) {
				t.Errorf("served %v, hidden %t, error %v", served, kinds.Hidden(bundle.APIClusterBundle), err)
			}
		})
	}
}
