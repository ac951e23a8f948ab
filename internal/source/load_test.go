package source_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trust-manager.io/internal/capackage"
	"trust-manager.io/internal/source"
	"trust-manager.io/test/framework/ca"
)

// Without a path, no package is loaded or watched.
func TestLoadNothing(t *testing.T) {
	t.Parallel()
	d := noPackage(t)
	if d.ID() != "" {
		t.Errorf("id %q", d.ID())
	}
	if err := d.Watch(t.Context(), func(error) { t.Error("a change is reported") }); err != nil {
		t.Errorf("Watch: %v", err)
	}
}

// D1: an invalid file is an error that names the file and the cause.
func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	good := encoded(t, packageOf("1", ca.Roots(1)))
	cases := map[string]struct {
		name string
		data []byte
		want []string
	}{
		"another extension": {"package.pem", good, []string{"must end in .json", `".pem"`}},
		"no extension":      {"package", good, []string{"must end in .json"}},
		"upper case":        {"package.JSON", good, []string{"must end in .json"}},
		"empty":             {"package.json", nil, []string{"empty or truncated"}},
		"not JSON":          {"package.json", []byte(ca.Roots(1)), []string{"not one JSON object"}},
		"truncated":         {"package.json", good[:len(good)/2], []string{"truncated"}},
		"no version":        {"package.json", []byte(`{"name":"n","bundle":"b"}`), []string{`"version"`, "missing"}},
		"no PEM":            {"package.json", encoded(t, packageOf("1", "nothing here")), []string{"no certificate"}},
		"a damaged block": {
			"package.json", encoded(t, packageOf("1", ca.Roots(1)+strings.Replace(ca.Roots(2), "-----END", "----END", 1))), []string{"test-1-", "block 2"},
		},
		"a private key": {
			"package.json", encoded(t, packageOf("1", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n")), []string{"block 1"},
		},
		"too large": {"package.json", bytes.Repeat([]byte(" "), capackage.MaxSize+1), []string{"is larger than 16777216 bytes"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), tc.name)
			write(t, path, tc.data)
			d, err := source.LoadDefaultCAs(path)
			if err == nil || d != nil {
				t.Fatalf("loaded %v, error %v", d, err)
			}
			for _, part := range append(tc.want, path) {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not contain %q", err, part)
				}
			}
			if strings.Contains(err.Error(), "c2VjcmV0") {
				t.Errorf("%q shows content", err)
			}
		})
	}
}

func TestLoadWithoutFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "package.json")
	if _, err := source.LoadDefaultCAs(path); !os.IsNotExist(unwrapped(err)) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
	if _, err := source.LoadDefaultCAs(t.TempDir() + "/folder.json/"); err == nil {
		t.Error("a directory is loaded")
	}
}

// unwrapped returns the first *os.PathError of a chain, or its innermost error.
func unwrapped(err error) error {
	for {
		inner, ok := err.(interface{ Unwrap() error })
		if !ok || inner.Unwrap() == nil {
			return err
		}
		if _, ok := err.(*os.PathError); ok { //nolint:errorlint // the error itself, not one it wraps
			return err
		}
		err = inner.Unwrap()
	}
}

// A package of the maximum size is loaded. White space counts as well.
func TestLoadLargest(t *testing.T) {
	t.Parallel()
	data := encoded(t, packageOf("1", ca.Roots(1)))
	data = append(data, bytes.Repeat([]byte("\n"), capackage.MaxSize-len(data))...)
	path := filepath.Join(t.TempDir(), "package.json")
	write(t, path, data)
	if _, err := source.LoadDefaultCAs(path); err != nil {
		t.Error(err)
	}
}
