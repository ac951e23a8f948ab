package main

import "testing"

func TestParseStat(t *testing.T) {
	t.Parallel()
	got, err := parseStat([]byte("42 (a ) name) S 1 42 42 0 -1 4194304 9 0 0 0 150 50 7 8 20 0 12 0 999"))
	if err != nil || got != 2 {
		t.Errorf("parseStat() = %v, %v; want 2 s", got, err)
	}
	if _, err := parseStat([]byte("42 (name) S 1")); err == nil {
		t.Error("no error for a short line")
	}
}

func TestParseField(t *testing.T) {
	t.Parallel()
	const text = "VmPeak:\t 900 kB\nVmHWM:\t  61 kB\n"
	if got, err := parseField(text, "VmHWM:", 1024); err != nil || got != 61*1024 {
		t.Errorf("parseField() = %v, %v", got, err)
	}
	if _, err := parseField(text, "VmRSS:", 1); err == nil {
		t.Error("no error for a missing field")
	}
}

func TestSumOf(t *testing.T) {
	t.Parallel()
	const text = `# HELP writes_total Writes.
writes_total{verb="create",result="success"} 3
writes_total{verb="a b",result="error"} 1.5e+1
writes_total_other 7
live_bytes 4096
`
	for name, want := range map[string]float64{"writes_total": 18, "live_bytes": 4096, "nothing": 0} {
		if got, err := sumOf(text, name); err != nil || got != want {
			t.Errorf("sumOf(%s) = %v, %v; want %v", name, got, err, want)
		}
	}
	if _, err := sumOf("broken x\n", "broken"); err == nil {
		t.Error("no error for an invalid number")
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	got := usage{2, 10, 1, 30}.plus(usage{4, 20, 3, 20}).per(2)
	if want := (usage{3, 15, 2, 30}); got != want {
		t.Errorf("usage %v, want %v", got, want)
	}
}
