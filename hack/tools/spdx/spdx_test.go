package spdx

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestLicenses checks that licenses in a bill of materials come from the list, joined as
// an SPDX expression, and that a module missing from the list is an error.
func TestLicenses(t *testing.T) {
	t.Parallel()
	text := "# Licenses\n\n| module | version | licenses | in |\n|---|---|---|---|\n" +
		"| `example.com/m` | v1.0.0-x | Apache-2.0, MIT | a, b |\n| `Go's standard library` | that of the build | BSD-3-Clause | a |\n"
	path := filepath.Join(t.TempDir(), "list.md")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	known, err := ReadLicenses(path)
	if err != nil {
		t.Fatal(err)
	}
	for module, want := range map[string]string{
		"example.com/m": "Apache-2.0 AND MIT", stdlib: "BSD-3-Clause", "trust-manager.io/api": "Apache-2.0", "example.com/other": "", "trust-manager.iox": "",
	} {
		if got, err := known.of(module); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q (%v), want %q", module, got, err, want)
		}
	}
	if got, err := Licenses(nil).of("example.com/m"); got != NoAssertion || err != nil {
		t.Errorf("without a list: %q (%v)", got, err)
	}
}

func TestIdentifier(t *testing.T) {
	t.Parallel()
	if one, other := identifier("a.b/c-d_e"), identifier("a.b/c_d-e"); one == other || strings.ContainsAny(one, "/_") {
		t.Errorf("%s, %s", one, other)
	}
}
