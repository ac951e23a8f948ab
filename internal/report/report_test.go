package report_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trust-manager.io/internal/report"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// formats are all renderers, by the extension of their files.
var formats = map[string]func(io.Writer, *report.Report) error{
	"html": report.HTML, "md": report.Markdown, "csv": report.CSV, "json": writeJSON,
}

func writeJSON(w io.Writer, r *report.Report) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

func render(t testing.TB, format string, r *report.Report) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := formats[format](&out, r); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// L7: the report in all formats. The golden files are of the small fake.
func TestGolden(t *testing.T) {
	t.Parallel()
	for format := range formats {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join("testdata", "small.golden."+format)
			got := render(t, format, report.New(fake(small)))
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s (-want +got; -update rewrites it):\n%s", path, diff)
			}
		})
	}
}

func TestEmpty(t *testing.T) {
	t.Parallel()
	r := report.New(report.Input{Cluster: "empty", Time: now})
	for format := range formats {
		if len(render(t, format, r)) == 0 {
			t.Errorf("%s: nothing is written", format)
		}
	}
}

// A large report is below 2 MiB, and the same for any order of the input.
func TestLarge(t *testing.T) {
	t.Parallel()
	const limit = 2 << 20
	r := report.New(fake(large))
	if got := len(r.Certificates); got != large.certificates {
		t.Errorf("%d certificates, want %d", got, large.certificates)
	}
	shuffled := fake(large)
	slices.Reverse(shuffled.Bundles)
	slices.Reverse(shuffled.Namespaces)
	for i := range shuffled.Bundles {
		slices.Reverse(shuffled.Bundles[i].Targets)
		slices.Reverse(shuffled.Bundles[i].Selected)
	}
	for format := range formats {
		got := render(t, format, r)
		t.Logf("%s: %d bytes", format, len(got))
		if format == "html" && len(got) > limit {
			t.Errorf("%s: %d bytes, want at most %d", format, len(got), limit)
		}
		if !bytes.Equal(got, render(t, format, report.New(shuffled))) {
			t.Errorf("%s: depends on the order of the input", format)
		}
	}
}

// In the worst case each namespace has a row of its own.
func TestLargeWithoutGroups(t *testing.T) {
	t.Parallel()
	const limit = 2 << 20
	in := fake(large)
	for i := range in.Bundles {
		for j := range in.Bundles[i].Targets {
			in.Bundles[i].Targets[j].Digest = map[bool]string{true: "good", false: "old"}[(j>>(i%9))&1 == 0]
		}
	}
	r := report.New(in)
	if got := len(r.Matrix.Rows); got < 250 {
		t.Errorf("%d rows, want at least 250", got)
	}
	if got := len(render(t, "html", r)); got > limit {
		t.Errorf("%d bytes, want at most %d", got, limit)
	}
}

