package admission_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"trust-manager.io/api/trust/v1alpha1"
)

// A14: the columns that kubectl prints, which the API server computes.
func TestPrinterColumns(t *testing.T) {
	tests := map[string]struct {
		target string
		synced *metav1.Condition
		want   []any
	}{
		"both-targets-synced": {
			target: `configMap: {key: ca.pem}, secret: {key: ca.crt}`,
			synced: new(condition(v1alpha1.BundleConditionSynced, metav1.ConditionTrue)),
			want:   []any{"both-targets-synced", "ca.pem", "ca.crt", "True", "Synced"},
		},
		"one-target-no-status": {
			target: `configMap: {key: ca.pem}`,
			want:   []any{"one-target-no-status", "ca.pem", nil, nil, nil},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			b := created(t, name, withTarget(tc.target))
			if tc.synced != nil {
				b.Status.Conditions = []metav1.Condition{condition("Another", metav1.ConditionFalse), *tc.synced}
				if err := apiClient.Status().Update(requestContext(t), b); err != nil {
					t.Fatal(err)
				}
			}
			columns, cells := table(t, name, false)
			want := []string{"Name", "ConfigMap Target", "Secret Target", "Synced", "Reason", "Age"}
			if diff := cmp.Diff(want, columns); diff != "" {
				t.Errorf("columns (-want +got):\n%s", diff)
			}
			age := len(cells) - 1
			if diff := cmp.Diff(tc.want, cells[:age]); diff != "" {
				t.Errorf("cells (-want +got):\n%s", diff)
			}
			if s, ok := cells[age].(string); !ok || s == "" || s == "<unknown>" {
				t.Errorf("got the age %v, want a duration", cells[age])
			}
		})
	}
}

// table returns the columns that are printed by default, or with "-o wide", and the
// cells of one Bundle, as the API server returns them to kubectl.
func table(t *testing.T, name string, wide bool) (columns []string, cells []any) {
	t.Helper()
	httpClient, err := rest.HTTPClientFor(server)
	if err != nil {
		t.Fatal(err)
	}
	address, err := url.JoinPath(server.Host, "apis", v1alpha1.GroupVersion.String(), "bundles", name)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(requestContext(t), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
	resp, err := httpClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s", address, resp.Status)
	}
	var answer metav1.Table
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Rows) != 1 {
		t.Fatalf("got %d rows, want 1: %+v", len(answer.Rows), answer)
	}
	for i, c := range answer.ColumnDefinitions {
		if wide || c.Priority == 0 {
			columns = append(columns, c.Name)
			cells = append(cells, answer.Rows[0].Cells[i])
		}
	}
	return columns, cells
}

// K4: the columns that "-o wide" adds.
func TestWideColumns(t *testing.T) {
	b := created(t, "wide", withTarget(`configMap: {key: ca.pem}`))
	until := metav1.NewTime(time.Unix(1900000000, 0))
	b.Status.Inventory = &v1alpha1.BundleInventory{
		Certificates: 145, NextExpiry: &v1alpha1.CertificateExpiry{NotAfter: until, Subject: "CN=a", SHA256: "00"},
	}
	b.Status.Targets = &v1alpha1.TargetCounts{Wanted: 9, Synced: 7, Failed: 1}
	if err := apiClient.Status().Update(requestContext(t), b); err != nil {
		t.Fatal(err)
	}
	columns, cells := table(t, "wide", true)
	if diff := cmp.Diff([]string{"Certificates", "Targets", "Next Expiry"}, columns[6:]); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]any{145.0, 7.0, "2030-03-17T17:46:40Z"}, cells[6:]); diff != "" {
		t.Errorf("cells (-want +got):\n%s", diff)
	}
}
