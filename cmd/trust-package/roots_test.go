package main

import (
	"crypto/x509"
	"errors"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/x509roots/fallback/bundle"

	"trust-manager.io/internal/capackage"
	"trust-manager.io/internal/certs"
	"trust-manager.io/internal/encode"
)

// day parses a date in the format YYYY-MM-DD.
func day(t *testing.T, text string) time.Time {
	t.Helper()
	date, err := time.Parse(time.DateOnly, text)
	if err != nil {
		t.Fatal(err)
	}
	return date
}

// distrustAfter returns a constraint like those in the list.
func distrustAfter(date time.Time) func([]*x509.Certificate) error {
	return func(chain []*x509.Certificate) error {
		for _, certificate := range chain {
			if certificate.NotBefore.After(date) {
				return errors.New("issued too late")
			}
		}
		return nil
	}
}

// rootDER returns the certificate at a position of the list.
func rootDER(t *testing.T, index int) []byte {
	t.Helper()
	for root := range bundle.Roots() {
		if index == 0 {
			return root.Certificate
		}
		index--
	}
	t.Fatal("the list is too short")
	return nil
}

// TestSelectRoots relies on 2025-09-27 being 398 days before 2026-10-30.
func TestSelectRoots(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		policy   policy
		date     string
		wantKept bool
	}{
		"grace keeps a root with a future date":          {grace, "2027-04-15", true},
		"grace keeps a root with a recent date":          {grace, "2026-04-15", true},
		"grace keeps a root on its last day":             {grace, "2025-09-27", true},
		"grace leaves out a root the day after":          {grace, "2025-09-26", false},
		"grace leaves out a root with a date long past":  {grace, "2020-01-01", false},
		"keep keeps a root with a date long past":        {keep, "2020-01-01", true},
		"drop leaves out a root even with a future date": {drop, "2027-04-15", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plain := bundle.Root{Certificate: rootDER(t, 0)}
			dated := bundle.Root{Certificate: rootDER(t, 1), Constraint: distrustAfter(day(t, tc.date))}
			got, err := selectRoots(slices.Values([]bundle.Root{dated, plain}), tc.policy, day(t, "2026-10-30"))
			if err != nil {
				t.Fatal(err)
			}
			subject := []string{"CN=ACCVRAIZ1,OU=PKIACCV,O=ACCV,C=ES"}
			wantDER := [][]byte{dated.Certificate, plain.Certificate}
			wantKept, wantDropped := subject, []string(nil)
			if !tc.wantKept {
				wantDER, wantKept, wantDropped = wantDER[1:], nil, subject
			}
			if diff := cmp.Diff(wantDER, ders(got.certificates)); diff != "" {
				t.Errorf("certificates (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(wantKept, got.keptDated); diff != "" {
				t.Errorf("kept with a date (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(wantDropped, got.dropped); diff != "" {
				t.Errorf("left out (-want +got):\n%s", diff)
			}
		})
	}
}

func ders(certificates []certs.Certificate) [][]byte {
	var out [][]byte
	for _, certificate := range certificates {
		out = append(out, certificate.DER)
	}
	return out
}

func TestSelectRootsRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		root    bundle.Root
		wantErr string
	}{
		"a constraint that accepts any date": {
			root:    bundle.Root{Certificate: rootDER(t, 0), Constraint: func([]*x509.Certificate) error { return nil }},
			wantErr: "a constraint that is not a distrust-after date",
		},
		"a constraint that accepts no date": {
			root:    bundle.Root{Certificate: rootDER(t, 0), Constraint: func([]*x509.Certificate) error { return errors.New("no") }},
			wantErr: "a constraint that is not a distrust-after date",
		},
		"not a certificate": {root: bundle.Root{Certificate: []byte("x")}, wantErr: "root 1 of the list"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := selectRoots(slices.Values([]bundle.Root{tc.root}), keep, time.Time{})
			if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
				t.Errorf("error %v, want one with %q", err, tc.wantErr)
			}
			if got.certificates != nil {
				t.Error("certificates together with the error")
			}
		})
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	got := selection{
		certificates: make([]certs.Certificate, 3),
		dropped:      []string{"CN=A,O=B", "CN=C"},
	}.report()
	want := "kept 3 roots, 0 with a distrust-after date\n" +
		"left out 2 with a distrust-after date: CN=A,O=B; CN=C\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}

