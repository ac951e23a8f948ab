package app

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// R1: names of versions and suites, and the defaults, have the same meaning as in Go.
func TestTLSNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]uint16{"": tls.VersionTLS12, "VersionTLS12": tls.VersionTLS12, "VersionTLS13": tls.VersionTLS13} {
		if got, err := tlsVersion(name); err != nil || got != want {
			t.Errorf("%q is %x (%v), want %x", name, got, err, want)
		}
	}
	for _, suite := range tls.CipherSuites() {
		got, err := cipherSuites([]string{suite.Name})
		if diff := cmp.Diff([]uint16{suite.ID}, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", suite.Name, err, diff)
		}
	}
	for _, suite := range tls.InsecureCipherSuites() {
		if _, err := cipherSuites([]string{suite.Name}); err == nil {
			t.Errorf("%s is accepted", suite.Name)
		}
	}
	if suites, err := cipherSuites(nil); suites != nil || err != nil {
		t.Errorf("no names: got %v (%v), want none, for Go's defaults", suites, err)
	}
}

// A directory without the file differs from one with a broken file.
func TestLacksCertificate(t *testing.T) {
	t.Parallel()
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "tls.crt"), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		folder string
		want   bool
	}{
		"no folder":       {filepath.Join(full, "absent"), true},
		"an empty folder": {t.TempDir(), true},
		"a broken file":   {full, false},
	} {
		if got := lacksCertificate(tc.folder); got != tc.want {
			t.Errorf("%s: %t, want %t", name, got, tc.want)
		}
	}
}
