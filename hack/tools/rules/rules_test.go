// Package rules checks the chart's alert rules and dashboard queries with
// Prometheus' own parsers, like promtool. The tests in test/chart cover their
// content.
package rules

import (
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

const files = "../../../deploy/charts/trust-manager/files/"

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(files + name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// K6: the rules pass the checks of "promtool check rules" for format, queries and
// templates.
func TestPrometheusTakesTheRules(t *testing.T) {
	t.Parallel()
	groups, faults := rulefmt.Parse(read(t, "alerts.yaml"), false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	for _, fault := range faults {
		t.Error(fault)
	}
	if len(faults) == 0 && len(groups.Groups) == 0 {
		t.Error("the file contains no group")
	}
}

// An invalid rule is detected.
func TestDamagedRules(t *testing.T) {
	t.Parallel()
	text := string(read(t, "alerts.yaml"))
	for name, damaged := range map[string]string{
		"a query":    strings.Replace(text, "== 0", "== ", 1),
		"a template": strings.Replace(text, "{{ $labels.bundle }}", "{{ $label.bundle }}", 1),
		"a field":    strings.Replace(text, "    for:", "    long:", 1),
		"a duration": strings.Replace(text, "15m", "15 minutes", 1),
	} {
		if _, faults := rulefmt.Parse([]byte(damaged), false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler)); len(faults) == 0 {
			t.Errorf("%s: got no error", name)
		}
	}
}

// K6: every query of the dashboard is valid once Grafana has replaced its
// variables.
func TestPrometheusTakesTheQueries(t *testing.T) {
	t.Parallel()
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(read(t, "dashboard.json"), &dashboard); err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("$__rate_interval", "5m", "$bundle", ".*")
	count := 0
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			count++
			if _, err := parser.NewParser(parser.Options{}).ParseExpr(fill.Replace(target.Expr)); err != nil {
				t.Errorf("panel %q: %v", panel.Title, err)
			}
		}
	}
	if count == 0 {
		t.Error("the dashboard contains no query")
	}
}