// TestWholeListIsReadBack checks that the operator reads back every root of the
// real list, in the list's order.
func TestWholeListIsReadBack(t *testing.T) {
	t.Parallel()
	selected, err := selectRoots(bundle.Roots(), keep, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	result, problem := certs.Parse(string(encode.PEM(selected.certificates)), certs.Origin{})
	if problem != nil {
		t.Fatal(problem)
	}
	var want [][]byte
	for root := range bundle.Roots() {
		want = append(want, root.Certificate)
	}
	if diff := cmp.Diff(want, ders(result.Certificates)); diff != "" {
		t.Errorf("certificates (-want +got):\n%s", diff)
	}
}

func TestListDate(t *testing.T) {
	t.Parallel()
	built := func(version string, replace *debug.Module) *debug.BuildInfo {
		return &debug.BuildInfo{Deps: []*debug.Module{
			{Path: "golang.org/x/crypto", Version: "v0.0.0-20200101000000-0123456789ab"},
			{Path: listModule, Version: version, Replace: replace},
		}}
	}
	cases := map[string]struct {
		info    *debug.BuildInfo
		want    string
		wantErr string
	}{
		"a pseudo-version without a tag before it": {info: built("v0.0.0-20261030153154-30a33513ff6d", nil), want: "2026-10-30"},
		"a pseudo-version after a tag":             {info: built("v1.2.4-0.20261030235959-30a33513ff6d", nil), want: "2026-10-30"},
		"a replaced module": {
			info: built("v1.0.0", &debug.Module{Version: "v0.0.0-20250101000000-30a33513ff6d"}), want: "2025-01-01",
		},
		"replaced by a folder": {
			info: built("v0.0.0-20261030153154-30a33513ff6d", &debug.Module{Path: "../fallback"}), wantErr: `version ""`,
		},
		"a tagged version":      {info: built("v0.1.0", nil), wantErr: `version "v0.1.0" of golang.org/x/crypto/x509roots/fallback has no date in it`},
		"fourteen other digits": {info: built("v0.0.0-20261399153154-30a33513ff6d", nil), wantErr: "has no date in it"},
		"no such module":        {info: &debug.BuildInfo{}, wantErr: "without the version of golang.org/x/crypto/x509roots/fallback"},
		"no build info":         {info: nil, wantErr: "built without module versions"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := listDate(tc.info)
			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) || !got.IsZero() {
					t.Errorf("date %v, error %v, want an error with %q", got, err, tc.wantErr)
				}
				return
			}
			if err != nil || !got.Equal(day(t, tc.want)) {
				t.Errorf("date %v, error %v, want %s", got, err, tc.want)
			}
		})
	}
}

// TestMozillaWithoutListDate checks that a build that does not know the list's date
// reports which flags work without it.
func TestMozillaWithoutListDate(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		version     string
		constrained policy
		wantErr     string
	}{
		"no version":           {"", keep, "set it with --version"},
		"a version, but grace": {"v", grace, "use --constrained=keep or drop"},
		"a version and keep":   {"v", keep, ""},
		"a version and drop":   {"v", drop, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := capackage.Package{Version: tc.version}
			selected, err := mozilla(&p, nil, tc.constrained)
			if tc.wantErr == "" {
				if err != nil || len(selected.certificates) == 0 || p.Version != tc.version {
					t.Errorf("%d certificates, version %q, error %v", len(selected.certificates), p.Version, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
				t.Errorf("error %v, want one with %q", err, tc.wantErr)
			}
		})
	}
}
