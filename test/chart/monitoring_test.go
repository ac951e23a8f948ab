package chart

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ownMetric matches the operator's own metrics. The series of a histogram have
// longer names.
var ownMetric = regexp.MustCompile(`trust_manager_[a-z_]+`)

// documented returns the metrics that the guide lists.
func documented(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/guide/status.md")
	if err != nil {
		t.Fatal(err)
	}
	return ownMetric.FindAllString(string(text), -1)
}

// wantKnown checks that a text refers to metrics, all of which exist.
func wantKnown(t *testing.T, where, text string) {
	t.Helper()
	known := documented(t)
	found := ownMetric.FindAllString(text, -1)
	for _, metric := range found {
		if !slices.Contains(known, strings.TrimSuffix(metric, "_bucket")) {
			t.Errorf("%s uses %s, which is not in docs/guide/status.md", where, metric)
		}
	}
	if len(found) == 0 {
		t.Errorf("%s uses no metric: %s", where, text)
	}
}

// K6: the dashboard and the rules are off by default.
func TestMonitoringIsOff(t *testing.T) {
	t.Parallel()
	for _, object := range render(t) {
		if kind := object.GetKind(); kind == "PrometheusRule" || kind == "ConfigMap" {
			t.Errorf("%s %s is rendered", kind, object.GetName())
		}
	}
}

// K6: the dashboard is valid for Grafana. Its panels have unique IDs, do not
// overlap, and query existing metrics.
func TestDashboard(t *testing.T) {
	t.Parallel()
	object := render(t, "--set", "app.metrics.grafanaDashboard.enabled=true").get(t, "ConfigMap", "trust-manager-dashboard")
	if object.GetLabels()["grafana_dashboard"] != "1" {
		t.Errorf("labels %v", object.GetLabels())
	}
	var data map[string]string
	if err := json.Unmarshal([]byte(at(t, object, "data")), &data); err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Title, UID    string
		SchemaVersion int
		Templating    struct {
			List []struct{ Name, Type string }
		}
		Panels []struct {
			ID          int
			Title, Type string
			GridPos     struct{ X, Y, W, H int }
			Targets     []struct{ RefID, Expr string }
		}
	}
	if err := json.Unmarshal([]byte(data["trust-manager.json"]), &dashboard); err != nil {
		t.Fatal(err)
	}
	if dashboard.Title == "" || dashboard.UID == "" || dashboard.SchemaVersion < 36 || len(dashboard.Panels) == 0 {
		t.Errorf("dashboard %+v", dashboard)
	}
	taken, cells := map[int]bool{}, map[[2]int]string{}
	for _, panel := range dashboard.Panels {
		if panel.Title == "" || panel.Type == "" || taken[panel.ID] || len(panel.Targets) == 0 {
			t.Errorf("panel %+v", panel)
		}
		taken[panel.ID] = true
		at := panel.GridPos
		for x := at.X; x < at.X+at.W; x++ {
			for y := at.Y; y < at.Y+at.H; y++ {
				if other := cells[[2]int{x, y}]; other != "" || x > 23 {
					t.Errorf("panel %q overlaps %q or is outside the grid", panel.Title, other)
				}
				cells[[2]int{x, y}] = panel.Title
			}
		}
		for _, target := range panel.Targets {
			wantKnown(t, "panel "+panel.Title, target.Expr)
		}
	}
	var names []string
	for _, variable := range dashboard.Templating.List {
		names = append(names, variable.Name+": "+variable.Type)
	}
	if diff := cmp.Diff([]string{"datasource: datasource", "bundle: query"}, names); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
}

// K6: Helm renders the rules unchanged, including the Prometheus templates, and
// they query existing metrics. The tests in hack/tools/rules parse them with
// Prometheus.
func TestRules(t *testing.T) {
	t.Parallel()
	object := render(t, "--set", "app.metrics.prometheusRule.enabled=true").get(t, "PrometheusRule", "trust-manager")
	var spec struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := json.Unmarshal([]byte(at(t, object, "spec")), &spec); err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, group := range spec.Groups {
		for _, rule := range group.Rules {
			count++
			wantKnown(t, "alert "+rule.Alert, rule.Expr)
			if rule.Alert == "" || rule.For == "" || rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
				t.Errorf("rule %+v", rule)
			}
			if strings.Contains(rule.Expr, "bundle_") && !strings.Contains(rule.Annotations["summary"], "{{ $labels.bundle }}") {
				t.Errorf("alert %s does not name the Bundle: %q", rule.Alert, rule.Annotations["summary"])
			}
		}
	}
	if count < 5 {
		t.Errorf("%d alerts", count)
	}
}
