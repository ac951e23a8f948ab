package app

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
users: [{name: u, user: {token: t}}]
current-context: c
`

func write(t *testing.T, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// R1: the client uses the kubeconfig, has no client-side rate limit and sends a user
// agent.
func TestRESTConfig(t *testing.T) {
	t.Parallel()
	o := &options{kubeconfig: write(t, "kubeconfig", kubeconfig)}
	config, err := o.restConfig()
	if err != nil {
		t.Fatal(err)
	}
	if config.Host != "https://127.0.0.1:1" || config.BearerToken != "t" || config.QPS >= 0 || config.UserAgent == "" {
		t.Errorf("configuration %v", config)
	}
}

// R1: an unusable kubeconfig is rejected with the name of the flag, and so is a missing
// one outside a pod.
func TestRESTConfigRefuses(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{
		"no such file": filepath.Join(t.TempDir(), "nothing"),
		"not YAML":     write(t, "kubeconfig", "{"),
		"empty":        write(t, "kubeconfig", "kind: Config\napiVersion: v1\n"),
		"none":         "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &options{kubeconfig: path}
			if _, err := o.restConfig(); err == nil || !strings.Contains(err.Error(), "--kubeconfig") {
				t.Errorf("error %v", err)
			}
		})
	}
}

// Lease and Secret are in the pod's namespace; with a kubeconfig, and outside a pod,
// they are in the trust namespace.
func TestOwnNamespace(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "namespace")
	if err := os.WriteFile(file, []byte("of-the-pod\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ kubeconfig, file, want string }{
		"in a pod":                    {"", file, "of-the-pod"},
		"in a pod, with a kubeconfig": {"some.yaml", file, "trust"},
		"outside a pod":               {"", file + ".absent", "trust"},
	} {
		o := &options{trustNamespace: "trust", kubeconfig: tc.kubeconfig}
		if got := o.ownNamespace(tc.file); got != tc.want {
			t.Errorf("%s: namespace %q, want %q", name, got, tc.want)
		}
	}
}

// R1: /healthz answers while the operator is not ready, unless readiness has that path.
func TestLiveness(t *testing.T) {
	t.Parallel()
	notReady := readiness{"caches": func(*http.Request) error { return errors.New("not yet") }}
	for _, tc := range []struct {
		path, asked string
		status      int
	}{
		{"/readyz", "/readyz", http.StatusInternalServerError},
		{"/readyz", "/healthz", http.StatusOK},
		{"/readyz", "/other", http.StatusNotFound},
		{"/healthz", "/healthz", http.StatusInternalServerError},
	} {
		response := httptest.NewRecorder()
		notReady.handler(tc.path).ServeHTTP(response, httptest.NewRequest(http.MethodGet, tc.asked, nil))
		if response.Code != tc.status {
			t.Errorf("readiness at %s: %s has status %d, want %d", tc.path, tc.asked, response.Code, tc.status)
		}
	}
}

// R2: every replica reports its readiness, leader or not.
func TestReadinessOfStandbys(t *testing.T) {
	t.Parallel()
	if afterCaches(nil).NeedLeaderElection() {
		t.Error("a standby would never be ready")
	}
}