func TestMatrix(t *testing.T) {
	t.Parallel()
	configMap := report.Wanted{Kind: "ConfigMap", Digest: "a"}
	secret := report.Wanted{Kind: "Secret", Digest: "b"}
	for name, tc := range map[string]struct {
		bundle report.InputBundle
		want   []report.Row
		counts report.TargetCounts
	}{
		"in sync": {
			report.InputBundle{Wanted: []report.Wanted{configMap}, Selected: []string{"x", "y"}, Targets: []report.Target{{"ConfigMap", "x", "a"}, {"ConfigMap", "y", "a"}}},
			[]report.Row{{Namespaces: []string{"x", "y"}, Cells: []report.Cell{{State: report.InSync}}}},
			report.TargetCounts{InSync: 2},
		},
		"stale and missing": {
			report.InputBundle{Wanted: []report.Wanted{configMap}, Selected: []string{"x", "y"}, Targets: []report.Target{{"ConfigMap", "x", "old"}}},
			[]report.Row{{Namespaces: []string{"y"}, Cells: []report.Cell{{State: report.Missing}}}, {Namespaces: []string{"x"}, Cells: []report.Cell{{State: report.Stale}}}},
			report.TargetCounts{Stale: 1, Missing: 1},
		},
		"one kind is missing": {
			report.InputBundle{Wanted: []report.Wanted{configMap, secret}, Selected: []string{"x", "y"}, Targets: []report.Target{{"ConfigMap", "x", "a"}, {"ConfigMap", "y", "a"}, {"Secret", "y", "b"}}},
			[]report.Row{{Namespaces: []string{"x"}, Cells: []report.Cell{{State: report.Missing, Detail: "ConfigMap in sync, Secret missing"}}}, {Namespaces: []string{"y"}, Cells: []report.Cell{{State: report.InSync}}}},
			report.TargetCounts{InSync: 3, Missing: 1},
		},
		"not selected": {
			report.InputBundle{Wanted: []report.Wanted{configMap}, Targets: []report.Target{{"ConfigMap", "x", "a"}}},
			[]report.Row{{Namespaces: []string{"x"}, Cells: []report.Cell{{State: report.LeftOver}}}, {Namespaces: []string{"y"}, Cells: []report.Cell{{State: report.NotSelected}}}},
			report.TargetCounts{LeftOver: 1},
		},
		"not built": {
			report.InputBundle{Wanted: []report.Wanted{{Kind: "ConfigMap"}}, Selected: []string{"x", "y"}, Targets: []report.Target{{"ConfigMap", "x", "a"}, {"ConfigMap", "y", "a"}}},
			[]report.Row{{Namespaces: []string{"x", "y"}, Cells: []report.Cell{{State: report.NotCompared}}}},
			report.TargetCounts{NotCompared: 2},
		},
		"cluster-scoped": {
			report.InputBundle{Wanted: []report.Wanted{{Kind: "ClusterTrustBundle", Digest: "c", IsClusterScoped: true}}, Targets: []report.Target{{"ClusterTrustBundle", "", "c"}}},
			[]report.Row{{IsClusterScoped: true, Cells: []report.Cell{{State: report.InSync}}}, {Namespaces: []string{"x", "y"}, Cells: []report.Cell{{State: report.NotSelected, Detail: "no target"}}}},
			report.TargetCounts{InSync: 1},
		},
		"superseded": {
			report.InputBundle{Conditions: []report.Condition{{Type: "Superseded", IsTrue: true}}, Wanted: []report.Wanted{configMap}, Selected: []string{"x"}},
			[]report.Row{},
			report.TargetCounts{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := report.New(report.Input{Time: now, Namespaces: []string{"y", "x"}, Bundles: []report.InputBundle{tc.bundle}})
			if diff := cmp.Diff(tc.want, r.Matrix.Rows); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.counts, r.Counts.Targets); diff != "" {
				t.Errorf("counts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBundleState(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		conditions []report.Condition
		want       report.BundleState
	}{
		"none":        {nil, report.NotReported},
		"ready":       {[]report.Condition{{Type: "Synced", IsTrue: true}, {Type: "Ready", IsTrue: true}}, report.Ready},
		"not ready":   {[]report.Condition{{Type: "Synced", IsTrue: true}, {Type: "Ready"}}, report.NotReady},
		"failed":      {[]report.Condition{{Type: "Synced"}, {Type: "Reconciling", IsTrue: true}, {Type: "Stalled", IsTrue: true}}, report.Failed},
		"stalled":     {[]report.Condition{{Type: "Ready"}, {Type: "Stalled", IsTrue: true}}, report.Stalled},
		"reconciling": {[]report.Condition{{Type: "Ready"}, {Type: "Reconciling", IsTrue: true}}, report.Reconciling},
		"superseded":  {[]report.Condition{{Type: "Stalled", IsTrue: true}, {Type: "Superseded", IsTrue: true}}, report.Superseded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := report.New(report.Input{Bundles: []report.InputBundle{{Conditions: tc.conditions}}})
			if got := r.Bundles[0].State; got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

// What people see of a bundle that fails has the reason of its condition.
func TestFailedBundle(t *testing.T) {
	t.Parallel()
	r := report.New(report.Input{Time: now, Namespaces: []string{"a", "b", "c"}, Bundles: []report.InputBundle{
		{
			Kind: "Bundle", Name: "failed", Problems: []string{"a source is missing"}, Deployed: "old", Selected: []string{"a", "b", "c"},
			Conditions:   []report.Condition{{Type: "Synced", Reason: "SourceNotFound", Message: "a source is missing"}, {Type: "Reconciling", IsTrue: true}},
			Wanted:       []report.Wanted{{Kind: "ConfigMap"}},
			Targets:      []report.Target{{"ConfigMap", "a", "old"}, {"ConfigMap", "b", "other"}},
			Certificates: []report.InputCertificate{{Subject: "CN=A", SHA256: "01", NotAfter: now}},
		},
		{
			Kind: "Bundle", Name: "default", Wanted: []report.Wanted{},
			Certificates: []report.InputCertificate{{Subject: "CN=B", SHA256: "02", NotAfter: now, Origin: report.Origin{Field: "spec.sources[0].useDefaultCAs", Object: "default CA package mozilla-1"}}},
		},
		{Kind: "Bundle", Name: "good", Selected: []string{"c"}, Wanted: []report.Wanted{{Kind: "ConfigMap", Digest: "x"}}},
	}})
	if got := r.Counts; got.Targets.Missing != 2 || got.MissingNotBuilt != 1 {
		t.Errorf("%d targets are missing, %d of them of bundles that cannot be built, want 2 and 1", got.Targets.Missing, got.MissingNotBuilt)
	}
	if got := r.Certificates[1].Origins; len(got) != 1 || got[0] != "default CA package mozilla-1" {
		t.Errorf("a default CA is from %q", got)
	}
	if b := r.Bundles[1]; b.Namespaces != 1 || b.Certificates[0].Standing != report.Deployed || b.Reason != "SourceNotFound" {
		t.Errorf("in %d namespaces, %s, because of %s", b.Namespaces, b.Certificates[0].Standing, b.Reason)
	}
	for format, want := range map[string]string{
		"html": "<small>1 of bundles that cannot be built</small>", "md": "| failed: SourceNotFound |", "csv": ",1,Deployed,\n",
	} {
		if got := string(render(t, format, r)); !strings.Contains(got, want) {
			t.Errorf("%s: %q is missing:\n%s", format, want, got)
		}
	}
	if got := string(render(t, "md", r)); !strings.Contains(got, "1 of the missing targets belongs to a bundle that cannot be built") {
		t.Errorf("md: the missing targets are not explained:\n%s", got)
	}
}

// The months count from the current one, and the last year has only the rest of its months.
func TestCalendar(t *testing.T) {
	t.Parallel()
	for at, want := range map[time.Time]string{
		now.Add(-time.Second): "expired",
		now:                   "2026-11",
		time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC):       "2026-12",
		time.Date(2029, 10, 31, 23, 59, 59, 0, time.UTC):   "2029-10",
		time.Date(2029, 11, 1, 0, 0, 0, 0, time.UTC):       "2029",
		time.Date(2041, 1, 1, 0, 0, 0, 0, time.UTC):        "2041",
		time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC):   "9999",
		time.Date(2029, 10, 31, 23, 0, 0, 0, west(2*3600)): "2029", // times are in UTC
	} {
		r := report.New(report.Input{Time: now, Bundles: []report.InputBundle{{Certificates: []report.InputCertificate{{NotAfter: at}}}}})
		if got := r.Calendar[0].Name; got != want {
			t.Errorf("%s is in %s, want %s", at, got, want)
		}
	}
}

func west(seconds int) *time.Location { return time.FixedZone("", -seconds) }

// A mistake in one certificate is one finding, in however many bundles it is.
func TestFindingsAreMerged(t *testing.T) {
	t.Parallel()
	r := report.New(report.Input{
		Rules: []report.Rule{{ID: "first", Level: "error"}, {ID: "second", Level: "warning"}},
		Findings: []report.InputFinding{
			{Rule: "second", Bundle: "Bundle a", Where: "spec", Detail: "empty"},
			{Rule: "first", Bundle: "Bundle a", SHA256: "01", Detail: "expired"},
			{Rule: "first", Bundle: "Bundle b", SHA256: "01", Detail: "expired"},
			{Rule: "second", Bundle: "Bundle b", Where: "spec", Detail: "empty"},
			{Rule: "unknown", Bundle: "Bundle b", Detail: "odd"},
		},
	})
	want := []report.RuleFindings{
		{Rule: "first", Level: "error", Findings: []report.Finding{{SHA256: "01", Detail: "expired", Places: []string{"Bundle a", "Bundle b"}}}},
		{Rule: "second", Level: "warning", Findings: []report.Finding{{Detail: "empty", Places: []string{"Bundle a, spec"}}, {Detail: "empty", Places: []string{"Bundle b, spec"}}}},
		{Rule: "unknown", Findings: []report.Finding{{Detail: "odd", Places: []string{"Bundle b"}}}},
	}
	if diff := cmp.Diff(want, r.Findings); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
