package rig

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestWritten(t *testing.T) {
	t.Parallel()
	for request, want := range map[string]struct {
		name string
		ok   bool
	}{
		"POST /api/v1/namespaces/a/configmaps":                                 {"", true},
		"PUT /api/v1/namespaces/a/configmaps/roots":                            {"roots", true},
		"PATCH /api/v1/namespaces/a/secrets/roots":                             {"roots", true},
		"DELETE /api/v1/namespaces/a/secrets/roots":                            {"roots", true},
		"PATCH /apis/trust.cert-manager.io/v1alpha1/bundles/roots/status":      {"roots", true},
		"PATCH /apis/certificates.k8s.io/v1/clustertrustbundles/roots":         {"roots", true},
		"GET /api/v1/namespaces/a/configmaps/roots":                            {"", false},
		"POST /apis/events.k8s.io/v1/namespaces/default/events":                {"", false},
		"PUT /apis/coordination.k8s.io/v1/namespaces/a/leases/trust-manager":   {"trust-manager", false},
		"POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews":          {"", false},
		"DELETE /apis/trust.cert-manager.io/v1alpha1/bundles/roots/unexpected": {"roots/unexpected", false},
	} {
		t.Run(request, func(t *testing.T) {
			t.Parallel()
			method, path, _ := strings.Cut(request, " ")
			name, ok := written(httptest.NewRequestWithContext(t.Context(), method, path, nil))
			if ok != want.ok || ok && name != want.name {
				t.Errorf("written() = %q, %t, want %q, %t", name, ok, want.name, want.ok)
			}
		})
	}
}
